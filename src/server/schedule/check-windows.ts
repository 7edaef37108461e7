/**
 * Consistency checks keep to their time (§3.6): one that began by itself ends when the window for checks closes, or its longest duration is over, and goes on in the next
 * window, where nothing that was sent is sent again. One that a person asked for runs to its end.
 */
import { MINUTE_MS, nextOpenMs, openState } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from '../groups/group-facts.ts'
import type { JobEngine } from '../jobs/engine.ts'

export async function endLateChecks({ catalog, op }: ServerContext, engine: JobEngine): Promise<void> {
  const nowMs = op.clock.nowMs()
  for (const job of await catalog.jobs.inProgress()) {
    if (job.type !== 'consistency-check' || job.isAdHoc || job.cancelRequestedMs !== undefined) continue
    const stored = job.groupId === undefined ? undefined : await catalog.groups.find(job.groupId)
    if (!stored) continue
    const { timeZone, blackouts, consistencyCheck, priority } = readGroup(stored.document)
    const { windows, daily } = consistencyCheck
    const times = { windows, blackouts, timeZone }
    const isClosed = windows.length > 0 && !openState(times, nowMs).isOpen
    const longestMs = daily && job.createdBy === 'schedule' ? daily.maxDurationMinutes * MINUTE_MS : Number.POSITIVE_INFINITY
    const isOver = nowMs - (job.startedMs ?? nowMs) >= longestMs
    if (!isClosed && !isOver) continue
    await engine.cancel(job.id, 'schedule')
    // Where its time was over it is the daily schedule's turn again, since the replica is flagged as before.
    const dueMs = isClosed ? nextOpenMs(times, nowMs) : undefined
    if (dueMs === undefined) continue
    const { sourceId, groupId, agentId, poolId } = job
    await engine.createOnce({ type: 'consistency-check', sourceId, groupId, agentId, poolId, priority, createdBy: 'server', dueMs })
  }
}
