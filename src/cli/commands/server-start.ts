import { resolve } from 'node:path'
import type { Command } from 'commander'
import { serverUrl } from '../api/profiles.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, parsePort, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import type { RunningServer } from '../programs.ts'
import { type Run, untilStopped, withoutSignal } from '../run.ts'

interface Options {
  readonly data: string
  readonly host: string
  readonly port: number
  readonly agentPort: number
  readonly agentUrl?: string
  readonly certificate?: string
  readonly key?: string
  readonly json?: boolean
}

const USUAL_PORT = 7843
const USUAL_AGENT_PORT = 7844

export function addServerStart(parent: Command, host: CommandHost): void {
  const command = parent
    .command('start')
    .summary('run the backup server')
    .description(
      'Runs the backup server on a data folder until it gets SIGTERM or Ctrl-C. When it is ready it prints its address, the fingerprint of its certificate, and while it has no account the secret that makes the first one.',
    )
    .requiredOption('--data <folder>', 'its data folder; made if it does not exist')
    .option('--host <address>', 'where to listen; 0.0.0.0 or :: for all networks', '127.0.0.1')
    .option('--port <n>', 'port for people and programs; 0 is any free one', parsePort, USUAL_PORT)
    .option('--agent-port <n>', 'port for agents; 0 is any free one', parsePort, USUAL_AGENT_PORT)
    .option('--agent-url <url>', 'as agents reach it, if not at this host and port: https://name:port')
    .option('--certificate <file>', 'certificate as PEM, with its chain; without it the server makes one of its own')
    .option('--key <file>', 'private key of the certificate as PEM')
  withJson(command).action((options: Options) => host.run(options, (run) => serverStart(run, options)))
  describe(command, {
    notes: 'With --json it prints one line when it is ready, and runs on.',
    examples: [
      'terp server start --data /var/lib/terp-server --host 0.0.0.0',
      'terp server start --data /srv/terp --certificate /etc/ssl/terp.pem --key /etc/ssl/private/terp.pem',
    ],
    exits: [11, 14],
  })
}

async function serverStart(run: Run, options: Options) {
  const { op, programs, disk } = run
  const { host, port, agentPort } = options
  const agentUrl = options.agentUrl === undefined ? undefined : serverUrl(plainText(options.agentUrl, 'the address'))
  const dataFolder = resolve(plainText(options.data, 'the data folder'))
  const certificate = givenCertificate(options)
  const server = await programs.server.start(withoutSignal(op), { dataFolder, host, port, agentPort, agentUrl, disk, certificate })
  try {
    tell(run, server, dataFolder)
    await untilStopped(op)
  } finally {
    await server.close()
  }
  return EXIT_CODES.ok
}

function givenCertificate({ certificate, key }: Options) {
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined || key === undefined) throw cliError('USAGE_INVALID', '--certificate and --key belong together')
  const path = (text: string) => resolve(plainText(text, 'the path of a file'))
  return { certificatePath: path(certificate), keyPath: path(key) }
}

function tell({ output }: Run, { address, agentAddress, fingerprint, setupSecret }: RunningServer, dataFolder: string): void {
  if (output.isJson) {
    const optional = setupSecret === undefined ? {} : { setup_secret: setupSecret }
    output.printJson({ message_type: 'ready', address, agent_address: agentAddress, fingerprint, ...optional })
    return
  }
  output.print(address)
  output.print(`fingerprint ${fingerprint}`)
  output.print(`agents ${agentAddress}`)
  if (setupSecret === undefined) return
  output.print(`set-up secret ${setupSecret}`)
  output.note(`make the first account with it in a browser, or with: terp login --data ${dataFolder}`)
}
