import { type Command, Option } from 'commander'
import type { Overwrite } from '../../archive/index.ts'
import { type CommandHost, collect, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { openPool } from '../pool.ts'
import { runRestore } from '../restore.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly target: string
  readonly path?: string[]
  readonly overwrite: Overwrite
  readonly dryRun?: boolean
  readonly json?: boolean
}

export const OVERWRITE_CHOICES: readonly Overwrite[] = ['never', 'if-changed', 'always', 'copy']

export const OVERWRITE_NOTE = [
  'Restoring /a/b to --target T gives T/a/b. What is there already is left alone with --overwrite never, replaced if its size',
  'or time differs with if-changed, replaced with always, and kept beside the restored file with copy.',
].join('\n')

export function addPoolRestore(parent: Command, host: CommandHost): void {
  const command = parent
    .command('restore')
    .summary('restore a recovery point')
    .description(
      'Restores a recovery point, or some paths of it, into the target folder. Every byte is checked before it counts as restored.',
    )
    .argument('<DIR>', 'the pool')
    .argument('<POINT>', 'id of a recovery point, a beginning of it, or latest')
    .requiredOption('--target <folder>', 'where to restore; it is made if it does not exist')
    .option('--path <path>', 'only this file or folder; may be given several times', collect)
    .addOption(overwriteOption())
    .option('--dry-run', 'change nothing; tell what would be done')
  withJson(withSecret(command)).action((dir: string, point: string, options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolRestore(run, dir, point, options)),
  )
  describe(command, {
    notes: `${OVERWRITE_NOTE}\n${SECRET_NOTE}`,
    examples: [
      'terp pool restore /backup/pool latest --target /tmp/back --key-file ~/pool.key',
      'terp pool restore /backup/pool 3fa1 --target / --path /home/ann/thesis.odt --overwrite if-changed --key-file ~/pool.key',
    ],
    exits: [3, 10, 12, 14],
  })
}

export function overwriteOption(): Option {
  return new Option('--overwrite <when>', 'what to do with files that are there').choices(OVERWRITE_CHOICES).default('never')
}

async function poolRestore(run: Run, dir: string, query: string, options: Options) {
  const { repository, descriptor } = await openPool(run, dir, options)
  const point = await repository.findPoint(run.op, query)
  const { target, overwrite, path: paths = [], dryRun: isDryRun = false } = options
  return runRestore(run, { repository, descriptor, point, target, paths, overwrite, isDryRun })
}
