/** What leaves the program with --json, field by field. Other people's scripts read it: a field is added, never renamed. */

import type { Difference, Entry, RestoreReport, UploadReport, VerifyReport } from '../archive/index.ts'
import type { Warning } from '../base/operation.ts'
import type { ExpireReport, Finding, PathText, PruneReport, RecoveryPoint } from '../repository/index.ts'
import type { MeasuredBackup } from './backup.ts'
import { timestampOf } from './format.ts'

const SHORT_ID = 8

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID)
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000
}

interface PathFields {
  readonly path: string
  /** Only where the text is not the whole truth. */
  readonly path_base64?: string
}

/** `path` as archives have it: without its first slash. */
export function presentPath(path: Buffer): PathFields {
  const text = path.toString('utf8')
  return {
    path: `/${text}`,
    ...(Buffer.from(text).equals(path) ? {} : { path_base64: Buffer.concat([Buffer.from('/'), path]).toString('base64') }),
  }
}

/** Paths that were protected are stored as people gave them: absolute. */
export function textOfPath({ text }: PathText): string {
  return text.startsWith('/') ? text : `/${text}`
}

export function presentPoint(point: RecoveryPoint) {
  return {
    id: point.id,
    short_id: shortId(point.id),
    source: point.source,
    sequence: point.sequence,
    time: point.finished,
    started: point.started,
    host: point.host,
    paths: point.paths.map(textOfPath),
    total_bytes: point.statistics.total_bytes,
    total_files: point.statistics.files,
    total_folders: point.statistics.folders,
    data_added: point.statistics.data_added,
    data_added_packed: point.statistics.data_added_packed,
    warnings: point.warnings,
    previous_point: point.previous_point,
  }
}

export function presentEntry(entry: Entry) {
  const slash = entry.path.lastIndexOf(0x2f)
  const target = entry.target?.toString('utf8')
  return {
    ...presentPath(entry.path),
    name: entry.path.subarray(slash + 1).toString('utf8'),
    type: entry.kind,
    size: entry.sizeBytes,
    mode: entry.mode.toString(8).padStart(4, '0'),
    mtime: timestampOf(entry.mtimeSec, entry.mtimeNs),
    owner: entry.userName ?? String(entry.uid),
    group: entry.groupName ?? String(entry.gid),
    uid: entry.uid,
    gid: entry.gid,
    links: entry.links,
    ...(target === undefined ? {} : { target }),
  }
}

export function presentWarning({ code, message, item }: Warning) {
  return { code, message, item: item ?? null }
}

/** Those of the report and those that were told meanwhile, each once. */
export function mergeWarnings(...lists: readonly (readonly Warning[])[]): Warning[] {
  const all = new Map<string, Warning>()
  for (const warning of lists.flat()) all.set(`${warning.code}\n${warning.item ?? ''}\n${warning.message}`, warning)
  return [...all.values()]
}

export function presentBackup(report: MeasuredBackup, warnings: readonly Warning[]) {
  return {
    message_type: 'summary',
    recovery_point_id: report.point.id,
    source: report.point.source,
    files_new: report.filesNew,
    files_changed: report.filesChanged,
    files_unmodified: report.filesUnmodified,
    dirs_new: report.foldersNew,
    dirs_changed: report.foldersChanged,
    dirs_unmodified: report.foldersUnmodified,
    total_files_processed: report.filesProcessed,
    total_bytes_processed: report.bytesProcessed,
    data_added: report.dataAdded,
    data_added_packed: report.dataAddedPacked,
    total_duration: seconds(report.durationMs),
    backup_start: report.point.started,
    backup_end: report.point.finished,
    event_loop_delay_ms: { p50: report.loopDelay.p50Ms, p99: report.loopDelay.p99Ms, max: report.loopDelay.maxMs },
    warnings: warnings.map(presentWarning),
    warnings_count: Math.max(report.warningCount, warnings.length),
  }
}

export function presentRestore(report: RestoreReport, warnings: readonly Warning[], isDryRun: boolean) {
  return {
    message_type: 'summary',
    files_restored: report.filesRestored,
    bytes_restored: report.bytesRestored,
    bytes_written: report.bytesWritten,
    files_unchanged: report.filesUnchanged,
    others_restored: report.othersRestored,
    files_skipped: report.filesSkipped,
    files_failed: report.filesFailed,
    skipped: report.skipped,
    failed: report.failed,
    found_damage: report.foundDamage,
    dry_run: isDryRun,
    total_duration: seconds(report.durationMs),
    warnings: warnings.map(presentWarning),
    warnings_count: warnings.length,
  }
}

export function presentFinding({ code, severity, object, message, recoveryPoints }: Finding) {
  return { code, severity, object, recovery_points: recoveryPoints, message }
}

export function presentVerify(report: VerifyReport) {
  return {
    message_type: 'summary',
    findings: report.findings.map(presentFinding),
    points: report.points,
    packs: report.packs,
    bytes_read: report.bytesRead,
    total_duration: seconds(report.durationMs),
  }
}

export function presentUpload(report: UploadReport) {
  return {
    message_type: 'summary',
    recovery_point_id: report.point.id,
    source: report.point.source,
    already_there: report.wasThere,
    chunks_sent: report.chunksSent,
    bytes_sent: report.bytesSent,
    packs: report.packsNeeded,
    total_duration: seconds(report.durationMs),
  }
}

export function presentExpire(report: ExpireReport, isDryRun: boolean) {
  return {
    message_type: 'summary',
    points: report.points.map(presentPoint),
    only_bytes: report.onlyBytes,
    unreferenced_bytes: report.unreferencedBytes,
    freeable_bytes: report.freeableBytes,
    dry_run: isDryRun,
    total_duration: seconds(report.durationMs),
  }
}

export function presentPrune(report: PruneReport, warnings: readonly Warning[], isDryRun: boolean) {
  return {
    message_type: 'summary',
    points: report.points,
    unreferenced_bytes: report.unreferencedBytes,
    freed_bytes: report.freedBytes,
    unreferenced_left_bytes: report.unreferencedLeftBytes,
    packs_dropped: report.packsDropped,
    packs_repacked: report.packsRepacked,
    packs_written: report.packsWritten,
    packs_resurrected: report.packsResurrected,
    packs_waiting: report.packsWaiting,
    bytes_waiting: report.bytesWaiting,
    sessions_awaited: report.sessionsAwaited,
    dry_run: isDryRun,
    total_duration: seconds(report.durationMs),
    warnings: warnings.map(presentWarning),
    warnings_count: warnings.length,
  }
}

export interface DifferenceLists {
  readonly added: PathFields[]
  readonly removed: PathFields[]
  readonly changed: (PathFields & { readonly what: Difference['change'] })[]
}

/** `path` in a difference is text already, without its first slash or with it. */
export function sortDifference(lists: DifferenceLists, difference: Difference): void {
  const entry = difference.after ?? difference.before
  const path = entry ? presentPath(entry.path) : { path: difference.path.startsWith('/') ? difference.path : `/${difference.path}` }
  if (difference.change === 'added') lists.added.push(path)
  else if (difference.change === 'removed') lists.removed.push(path)
  else lists.changed.push({ ...path, what: difference.change })
}
