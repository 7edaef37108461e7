import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { readSmallFile } from '../files.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly token?: string
  readonly tokenFile?: string
  readonly server?: string
  readonly name?: string
  readonly data?: string
  readonly replace?: boolean
  readonly json?: boolean
}

export function addAgentEnroll(parent: Command, host: CommandHost): void {
  const command = parent
    .command('enroll')
    .summary('make this machine an agent of a server')
    .description(
      'Makes this machine an agent of a backup server, with a token of `terp agent token` on the server. The key is made here and stays here.',
    )
    .option('--token <text>', 'the token: `terp1.…`; good once')
    .option('--token-file <file>', 'a file with the token')
    .option('--server <url>', 'where the server is reached from here, if not at the address in the token')
    .option('--name <name>', "what it is called on the server (default: this machine's name)")
    .option('--data <folder>', "the agent's data folder (default: /var/lib/terp-agent for root)")
    .option('--replace', 'leave the server that this agent belongs to')
  withJson(command).action((options: Options) => host.run(options, (run) => agentEnroll(run, options)))
  describe(command, {
    examples: ['terp agent enroll --token terp1.eyJ1cmwiOiJodHRwczovL...', 'terp agent enroll --token-file /run/terp-token --name web-3'],
    exits: [10, 12, 13, 15],
  })
}

async function agentEnroll(run: Run, options: Options) {
  const { op, programs, disk, output } = run
  const folder = agentFolder(run, options.data)
  const name = options.name === undefined ? hostname() : plainText(options.name, 'the name')
  const token = await readToken(run, options)
  const url = options.server === undefined ? undefined : plainText(options.server, 'the address')
  const agent = await programs.agent.enroll(op, { disk, folder, token, url, name, replace: options.replace === true })
  if (output.isJson) output.printJson({ agent_id: agent.agentId, name: agent.name, server: agent.url, server_id: agent.serverId, folder })
  else
    output.print(
      `${agent.name} is an agent of ${agent.url}; start it with: terp agent start${options.data === undefined ? '' : ` --data ${folder}`}`,
    )
  return EXIT_CODES.ok
}

async function readToken({ disk }: Run, { token, tokenFile }: Options): Promise<string> {
  if ((token === undefined) === (tokenFile === undefined)) throw cliError('USAGE_INVALID', 'give --token or --token-file')
  if (token !== undefined) return plainText(token, 'the token').trim()
  return (await readSmallFile(disk, tokenFile as string, 'the file with the token')).toString('utf8').trim()
}

export function agentFolder({ config }: Run, data: string | undefined): string {
  return resolve(data === undefined ? config.agentFolder : plainText(data, 'the data folder'))
}
