/** What the server does for itself, as jobs that people see (§5.1): expiry, pruning, verification. */
import { letOthersRun } from '../../base/clock.ts'
import { asTerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Job, JsonObject, PoolVolume } from '../../catalog/index.ts'
import { DAY_MS, type JobType, occurrencesOf } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { Alarm } from '../jobs/alarm.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { protectionSetting } from '../jobs/settings.ts'
import type { CatalogCheck } from '../self-check/catalog-check.ts'
import { generalSetting } from '../settings/general.ts'
import { readSetting } from '../settings/setting.ts'
import type { Ledger } from './ledger.ts'
import type { Retention } from './retention.ts'

export interface MaintenanceParts {
  readonly context: ServerContext
  readonly engine: JobEngine
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  readonly ledger: Ledger
  readonly retention: Retention
  readonly check: Pick<CatalogCheck, 'request'>
  /** What others do once a day. */
  readonly alsoNightly: () => Promise<void>
}

/** Expiry before pruning, which frees what that gave up; verification last. */
const PRIORITY: Readonly<Partial<Record<JobType, number>>> = { 'expire-points': 30, prune: 20, 'pool-verify': 0 }
const LOOK_EVERY_MS = 10 * 60_000
const STATE = 'maintenance'
const HISTORY_MS = 30 * DAY_MS

interface State {
  readonly nightMs?: number
  readonly verified?: Readonly<Record<string, number>>
}

export class Maintenance {
  readonly #parts: MaintenanceParts
  readonly #context: ServerContext
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #loop: Promise<void> | undefined

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
    this.#context = parts.context
    this.#alarm = new Alarm(parts.context.op.clock, AbortSignal.any([parts.context.op.signal, this.#stop.signal]))
  }

  kinds(): ServerJobKind[] {
    const kind = (type: JobType, attempts: number, run: (op: Operation, job: Job) => Promise<JobOutcome>): ServerJobKind => ({
      type,
      where: 'server',
      attempts,
      run,
    })
    return [
      kind('expire-points', 3, (op, job) => this.#expire(op, job)),
      { ...kind('prune', 3, (op, job) => this.#prune(op, job)), afterwards: (job) => this.#pruned(job) },
      kind('pool-verify', 2, (op, job) => this.#verify(op, job)),
    ]
  }

  async start(): Promise<void> {
    this.#loop = this.#work()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async request(
    type: 'expire-points' | 'prune' | 'pool-verify' | 'catalog-check',
    poolId: string,
    by: string,
    parameters: JsonObject = {},
  ): Promise<Job> {
    if (type === 'catalog-check') return await this.#parts.check.request(by)
    const request = { type, poolId, createdBy: by, priority: PRIORITY[type] ?? 0, isAdHoc: by !== 'server', parameters }
    return (await this.#parts.engine.createOnce(request)).job
  }

  async #work(): Promise<void> {
    const { op } = this.#context
    while (!this.#stop.signal.aborted && !op.signal.aborted) {
      let waitMs = LOOK_EVERY_MS
      try {
        waitMs = Math.min(waitMs, await this.#look())
      } catch (error) {
        if (op.signal.aborted) return
        const { code, message } = asTerpError(error)
        op.warn({ code, message, item: 'maintenance' })
      }
      await this.#alarm.wait(Math.max(1, waitMs))
    }
  }

  /** Returns how long until the next night. */
  async #look(): Promise<number> {
    const { catalog, op } = this.#context
    await this.#parts.retention.clock.look()
    const { maintenanceTime } = (await readSetting(this.#context, protectionSetting)).value
    const { timeZone } = (await readSetting(this.#context, generalSetting)).value
    const nights = occurrencesOf(
      { kind: 'weekly', times: [maintenanceTime], weekdays: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] },
      timeZone,
    )
    const nowMs = op.clock.nowMs()
    const state = ((await catalog.settings.find(STATE))?.value as State | undefined) ?? {}
    // A server that is new has nothing to make up for.
    const nightMs = nights.last(state.nightMs ?? nowMs, nowMs)
    if (state.nightMs === undefined || nightMs !== undefined)
      await catalog.settings.put(STATE, { ...state, nightMs: nightMs ?? nowMs }, { by: 'server' })
    if (nightMs !== undefined) await this.night()
    return (nights.next(nowMs) ?? nowMs + LOOK_EVERY_MS) - nowMs
  }

  /** All that is done once a day. */
  async night(): Promise<void> {
    const { catalog, op } = this.#context
    for (const { id } of await catalog.sources.all()) {
      await this.#parts.retention.plan(id)
      await letOthersRun()
    }
    const { verifyEveryDays, jobHistoryDays } = (await readSetting(this.#context, protectionSetting)).value
    const nowMs = op.clock.nowMs()
    const state = ((await catalog.settings.find(STATE))?.value as State | undefined) ?? {}
    const verified = { ...state.verified }
    for (const pool of await catalog.pools.all()) {
      await this.request('expire-points', pool.id, 'server')
      await this.request('prune', pool.id, 'server')
      const readData = nowMs - (verified[pool.id] ?? pool.createdMs) >= verifyEveryDays * DAY_MS
      if (readData) verified[pool.id] = nowMs
      await this.request('pool-verify', pool.id, 'server', { readData })
    }
    await this.#parts.check.request('server')
    await this.#parts.alsoNightly()
    await catalog.settings.put(STATE, { ...state, verified }, { by: 'server' })
    while ((await catalog.jobs.removeFinishedBefore(nowMs - jobHistoryDays * DAY_MS)) > 0) op.check()
    await catalog.alerts.removeEndedBefore(nowMs - HISTORY_MS)
    await catalog.deliveries.removeEndedBefore(nowMs - HISTORY_MS)
    await catalog.points.removePruned(nowMs - 366 * DAY_MS)
    await catalog.pools.thinUsage(nowMs - 7 * DAY_MS)
  }

  async #expire(op: Operation, job: Job): Promise<JobOutcome> {
    const frozen = await this.#parts.retention.clock.look()
    if (frozen !== undefined) {
      op.warn({ code: 'EXPIRY_FROZEN', message: `nothing is deleted: ${frozen}` })
      return { result: { points: 0 } }
    }
    const done = await this.#parts.ledger.carryOut(op, this.#parts.pools, job.poolId ?? '')
    return { result: { ...done } }
  }

  async #prune(op: Operation, job: Job): Promise<JobOutcome> {
    if ((await this.#parts.retention.clock.look()) !== undefined) return { result: { freedBytes: 0 } }
    const pool = await this.#pool(job)
    const { metrics } = this.#context
    const dryRun = job.parameters.dryRun === true
    const report = await this.#parts.pools.prune(op, pool.id, { dryRun, keepTrashMs: 0, waitMs: 0, acceptUnexplained: false })
    if (dryRun) return { result: { ...report } as unknown as JsonObject }
    metrics.pruneFreedBytes.inc({ pool: pool.name }, Math.max(0, report.freedBytes))
    metrics.pruneLastSuccess.set({ pool: pool.name }, op.clock.nowMs() / 1000)
    return { result: { ...report } as unknown as JsonObject }
  }

  async #verify(op: Operation, job: Job): Promise<JobOutcome> {
    const { catalog } = this.#context
    const pool = await this.#pool(job)
    const readData = job.parameters.readData === true
    const before = await catalog.points.list({ limit: 100_000 }, { poolId: pool.id, states: ['valid'] })
    const report = await this.#parts.pools.verify(op, pool.id, { readData })
    const damaged = new Set(report.findings.filter(({ severity }) => severity === 'damage').flatMap(({ recoveryPoints }) => recoveryPoints))
    for (const finding of report.findings) op.warn({ code: finding.code, message: finding.message, item: finding.object })
    const bySource = new Map<string, number>()
    for (const { id, sourceId } of before.items) {
      if (damaged.has(id) || readData) await catalog.points.verified(id, damaged.has(id) ? 'damaged' : 'good')
      bySource.set(sourceId, (bySource.get(sourceId) ?? 0) + (damaged.has(id) ? 1 : 0))
    }
    for (const [sourceId, count] of bySource) {
      const source = await catalog.sources.find(sourceId)
      if (!source) continue
      const message = `${count} recovery points are damaged`
      if (count > 0)
        await this.#parts.alerts.raise('point-damaged', {
          id: sourceId,
          name: source.name,
          message,
          jobId: job.id,
          groupId: source.groupId,
        })
      else if (readData) await this.#parts.alerts.resolve('point-damaged', sourceId)
    }
    const { points, packs, bytesRead, durationMs } = report
    return {
      result: { points, packs, bytesRead, durationMs, findings: report.findings.length, damagedPoints: damaged.size },
      bytesTransferred: bytesRead,
    }
  }

  /** 3178 */
  async #pruned(job: Job): Promise<void> {
    const { alerts } = this.#parts
    const pool = await this.#context.catalog.pools.find(job.poolId ?? '')
    if (!pool || job.state === 'cancelled') return
    if (job.state !== 'failed') return await alerts.resolve('consolidation-failed', pool.id)
    await alerts.raise('consolidation-failed', {
      id: pool.id,
      name: pool.name,
      message: job.error?.message ?? 'pruning failed',
      jobId: job.id,
    })
  }

  async #pool(job: Job): Promise<PoolVolume> {
    return await this.#context.catalog.pools.get(job.poolId ?? '')
  }
}
