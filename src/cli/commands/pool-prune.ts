import { constants, setPriority } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { prunePool } from '../../archive/index.ts'
import type { PruneReport } from '../../repository/index.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration, formatInteger } from '../format.ts'
import { lockPrune, openPool } from '../pool.ts'
import { mergeWarnings, presentPrune } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly dryRun?: boolean
  readonly wait: number
  readonly keepTrash: number
  readonly acceptUnexplained?: boolean
  readonly json?: boolean
}

/** Most backups of what changed in a day take less. */
const WAIT_SECONDS = 60
const DAY_MS = 86_400_000

export function addPoolPrune(parent: Command, host: CommandHost): void {
  const command = parent
    .command('prune')
    .summary('free what no recovery point needs')
    .description('Frees what no recovery point needs. Backups, uploads and restores may go on meanwhile.')
    .argument('<DIR>', 'the pool')
    .option('--dry-run', 'only say what would be freed')
    .option(
      '--wait <seconds>',
      'how long to wait for backups that run; what waits longer is left to the next prune',
      parseCount,
      WAIT_SECONDS,
    )
    .option('--keep-trash <days>', 'keep expired recovery points whole for so long', parseCount, 0)
    .option('--accept-unexplained', 'go on although much of the pool is garbage that no expired point explains')
  withJson(withSecret(command)).action((dir: string, options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolPrune(run, dir, options)),
  )
  describe(command, {
    notes: `It may be cut off at any time; the next one goes on. If anything that recovery points need can not be read, nothing is deleted.\n${SECRET_NOTE}`,
    examples: ['terp pool prune /backup/pool --dry-run --key-file ~/pool.key', 'terp pool prune /backup/pool --key-file ~/pool.key'],
    exits: [3, 10, 11, 12, 14, 15],
  })
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a number from 0 to 999999.')
  return Number(text)
}

async function poolPrune(run: Run, dir: string, options: Options) {
  const { op, output } = run
  const dryRun = options.dryRun ?? false
  // Nobody waits for a prune: what runs beside it, a backup above all, gets the processor first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  const pool = await openPool(run, dir, options, dryRun ? 'read' : 'write')
  const lock = dryRun ? undefined : await lockPrune(run, pool)
  try {
    const { repository, store } = pool
    const report = await prunePool(op, {
      repository,
      store,
      dryRun,
      keepTrashMs: options.keepTrash * DAY_MS,
      waitMs: options.wait * 1000,
      acceptUnexplained: options.acceptUnexplained ?? false,
    })
    const warnings = mergeWarnings(run.warnings)
    if (output.isJson) output.printJson(presentPrune(report, warnings, dryRun))
    else output.print(describePrune(report, dryRun))
    return warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
  } finally {
    await lock?.release()
  }
}

function describePrune(report: PruneReport, isDryRun: boolean): string {
  const { freedBytes, packsDropped, packsRepacked, packsWaiting, bytesWaiting, sessionsAwaited } = report
  const lines = [
    isDryRun ? `would free ${formatBytes(Math.max(0, freedBytes))}; nothing was changed` : `freed ${formatBytes(Math.max(0, freedBytes))}`,
    `  needed by no point    ${formatBytes(report.unreferencedBytes)} of ${formatCount(report.points, 'recovery point')} in all`,
    `  packs                 ${formatCount(packsDropped, 'pack')} without anything needed, ${formatInteger(packsRepacked)} written anew`,
    `  took                  ${formatDuration(report.durationMs)}`,
  ]
  if (packsWaiting > 0) {
    const whom = sessionsAwaited > 0 ? ` for ${formatCount(sessionsAwaited, 'session')} to end` : ''
    lines.push(`  waiting               ${formatCount(packsWaiting, 'pack')}, ${formatBytes(bytesWaiting)}${whom}: run prune again then`)
  }
  return lines.join('\n')
}
