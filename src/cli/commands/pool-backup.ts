import type { Command } from 'commander'
import type { BackupReport } from '../../archive/index.ts'
import type { Warning } from '../../base/operation.ts'
import { plainText } from '../arguments.ts'
import { runBackup, sourcePath } from '../backup.ts'
import { type CommandHost, collect, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration, formatInteger, formatRate } from '../format.ts'
import { openPool } from '../pool.ts'
import { mergeWarnings, presentBackup, shortId } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly source?: string
  readonly exclude?: string[]
  readonly excludeCaches?: boolean
  readonly oneFileSystem?: boolean
  readonly forceRead?: boolean
  readonly reread?: string
  readonly json?: boolean
}

export function addPoolBackup(parent: Command, host: CommandHost): void {
  const command = parent
    .command('backup')
    .summary('add a recovery point')
    .description('Adds a recovery point of the paths to the pool.')
    .argument('<DIR>', 'the pool')
    .argument('<PATH...>', 'files and folders to protect')
    .option('--source <name>', 'name of the data source (default: the name of this machine)')
    .option('--exclude <pattern>', 'leave out what matches; may be given several times', collect)
    .option('--exclude-caches', 'leave out folders that a CACHEDIR.TAG marks as caches')
    .option('--one-file-system', 'stay on the file systems of the paths')
    .option('--force-read', 'read all files, also those that look unchanged')
    .option('--reread <percent>', 'read this share of the unchanged files all the same, others each time')
  withJson(withSecret(command)).action((dir: string, paths: string[], options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolBackup(run, dir, paths, options)),
  )
  describe(command, {
    notes: `A file that can't be read is a warning and stops nothing.\nFiles and folders whose size, times and inode did not change are taken over unread. With --reread 1, all of them are read again in the course of 100 backups.\n${SECRET_NOTE}`,
    examples: ["terp pool backup /backup/pool /home /etc --exclude '*.tmp' --exclude-caches --key-file ~/pool.key"],
    exits: [3, 10, 11, 12, 14],
  })
}

async function poolBackup(run: Run, dir: string, paths: readonly string[], options: Options) {
  const source = options.source === undefined ? undefined : plainText(options.source, 'the name of the source')
  const excludes = (options.exclude ?? []).map((pattern) => plainText(pattern, 'a pattern'))
  const sources = paths.map(sourcePath)
  const pool = await openPool(run, dir, options, 'write')
  const { excludeCaches = false, oneFileSystem = false, forceRead = false } = options
  const rereadPercent = options.reread === undefined ? 0 : percentOf(options.reread)
  const backup = { paths: sources, excludes, excludeCaches, oneFileSystem, forceRead, rereadPercent }
  const report = await runBackup(run, pool, source === undefined ? backup : { ...backup, source })
  const before = run.warnings.length
  for (const warning of report.warnings) run.warn(warning)
  const warnings = mergeWarnings(run.warnings.slice(0, before), report.warnings)
  if (run.output.isJson) run.output.printJson(presentBackup(report, warnings))
  else run.output.print(describeBackup(report, warnings))
  return warnings.length > 0 || report.warningCount > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
}

function percentOf(text: string): number {
  const percent = Number(text)
  if (/^\d{1,3}(\.\d{1,3})?$/.test(text) && percent <= 100) return percent
  throw cliError('USAGE_INVALID', `${text} is no percentage from 0 to 100`)
}

export function describeBackup(report: BackupReport, warnings: readonly Warning[]): string {
  const { point, durationMs } = report
  const counts = (added: number, changed: number, same: number) =>
    [added, changed, same].map((n) => formatInteger(n).padStart(9)).join('  ')
  const lines = [
    `recovery point ${shortId(point.id)} of ${point.source} (${point.id})`,
    `            ${['new', 'changed', 'unchanged'].map((word) => word.padStart(9)).join('  ')}`,
    `  files     ${counts(report.filesNew, report.filesChanged, report.filesUnmodified)}`,
    `  folders   ${counts(report.foldersNew, report.foldersChanged, report.foldersUnmodified)}`,
    `  protected ${formatCount(report.filesProcessed, 'file')}, ${formatBytes(report.bytesProcessed)}`,
    `  added     ${formatBytes(report.dataAdded)} of new data, ${formatBytes(report.dataAddedPacked)} on disk`,
    `  took      ${formatDuration(durationMs)}, ${formatRate(report.bytesProcessed, durationMs)}`,
  ]
  const count = Math.max(report.warningCount, warnings.length)
  if (count > 0) lines.push(`  ${formatCount(count, 'warning')}: see above`)
  return lines.join('\n')
}
