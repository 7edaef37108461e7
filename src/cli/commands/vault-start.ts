import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, parseListen } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { type Run, untilStopped, withoutSignal } from '../run.ts'

interface Options {
  readonly data: string
  readonly listen: { readonly host: string; readonly port: number }
}

export function addVaultStart(parent: Command, host: CommandHost): void {
  const command = parent
    .command('start')
    .summary('run a vault service')
    .description('Runs a vault service on a data folder until it gets SIGTERM or Ctrl-C. Prints its address when it is ready.')
    .requiredOption('--data <folder>', 'its data folder; made if it does not exist')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0 is any free one')
        .argParser(parseListen)
        .default({ host: '127.0.0.1', port: 0 }, '127.0.0.1:0'),
    )
    .action((options: Options) => host.run({}, (run) => vaultStart(run, options)))
  describe(command, {
    notes: 'The other vault commands find the service through its data folder: address and administrator token lie there.',
    examples: ['terp vault start --data /srv/vault --listen 127.0.0.1:7820'],
    exits: [11, 14],
  })
}

async function vaultStart(run: Run, { data, listen }: Options) {
  const { op, programs, disk, output } = run
  const dataFolder = resolve(plainText(data, 'the data folder'))
  const vault = await programs.vault.start(withoutSignal(op), { dataFolder, ...listen, disk })
  try {
    output.print(vault.address)
    await untilStopped(op)
  } finally {
    await vault.close()
  }
  return EXIT_CODES.ok
}
