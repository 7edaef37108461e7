/** Jobs as the API shows them: with names, how fast they go, and why one that waits does. */
import { toTimestamp } from '../../base/clock.ts'
import type { Catalog, Job } from '../../catalog/index.ts'
import { JOB_TYPES } from '../../protection/index.ts'
import type { JobDescription } from '../../wire/index.ts'
import { Names } from '../groups/present.ts'
import type { AgentLine } from './engine.ts'

export class JobPresenter {
  readonly #catalog: Catalog
  readonly #line: Pick<AgentLine, 'isConnected'>
  readonly #nowMs: () => number

  constructor(catalog: Catalog, line: Pick<AgentLine, 'isConnected'>, nowMs: () => number) {
    this.#catalog = catalog
    this.#line = line
    this.#nowMs = nowMs
  }

  async presentAll(jobs: readonly Job[]): Promise<JobDescription[]> {
    const names = new Names(this.#catalog)
    const held = new Set((await this.#catalog.jobs.inProgress()).map(({ lock }) => lock))
    return await Promise.all(jobs.map((job) => this.#one(job, names, held)))
  }

  async present(job: Job): Promise<JobDescription> {
    return (await this.presentAll([job]))[0] as JobDescription
  }

  async #one(job: Job, names: Names, held: ReadonlySet<string | undefined>): Promise<JobDescription> {
    const { createdMs, dueMs, startedMs, finishedMs, cancelRequestedMs, progress, error, result } = job
    const elapsedMs = startedMs === undefined ? undefined : Math.max(0, Math.round((finishedMs ?? this.#nowMs()) - startedMs))
    const live = typeof progress?.bytesPerSecond === 'number' && job.state === 'in-progress' ? progress.bytesPerSecond : undefined
    const mean = finishedMs !== undefined && elapsedMs ? Math.round((job.bytesTransferred / elapsedMs) * 1000) : undefined
    const { id, type, state, sourceId, groupId, agentId, poolId, pointId, isAdHoc, createdBy, attempts, attemptsAllowed, retryOf } = job
    const facts = { id, type, state, sourceId, groupId, agentId, poolId, pointId, isAdHoc, createdBy, attempts, attemptsAllowed, retryOf }
    return {
      ...facts,
      typeName: JOB_TYPES[type].name,
      sourceName: await names.source(sourceId),
      groupName: await names.group(groupId),
      agentName: await names.agent(agentId),
      created: toTimestamp(createdMs),
      due: toTimestamp(dueMs),
      ...(startedMs !== undefined && { started: toTimestamp(startedMs) }),
      ...(finishedMs !== undefined && { finished: toTimestamp(finishedMs) }),
      elapsedMs,
      waitsFor: this.#waitsFor(job, held),
      ...(progress && state === 'in-progress' && { progress: { ...progress } }),
      bytesTransferred: job.bytesTransferred,
      bytesPerSecond: live ?? mean,
      warnings: job.warnings,
      ...(error && { error: { ...error, context: error.context && { ...error.context } } }),
      ...(result && { result: { ...result } }),
      ...(cancelRequestedMs !== undefined && { cancelRequested: toTimestamp(cancelRequestedMs) }),
    }
  }

  #waitsFor(job: Job, held: ReadonlySet<string | undefined>): JobDescription['waitsFor'] {
    if (job.state !== 'queued' && job.state !== 'scheduled') return undefined
    if (job.dueMs > this.#nowMs()) return 'time'
    if (job.lock !== undefined && held.has(job.lock)) return 'replica'
    if (job.agentId !== undefined && !this.#line.isConnected(job.agentId)) return 'agent'
    return 'turn'
  }
}
