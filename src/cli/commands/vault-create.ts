import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly data: string
  readonly redundancy: 'lrs' | 'grs'
  readonly json?: boolean
}

export function addVaultCreate(parent: Command, host: CommandHost): void {
  const command = parent
    .command('create')
    .summary('make a vault')
    .description('Makes a vault in a running vault service.')
    .argument('<NAME>', '2 to 50 letters, digits or hyphens, beginning with a letter')
    .requiredOption('--data <folder>', 'data folder of the vault service')
    .addOption(
      new Option('--redundancy <kind>', 'how the storage below keeps it: locally or geographically redundant')
        .choices(['lrs', 'grs'])
        .default('grs'),
    )
  withJson(command).action((name: string, options: Options) => host.run(options, (run) => vaultCreate(run, name, options)))
  describe(command, {
    examples: ['terp vault create Berlin --data /srv/vault --redundancy lrs'],
    exits: [10, 13, 15],
  })
}

async function vaultCreate({ op, programs, output }: Run, argument: string, { data, redundancy }: Options) {
  const name = plainText(argument, 'the name of the vault')
  const made = await programs.vault.createVault(op, resolve(plainText(data, 'the data folder')), { name, redundancy })
  if (output.isJson) output.printJson({ ...made })
  else output.print(`made the vault ${made.name} (${made.redundancy})`)
  return EXIT_CODES.ok
}
