/** One restore from an open repository, for `pool restore`, `recover` and the quickstart. */
import { type Overwrite, type RestoreReport, restorePoint } from '../archive/index.ts'
import { realPath } from '../platform/index.ts'
import type { RecoveryPoint, Repository } from '../repository/index.ts'
import type { StoreDescriptor } from '../storage/index.ts'
import { bytesOf, pathInPoint, resolvePath } from './arguments.ts'
import { cliError } from './errors.ts'
import { EXIT_CODES, type ExitCode } from './exit-codes.ts'
import { formatBytes, formatCount, formatDuration, formatInteger, formatRate, printable } from './format.ts'
import { mergeWarnings, presentRestore, shortId } from './present.ts'
import type { Run } from './run.ts'

export interface RestoreRequest {
  readonly repository: Repository
  readonly descriptor: StoreDescriptor
  readonly point: RecoveryPoint
  /** As it was typed. */
  readonly target: string
  readonly paths: readonly string[]
  readonly overwrite: Overwrite
  readonly isDryRun: boolean
}

/** Prints the report and tells the exit code. */
export async function runRestore(run: Run, request: RestoreRequest): Promise<ExitCode> {
  const { op, output } = run
  const { repository, descriptor, point, overwrite, isDryRun } = request
  const target = targetPath(request.target)
  const select = request.paths.map(pathInPoint)
  const report = await restorePoint(op, {
    repository,
    point,
    target,
    overwrite,
    dryRun: isDryRun,
    workerStore: descriptor,
    ...(select.length === 0 ? {} : { select }),
  })
  const warnings = mergeWarnings(run.warnings, report.warnings)
  for (const warning of report.warnings) run.warn(warning)
  if (output.isJson) output.printJson(presentRestore(report, warnings, isDryRun))
  else {
    for (const { path, code, message } of report.failed) output.note(`${output.paint('31', 'failed:')} ${about(path, message)} (${code})`)
    output.print(describeRestore(report, { target: printable(target.toString('utf8')), point: shortId(point.id), isDryRun }))
  }
  if (report.filesFailed > 0 || report.foundDamage) return report.foundDamage ? EXIT_CODES.damage : EXIT_CODES.failed
  return warnings.length > 0 || report.skipped.some(isMissed) ? EXIT_CODES.warnings : EXIT_CODES.ok
}

/** Not there as in the recovery point. Sockets are left out by design; what was equal already has no reason. */
function isMissed({ code }: RestoreReport['skipped'][number]): boolean {
  return code !== 'KIND_SKIPPED'
}

export function targetPath(argument: string): Buffer {
  const bytes = bytesOf(argument)
  if (bytes.length === 0) throw cliError('USAGE_INVALID', 'the target is empty')
  const path = resolvePath(realPath('.'), bytes)
  return path.length === 0 ? Buffer.from('/') : path
}

function about(path: string, message: string): string {
  return printable(message.includes(path) ? message : `${path}: ${message}`)
}

export function describeRestore(
  report: RestoreReport,
  { target, point, isDryRun }: { readonly target: string; readonly point: string; readonly isDryRun: boolean },
): string {
  const lines = [
    `${isDryRun ? 'would restore' : 'restored'} recovery point ${point} to ${target}`,
    `  files     ${formatCount(report.filesRestored, 'file')}, ${formatBytes(report.bytesRestored)}`,
    `  others    ${formatInteger(report.othersRestored)} (folders, links, devices)`,
  ]
  if (report.filesSkipped > 0) lines.push(`  skipped   ${formatCount(report.filesSkipped, 'file')}${reasons(report.skipped)}`)
  if (report.filesFailed > 0) lines.push(`  failed    ${formatCount(report.filesFailed, 'file')}: see above`)
  lines.push(`  took      ${formatDuration(report.durationMs)}, ${formatRate(report.bytesRestored, report.durationMs)}`)
  return lines.join('\n')
}

/** The codes of what was skipped, the most frequent first. */
function reasons(items: RestoreReport['skipped']): string {
  const counts = new Map<string, number>()
  for (const { code } of items) counts.set(code, (counts.get(code) ?? 0) + 1)
  const texts = [...counts].sort((a, b) => b[1] - a[1]).map(([code]) => code)
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}
