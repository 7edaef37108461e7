/** Test restores as jobs (complaint 21): asked for, or every so many days of each data source. What they find is when a source was last verified. */
import type { Operation } from '../../base/operation.ts'
import type { DataSource, Job, JsonObject, RecoveryPoint } from '../../catalog/index.ts'
import { DAY_MS } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { jobError } from '../jobs/errors.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { protectionSetting } from '../jobs/settings.ts'
import { readSetting } from '../settings/setting.ts'

const SAMPLE = { mostFiles: 1000, mostBytes: 4 * 1024 ** 3 }
const ENDED = ['completed', 'completed-with-warnings', 'failed'] as const

export interface TestRestoreParts {
  readonly context: ServerContext
  readonly engine: JobEngine
  readonly pools: PoolWork
  readonly alerts: AlertDesk
}

export class TestRestores {
  readonly #parts: TestRestoreParts

  constructor(parts: TestRestoreParts) {
    this.#parts = parts
  }

  kind(): ServerJobKind {
    return { type: 'test-restore', where: 'server', attempts: 2, gated: 'restoreDisk', run: (op, job) => this.#run(op, job) }
  }

  /** Of a point, or of one that is chosen when the job begins. */
  async request(source: DataSource, by: string, pointId?: string): Promise<Job> {
    const { id: sourceId, groupId, poolId } = source
    const isAdHoc = by !== 'server'
    // Not `pointId`: a point that goes before the job begins leaves others to choose from.
    const parameters: JsonObject = pointId === undefined ? {} : { pointId }
    const request = {
      type: 'test-restore',
      sourceId,
      groupId,
      poolId,
      isAdHoc,
      createdBy: by,
      parameters,
      priority: isAdHoc ? 50 : -10,
    } as const
    return isAdHoc ? await this.#parts.engine.create(request) : (await this.#parts.engine.createOnce(request)).job
  }

  /** Of each source that had none for so many days. */
  async night(): Promise<void> {
    const { catalog, op } = this.#parts.context
    const { testRestoreEveryDays } = (await readSetting(this.#parts.context, protectionSetting)).value
    if (testRestoreEveryDays === 0) return
    for (const source of await catalog.sources.all()) {
      op.check()
      if ((await catalog.points.newestOf(source.id)) === undefined) continue
      const last = (await catalog.jobs.list({ limit: 1 }, { sourceId: source.id, types: ['test-restore'], states: ENDED })).items[0]
      // The night itself takes a while, and must not skip a day for it.
      if (last && op.clock.nowMs() - last.createdMs < testRestoreEveryDays * DAY_MS - DAY_MS / 2) continue
      await this.request(source, 'server')
    }
  }

  async #run(op: Operation, job: Job): Promise<JobOutcome> {
    const { context, pools, alerts } = this.#parts
    const { catalog } = context
    const source = await catalog.sources.get(job.sourceId ?? '')
    const point = await this.#choose(op, job, source)
    const report = await pools.testRestore(op, point.poolId, { pointId: point.id, ...SAMPLE })
    const { failures, ...counts } = report
    for (const { code, message, path } of failures) op.warn({ code, message, item: path })
    const isGood = failures.length === 0
    await catalog.points.verified(point.id, isGood ? 'good' : 'damaged')
    if (isGood) await this.#succeeded(source)
    else {
      await alerts.raise('point-damaged', {
        id: source.id,
        name: source.name,
        message: `a test restore could not read ${failures.length} of ${counts.files} files`,
        jobId: job.id,
        groupId: source.groupId,
        details: { pointId: point.id },
      })
    }
    return {
      pointId: point.id,
      bytesTransferred: counts.bytes,
      warnings: failures.length,
      result: { ...counts, failed: failures.length, isGood },
    }
  }

  async #succeeded(source: DataSource): Promise<void> {
    const { context, alerts } = this.#parts
    const { catalog, metrics, op } = context
    const damaged = (await catalog.points.validOf(source.id)).some(({ verifiedResult }) => verifiedResult === 'damaged')
    if (!damaged) await alerts.resolve('point-damaged', source.id)
    const group = source.groupId === undefined ? undefined : (await catalog.groups.find(source.groupId))?.name
    const labels = { group: group ?? '', source: source.name, workload: source.workload, copy: 'disk' }
    metrics.restoreDrillLastSuccess.set(labels, op.clock.nowMs() / 1000)
    metrics.backupLastVerified.set(labels, op.clock.nowMs() / 1000)
  }

  /** The newest, until it was verified; then any. */
  async #choose(op: Operation, job: Job, source: DataSource): Promise<RecoveryPoint> {
    const points = await this.#parts.context.catalog.points.validOf(source.id)
    const named = job.parameters.pointId
    const found = typeof named === 'string' ? points.find(({ id }) => id === named) : undefined
    const newest = points.at(-1)
    if (!newest || (named !== undefined && !found)) throw jobError('JOB_WITHOUT_SUBJECT', 'there is no such recovery point')
    if (found) return found
    if (newest.verifiedMs === undefined) return newest
    const at = Buffer.from(op.random.bytes(4)).readUInt32BE(0) % points.length
    return points[at] as RecoveryPoint
  }
}
