import type { Command } from 'commander'
import { type CommandHost, describe, withJson, withSecret } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import type { NewPoolOptions } from '../make-pool.ts'
import { poolFolder } from '../pool.ts'
import { presentWarning } from '../present.ts'
import type { Run } from '../run.ts'
import { findSecret, type SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly recoveryKeyOut?: string
  readonly json?: boolean
}

export function addPoolInit(parent: Command, host: CommandHost): void {
  const command = parent
    .command('init')
    .summary('make a pool')
    .description('Makes a pool in DIR: an empty folder, or one that does not exist yet.')
    .argument('<DIR>', 'the folder of the new pool')
  withJson(
    withSecret(command).option('--recovery-key-out <file>', 'new file for the recovery key, which opens the pool when its secret is lost'),
  ).action((dir: string, options: Options) => host.run(options, (run) => poolInit(run, dir, options)))
  describe(command, {
    notes:
      'A passphrase has at least 16 characters, all ASCII. A key file holds at least 32 bytes; one that does not exist is made.\nNobody can open the pool without one of its secrets: keep them in a place apart.',
    examples: [
      'terp pool init /backup/pool --passphrase-file ~/pool.passphrase --recovery-key-out /media/stick/recovery.txt',
      'terp pool init /backup/pool --key-file ~/pool.key --recovery-key-out /media/stick/recovery.txt',
    ],
    exits: [11, 12, 15],
  })
}

async function poolInit(run: Run, dir: string, options: Options) {
  const { output } = run
  const folder = poolFolder(dir)
  const keyFile = options.keyFile ?? (options.passphraseFile === undefined && isOnlyKeyFile(run) ? run.config.keyFile : undefined)
  const secret = keyFile === undefined ? await findSecret(run.op, run, options) : { keyFile }
  if (!secret) throw cliError('USAGE_INVALID', 'a new pool needs --passphrase-file or --key-file')
  const canShow = !output.isJson && output.streams.isOutTerminal
  const recovery: NewPoolOptions['recovery'] =
    options.recoveryKeyOut === undefined ? (canShow ? 'shown' : 'none') : { file: options.recoveryKeyOut }
  const { makePool } = await import('../make-pool.ts')
  const pool = await makePool(run, { folder, secret, recovery })

  if (pool.hasNewKeyFile) output.note(`made the key file ${keyFile}: without it, or the recovery key, nobody can open the pool`)
  if (options.recoveryKeyOut !== undefined) output.note(`saved the recovery key to ${options.recoveryKeyOut}: move it to a place apart`)
  if (recovery === 'none') {
    const message = 'the pool has only one key slot; if its secret is lost, so is the pool. Next time, use --recovery-key-out.'
    run.warn({ code: 'ONE_KEY_SLOT', message })
  }
  if (output.isJson) {
    output.printJson({
      pool: folder,
      repository_id: pool.repository.format.repositoryId,
      key_slots: recovery === 'none' ? 1 : 2,
      key_file_made: pool.hasNewKeyFile ? (keyFile ?? null) : null,
      recovery_key_file: options.recoveryKeyOut ?? null,
      warnings: run.warnings.map(presentWarning),
    })
    return EXIT_CODES.ok
  }
  output.print(`made the pool ${folder}`)
  if (pool.recoveryWords !== undefined) {
    output.print(`\nIts recovery key, shown this once. Write it down and keep it apart from the pool:\n\n${inRows(pool.recoveryWords)}\n`)
  }
  return EXIT_CODES.ok
}

/** The order of findSecret: a key file comes last. */
function isOnlyKeyFile({ config }: Run): boolean {
  return config.passphraseFile === undefined && config.passphraseCommand === undefined
}

function inRows(words: string): string {
  const numbered = words.split(' ').map((word, i) => `${String(i + 1).padStart(4)} ${word.padEnd(9)}`)
  return Array.from({ length: 4 }, (_, row) =>
    numbered
      .slice(row * 6, row * 6 + 6)
      .join('')
      .trimEnd(),
  ).join('\n')
}
