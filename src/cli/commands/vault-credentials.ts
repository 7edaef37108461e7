import { resolve } from 'node:path'
import type { Command } from 'commander'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { makeFolders } from '../files.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly data: string
  readonly out: string
}

export function addVaultCredentials(parent: Command, host: CommandHost): void {
  const command = parent
    .command('credentials')
    .summary('download a credentials file')
    .description('Writes a new credentials file of a vault and prints its path. It voids those made before.')
    .argument('<NAME>', 'the vault')
    .requiredOption('--data <folder>', 'data folder of the vault service')
    .requiredOption('--out <folder>', 'folder for the file NAME_DATE.VaultCredentials; made if it is missing')
    .action((name: string, options: Options) => host.run({}, (run) => vaultCredentials(run, name, options)))
  describe(command, {
    notes: 'The file expires, registers one server, and lists and restores what the vault holds (with the passphrase). Keep it secret.',
    examples: ['terp vault credentials Berlin --data /srv/vault --out .'],
    exits: [10, 13, 15],
  })
}

async function vaultCredentials({ op, programs, output, disk }: Run, argument: string, options: Options) {
  const dataFolder = resolve(plainText(options.data, 'the data folder'))
  const outFolder = resolve(plainText(options.out, 'the folder for the file'))
  const name = plainText(argument, 'the name of the vault')
  await makeFolders(disk, outFolder)
  output.print(await programs.vault.downloadCredentials(op, dataFolder, { name, outFolder }))
  return EXIT_CODES.ok
}
