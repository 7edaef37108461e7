/** Recovery points as people see them in a list. */
import { type Finding, type RecoveryPoint, repositoryError } from '../repository/index.ts'
import { formatBytes, formatInteger, formatTable, formatTime, printable } from './format.ts'
import { shortId, textOfPath } from './present.ts'
import type { Run } from './run.ts'

export interface ListedPoint extends Pick<RecoveryPoint, 'id' | 'source' | 'finished' | 'paths' | 'statistics' | 'warnings'> {
  /** The server that sent it, in a vault. */
  readonly server?: string
}

export function describePoints(points: readonly ListedPoint[]): string {
  const hasServers = points.some(({ server }) => server !== undefined)
  const columns = [
    { title: 'POINT' },
    { title: 'TIME (UTC)' },
    ...(hasServers ? [{ title: 'SERVER' }] : []),
    { title: 'SOURCE' },
    { title: 'FILES', align: 'right' as const },
    { title: 'SIZE', align: 'right' as const },
    { title: 'PATHS' },
  ]
  const rows = points.map((point) => [
    shortId(point.id),
    formatTime(point.finished),
    ...(hasServers ? [point.server ?? ''] : []),
    printable(point.source),
    formatInteger(point.statistics.files),
    formatBytes(point.statistics.total_bytes),
    printable(point.paths.map(textOfPath).join(' ')) + (point.warnings > 0 ? `  (${formatInteger(point.warnings)} warnings)` : ''),
  ])
  return formatTable(columns, rows)
}

/** A damaged manifest hides no other: the rest was listed, and this is told besides. */
export function tellDamaged({ output }: Run, damaged: readonly Finding[]): void {
  for (const { message, object } of damaged) output.error(repositoryError('MANIFEST_DAMAGED', message, { context: { object } }))
}
