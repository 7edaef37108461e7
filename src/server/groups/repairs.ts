/** What follows by itself when a replica is no longer what its source is (§3.6). */
import type { DataSource, Job } from '../../catalog/index.ts'
import { MINUTE_MS, nextOpenMs } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { markRestored } from '../jobs/restore-jobs.ts'
import { readGroup } from './group-facts.ts'

/** After a check or a first copy that failed: whatever was wrong had several tries already. */
const AGAIN_MS = 30 * MINUTE_MS

export class Repairs {
  readonly #context: ServerContext
  readonly #engine: JobEngine

  constructor({ context, engine }: { readonly context: ServerContext; readonly engine: JobEngine }) {
    this.#context = context
    this.#engine = engine
  }

  /** A job of it failed; what went wrong is likely to be so for a while. */
  async checkLater(source: DataSource, job: Job): Promise<void> {
    // A person who cancelled does not want it back.
    if (job.state === 'cancelled') return
    await this.#check(source, this.#context.op.clock.nowMs() + AGAIN_MS)
  }

  async restoredToOriginal(job: Job): Promise<void> {
    await markRestored(this.#context, job)
    const source = await this.#context.catalog.sources.find(job.sourceId ?? '')
    if (source?.state === 'inconsistent') await this.#check(source, this.#context.op.clock.nowMs())
  }

  /** What stood in the way is over. */
  async checkNow(source: DataSource): Promise<void> {
    await this.#check(source, this.#context.op.clock.nowMs())
  }

  /** In a window for checks, where the group has any, and only where it says that checks begin by themselves. */
  async #check({ id, groupId, agentId, poolId }: DataSource, fromMs: number): Promise<void> {
    const stored = groupId === undefined ? undefined : await this.#context.catalog.groups.find(groupId)
    if (!stored) return
    const group = readGroup(stored.document)
    if (!group.consistencyCheck.whenInconsistent) return
    const dueMs = nextOpenMs({ windows: group.consistencyCheck.windows, blackouts: group.blackouts, timeZone: group.timeZone }, fromMs)
    if (dueMs === undefined) return
    const request = {
      type: 'consistency-check',
      sourceId: id,
      groupId,
      agentId,
      poolId,
      priority: group.priority,
      createdBy: 'server',
      dueMs,
    } as const
    await this.#engine.createOnce(request)
  }
}
