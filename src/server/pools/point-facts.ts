/** What the catalog remembers of a recovery point, from its manifest. */
import { fromTimestamp } from '../../base/clock.ts'
import type { PointFacts, SourceFacts } from '../../catalog/index.ts'
import type { RecoveryPoint } from '../../repository/index.ts'

export function factsOf(poolId: string, point: RecoveryPoint): PointFacts {
  return {
    id: point.id,
    sourceId: point.source,
    poolId,
    objectName: point.object,
    sequence: point.sequence,
    startedMs: fromTimestamp(point.started),
    finishedMs: fromTimestamp(point.finished),
    bytes: point.statistics.total_bytes,
    files: point.statistics.files,
    storedBytes: point.statistics.data_added_packed,
    warnings: point.warnings,
  }
}

/** Of sources that the catalog may not know: as their newest points call them. */
export function sourcesOf(points: readonly RecoveryPoint[]): SourceFacts[] {
  const newest = new Map(points.map((point) => [point.source, point]))
  return [...newest.values()].map(({ source, host, paths }) => {
    const path = paths.map(({ text }) => text).join(', ')
    return { id: source, name: `${host}:${path}`, workload: 'files', path }
  })
}
