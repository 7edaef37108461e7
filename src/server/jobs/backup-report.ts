/** What a job that brings a source's data here says when it has ended. A consistency check is explained by it: why, what differed, how much that was, how long it took. */
import type { JsonObject, PointFacts } from '../../catalog/index.ts'
import { INCONSISTENCY_CAUSES, type InconsistencyCause } from '../../protection/index.ts'

export interface CheckFacts {
  /** `light`: by what file systems say of files; `heavy`: by every byte. */
  readonly isHeavy: boolean
  /** Why it was made, of a replica that was inconsistent. */
  readonly cause: JsonObject | undefined
  /** The recovery point before it: with it, the differences can be listed file by file. */
  readonly before: string | undefined
  readonly elapsedMs: number | undefined
}

/** What the agent counted, for people; sizes are those of the pool. */
export function resultOf(report: Readonly<Record<string, unknown>>, facts: PointFacts, check: CheckFacts | undefined): JsonObject {
  const counts: Record<string, number | string> = {}
  for (const [name, value] of Object.entries(report)) {
    if (name === 'point' || name === 'root') continue
    if (typeof value === 'number' || typeof value === 'string') counts[name] = value
  }
  const { filesNew = 0, filesChanged = 0, filesUnmodified = 0 } = counts
  return {
    ...counts,
    sizeBytes: facts.bytes,
    storedBytes: facts.storedBytes,
    differs: `${Number(filesNew) + Number(filesChanged)} files were new or changed, ${Number(filesUnmodified)} were as before; ${facts.storedBytes} bytes were stored`,
    ...(check && { check: explain(check, counts, facts) }),
  }
}

function explain(
  { isHeavy, cause, before, elapsedMs }: CheckFacts,
  counts: Readonly<Record<string, number | string>>,
  facts: PointFacts,
): JsonObject {
  const count = (name: string) => Number(counts[name] ?? 0)
  const repaired = count('filesNew') + count('filesChanged') + count('foldersNew') + count('foldersChanged')
  return {
    depth: isHeavy ? 'heavy' : 'light',
    cause: typeof cause?.message === 'string' ? cause.message : 'asked for, or by schedule',
    ...(typeof cause?.code === 'string' && { causeCode: cause.code }),
    wasConsistent: repaired === 0,
    compared: count('filesProcessed'),
    repaired,
    repairedBytes: facts.storedBytes,
    ...(elapsedMs !== undefined && { elapsedMs }),
    // `GET /recovery-points/{before}/differences?with={after}` lists them.
    ...(before !== undefined && { before, after: facts.id }),
  }
}

export function causeText(code: string): string {
  return INCONSISTENCY_CAUSES[code as InconsistencyCause] ?? code
}
