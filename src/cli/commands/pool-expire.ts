import type { Command } from 'commander'
import { expirePoints } from '../../archive/index.ts'
import type { ExpireReport } from '../../repository/index.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount } from '../format.ts'
import { describePoints } from '../points.ts'
import { lockPrune, openPool } from '../pool.ts'
import { presentExpire } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly dryRun?: boolean
  readonly allowLast?: boolean
  readonly json?: boolean
}

export function addPoolExpire(parent: Command, host: CommandHost): void {
  const command = parent
    .command('expire')
    .summary('give recovery points up')
    .description('Gives recovery points up, and says how much only they need. Their space is freed by `terp pool prune`.')
    .argument('<DIR>', 'the pool')
    .argument('<POINT...>', 'ids of recovery points, beginnings of them, or latest')
    .option('--dry-run', 'only say what would be freed')
    .option('--allow-last', 'also the last recovery point of a source')
  withJson(withSecret(command)).action((dir: string, points: string[], options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolExpire(run, dir, points, options)),
  )
  describe(command, {
    notes: `Either all of them or, if one is not found or is the last of its source, none.\n${SECRET_NOTE}`,
    examples: ['terp pool expire /backup/pool 1f0c9a2e 77ab03d1 --dry-run --key-file ~/pool.key'],
    exits: [3, 10, 11, 12, 14, 15],
  })
}

async function poolExpire(run: Run, dir: string, points: readonly string[], options: Options) {
  const { op, output } = run
  const dryRun = options.dryRun ?? false
  const pool = await openPool(run, dir, options, dryRun ? 'read' : 'write')
  const lock = dryRun ? undefined : await lockPrune(run, pool)
  try {
    const { repository, store } = pool
    const report = await expirePoints(op, { repository, store, points, dryRun, allowLast: options.allowLast ?? false })
    if (output.isJson) output.printJson(presentExpire(report, dryRun))
    else output.print(describeExpire(report, dryRun))
    return run.warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
  } finally {
    await lock?.release()
  }
}

function describeExpire(report: ExpireReport, isDryRun: boolean): string {
  const { points, onlyBytes, unreferencedBytes, freeableBytes } = report
  const what = formatCount(points.length, 'recovery point')
  return [
    describePoints(points),
    isDryRun ? `would expire ${what}; nothing was changed` : `expired ${what}`,
    `  only they need        ${formatBytes(onlyBytes)}`,
    `  needed by no point    ${formatBytes(unreferencedBytes)}`,
    `  a prune would free    ${formatBytes(freeableBytes)}`,
  ].join('\n')
}
