/** 250: what is about to run on a machine gives way to a recovery that a person wants there now. The next occurrence of its schedule brings what it would have. */
import { toTimestamp } from '../../base/clock.ts'
import type { Catalog, Job } from '../../catalog/index.ts'

const SOON_MS = 10 * 60_000

export async function dueOn({ jobs }: Catalog, agentId: string | undefined, nowMs: number): Promise<readonly Job[]> {
  if (agentId === undefined) return []
  const { items } = await jobs.list(
    { limit: 1000 },
    { agentId, states: ['scheduled', 'queued'], types: ['synchronisation', 'recovery-point'] },
  )
  const untilMs = nowMs + SOON_MS
  return items.filter(({ dueMs, isAdHoc }) => dueMs <= untilMs && !isAdHoc)
}

export function presentDue({ id, type, dueMs, sourceId }: Job) {
  return { jobId: id, type, due: toTimestamp(dueMs), sourceId }
}
