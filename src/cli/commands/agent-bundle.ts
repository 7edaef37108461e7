import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { BUNDLES_FOLDER } from '../../wire/index.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes } from '../format.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly out: string
  readonly publish?: string
  readonly json?: boolean
}

export function addAgentBundle(parent: Command, host: CommandHost): void {
  const command = parent
    .command('bundle')
    .summary('make the agent a single file')
    .description('Makes one file of the agent and its runtime, for machines without npm: copy it there, enrol it, start it.')
    .option('--out <file>', 'the new file', 'terp-agent')
    .option('--publish <folder>', 'in place of --out: the data folder of a server here, from which its agents take updates')
  withJson(command).action((options: Options) => host.run(options, (run) => agentBundle(run, options)))
  describe(command, {
    notes:
      'The file runs on machines like this one: the same processor, glibc, and a shell with tail, gzip and tar. It unpacks itself\nwhen it runs first.',
    examples: [
      'terp agent bundle',
      'terp agent bundle --publish /var/lib/terp-server',
      'terp agent bundle --out /srv/files/terp-agent && scp /srv/files/terp-agent web-3:',
    ],
    exits: [],
  })
}

async function agentBundle(run: Run, options: Options) {
  const { op, programs, output } = run
  const out =
    options.publish === undefined
      ? resolve(plainText(options.out, 'the file'))
      : join(resolve(plainText(options.publish, 'the data folder')), BUNDLES_FOLDER, `terp-agent-${programs.version}-${process.arch}`)
  const made = await programs.agent.bundle(op, { out })
  if (output.isJson) {
    const { path, sizeBytes, sha256, version } = made
    output.printJson({ file: path, bytes: sizeBytes, sha256, version })
    return EXIT_CODES.ok
  }
  output.print(`${made.path}  ${formatBytes(made.sizeBytes)}, SHA-256 ${made.sha256}`)
  if (options.publish !== undefined) {
    output.print('agents that take updates get it with:  terp agent update <AGENT>')
    return EXIT_CODES.ok
  }
  output.print(
    `on the other machine:  sh ${options.out.split('/').at(-1)} enroll --token terp1.…  and then  sh ${options.out.split('/').at(-1)} start`,
  )
  return EXIT_CODES.ok
}
