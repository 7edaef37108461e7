/**
 * The watchdog: looks at what is so, apart from the engine that makes it so. A source without a good point in time, an agent that is not heard of, a job that does not
 * begin, a pool that fills up, the vault out of reach: whatever the engine believes.
 */

import { stat } from 'node:fs/promises'
import { letOthersRun } from '../../base/clock.ts'
import { asTerpError } from '../../base/errors.ts'
import type { DataSource, SourceSummary } from '../../catalog/index.ts'
import {
  DAY_MS,
  frequencyOf,
  HOUR_MS,
  impliedSlaMs,
  JOB_TYPES,
  type ProtectionGroup,
  type SlaState,
  slaState,
  WORKLOADS,
  type Workload,
} from '../../protection/index.ts'
import { moveAgent } from '../agents/agent-state.ts'
import type { CommandQueue } from '../agents/command-queue.ts'
import type { AgentSessions } from '../agents/sessions.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import { readGroup } from '../groups/group-facts.ts'
import { applyEvent } from '../groups/source-state.ts'
import { Alarm } from '../jobs/alarm.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { thresholdOf } from '../pools/usage.ts'
import type { AlertDesk } from './alert-desk.ts'
import type { ReplicaAlerts } from './replica-alerts.ts'

export interface WatchParts {
  readonly context: ServerContext
  readonly alerts: AlertDesk
  readonly gate: GateKeeper
  readonly queue: CommandQueue
  readonly pools: PoolWork
  readonly sessions: AgentSessions
  readonly replicas: ReplicaAlerts
  readonly engine: Pick<JobEngine, 'lookedMs'>
  /** Which says how large it is. */
  readonly catalogPath: string
  /** The volume of a replica is there again. */
  readonly volumeBack: (source: DataSource) => Promise<void>
}

export interface SourceLook extends SlaState {
  /** What was promised, or what the schedule comes to. */
  readonly hours: number | undefined
  readonly isPromised: boolean
}

const EVERY_MS = 60_000
const SLOW_EVERY_MS = 10 * 60_000
/** A job that waits for so long after it was due is told. */
const LATE_MS = HOUR_MS
/** An agent that is restarted, or its machine, is no news. */
const SILENT_MS = 5 * 60_000
const FULL_PERCENT = 98
/** A job that has been running for so long, or stands still for so long, is told. */
const OVERDUE_MS = DAY_MS
const STALLED_MS = HOUR_MS
/** 3168 */
const LARGE_CATALOG_BYTES = 4 * 1024 ** 3
/** Whoever is to look every minute and did not for so long is stuck. */
const STUCK_MS = 10 * 60_000

export class Watch {
  readonly #parts: WatchParts
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #loop: Promise<void> | undefined
  #slowMs = Number.NEGATIVE_INFINITY
  /** What schedules come to. */
  readonly #hours = new WeakMap<object, number>()
  #startedMs = 0
  #lookedMs: number | undefined

  constructor(parts: WatchParts) {
    this.#parts = parts
    const { op } = parts.context
    this.#alarm = new Alarm(op.clock, AbortSignal.any([op.signal, this.#stop.signal]))
  }

  async start(): Promise<void> {
    this.#startedMs = this.#parts.context.op.clock.nowMs()
    this.#loop = this.#work()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #work(): Promise<void> {
    const { op } = this.#parts.context
    while (!this.#stop.signal.aborted && !op.signal.aborted) {
      for (const look of [() => this.#sessions(), () => this.#agents(), () => this.#jobs(), () => this.#slow()]) {
        await look().catch((error: unknown) => {
          if (op.signal.aborted) return
          const { code, message } = asTerpError(error)
          op.warn({ code, message, item: 'watchdog' })
        })
      }
      this.#lookedMs = op.clock.monotonicMs()
      await this.#alarm.wait(EVERY_MS)
    }
  }

  /** Who is stuck, of those who have to look all the time; the dead-man's switch and `/readyz` ask this. */
  problems(): readonly string[] {
    const nowMs = this.#parts.context.op.clock.monotonicMs()
    const { lookedMs } = this.#parts.engine
    const isStuck = (ms: number | undefined) => ms !== undefined && nowMs - ms > STUCK_MS
    return [
      ...(isStuck(lookedMs) ? ['the engine of jobs has not looked for work for more than ten minutes'] : []),
      ...(isStuck(this.#lookedMs) ? ['the watchdog has not looked for more than ten minutes'] : []),
    ]
  }

  isWell(): boolean {
    return this.#lookedMs !== undefined && this.problems().length === 0
  }

  async #sessions(): Promise<void> {
    await this.#parts.sessions.sweep()
  }

  async #slow(): Promise<void> {
    const nowMs = this.#parts.context.op.clock.monotonicMs()
    if (nowMs - this.#slowMs < SLOW_EVERY_MS) return
    this.#slowMs = nowMs
    await this.#parts.alerts.fade()
    await this.#parts.gate.watch()
    await this.#volumes()
    await this.#parts.replicas.follow()
    await this.#sources()
    await this.#catalogSize()
  }

  async #agents(): Promise<void> {
    const { context, alerts, queue } = this.#parts
    const { catalog, op, metrics } = context
    // After a start, agents have time to come back.
    if (op.clock.nowMs() - this.#startedMs < SILENT_MS) return
    for (const agent of await catalog.agents.silentSince(op.clock.nowMs() - SILENT_MS)) {
      if (queue.isConnected(agent.id)) continue
      await moveAgent(context, agent, 'lose')
      metrics.agentUp.set({ agent: agent.name }, 0)
      const message = 'nothing was heard of the agent for five minutes'
      await alerts.raise('agent-unreachable', { id: agent.id, name: agent.name, message })
    }
  }

  /** 3168 */
  async #catalogSize(): Promise<void> {
    const { alerts, catalogPath } = this.#parts
    const size = (await stat(catalogPath).catch(() => undefined))?.size ?? 0
    if (size < LARGE_CATALOG_BYTES) return await alerts.resolve('catalog-size', '')
    await alerts.raise('catalog-size', { id: '', name: 'catalog', message: `the catalog has ${Math.floor(size / 1024 ** 3)} GiB` })
  }

  /** 3151: the end of the job resolves it. */
  async #overdue(): Promise<void> {
    const { context, alerts } = this.#parts
    const nowMs = context.op.clock.nowMs()
    for (const { id, type, sourceId, groupId, startedMs, progress } of await context.catalog.jobs.inProgress()) {
      if (sourceId === undefined || startedMs === undefined) continue
      const stalledMs = typeof progress?.stalledMs === 'number' ? progress.stalledMs : 0
      if (nowMs - startedMs < OVERDUE_MS && stalledMs < STALLED_MS) continue
      const source = await context.catalog.sources.find(sourceId)
      const what = stalledMs >= STALLED_MS ? `stands still for ${hours(stalledMs)}` : `runs for ${hours(nowMs - startedMs)}`
      await alerts.raise('job-overdue', {
        id: sourceId,
        name: source?.name ?? sourceId,
        message: `${JOB_TYPES[type].name} ${what}`,
        jobId: id,
        groupId,
      })
    }
  }

  /** 3170 */
  async #jobs(): Promise<void> {
    await this.#overdue()
    const { context, alerts, queue } = this.#parts
    const nowMs = context.op.clock.nowMs()
    const waiting = await context.catalog.jobs.list({ limit: 500 }, { states: ['queued'] })
    for (const { id, dueMs, sourceId, agentId, groupId } of waiting.items) {
      if (sourceId === undefined || nowMs - dueMs < LATE_MS) continue
      const source = await context.catalog.sources.find(sourceId)
      const why = agentId !== undefined && !queue.isConnected(agentId) ? 'its agent is not connected' : 'other jobs go before it'
      await alerts.raise('job-not-started', {
        id: sourceId,
        name: source?.name ?? sourceId,
        message: `a job has been due for over an hour: ${why}`,
        jobId: id,
        groupId,
      })
    }
  }

  async #volumes(): Promise<void> {
    const { context, alerts, pools } = this.#parts
    const { catalog, metrics, op } = context
    for (const pool of await catalog.pools.all()) {
      const about = { id: pool.id, name: pool.name }
      try {
        await pools.check(op, pool.id)
        const usage = await pools.usage(pool.id)
        await catalog.pools.recordUsage(pool.id, usage)
        metrics.poolSize.set({ pool: pool.name }, usage.sizeBytes)
        metrics.poolUsed.set({ pool: pool.name }, usage.usedBytes)
        metrics.poolFree.set({ pool: pool.name }, usage.freeBytes)
        const percent = usage.sizeBytes === 0 ? 0 : (usage.usedBytes / usage.sizeBytes) * 100
        const threshold = thresholdOf(pool) * 100
        const message = `${Math.floor(percent)} % of the volume are used`
        if (percent >= FULL_PERCENT) await alerts.raise('pool-volume-full', { ...about, message })
        else await alerts.resolve('pool-volume-full', pool.id)
        if (percent >= threshold && percent < FULL_PERCENT) await alerts.raise('pool-volume-threshold', { ...about, message })
        else await alerts.resolve('pool-volume-threshold', pool.id)
        await alerts.resolve('pool-volume-missing', pool.id)
        await this.#volumeIsBack(pool.id)
      } catch (error) {
        const { message } = asTerpError(error)
        await alerts.raise('pool-volume-missing', { ...about, message })
        await this.#volumeIsGone(pool.id, message)
      }
    }
  }

  /** §10.7: OK or inconsistent, and its volume is gone. */
  async #volumeIsGone(poolId: string, message: string): Promise<void> {
    const { catalog } = this.#parts.context
    const busy = new Set((await catalog.jobs.inProgress()).map(({ sourceId }) => sourceId))
    for (const source of await catalog.sources.all({ poolId, states: ['ok', 'inconsistent'] })) {
      // What runs ends by itself, and says what it met.
      if (!busy.has(source.id)) await applyEvent(catalog, source, 'lose-volume', { code: 'volume-missing', message })
    }
  }

  /** A check has to prove that it holds what it held. */
  async #volumeIsBack(poolId: string): Promise<void> {
    const { context, volumeBack } = this.#parts
    for (const source of await context.catalog.sources.all({ poolId, states: ['missing'] })) {
      const cause = { code: 'disk-error', message: 'its volume was missing for a while' }
      await volumeBack(await applyEvent(context.catalog, source, 'volume-back', cause))
    }
  }

  async #sources(): Promise<void> {
    const { context, alerts } = this.#parts
    const summaries = new Map((await context.catalog.points.summaries()).map((summary) => [summary.sourceId, summary]))
    for (const stored of await context.catalog.groups.all()) {
      const group = readGroup(stored.document)
      for (const { dataSourceId } of group.members) {
        const source = await context.catalog.sources.find(dataSourceId)
        if (!source || source.state === 'manual-pending' || source.state === 'scheduled') continue
        const look = this.look(source, group, summaries.get(source.id))
        const about = { id: source.id, name: source.name, groupId: stored.id }
        const message = `no good recovery point for more than ${look.hours} hours`
        if (look.isBreached && look.isPromised) await alerts.raise('sla-missed', { ...about, message })
        else await alerts.resolve('sla-missed', source.id)
        if (look.isBreached && !look.isPromised) await alerts.raise('no-good-point', { ...about, message })
        else await alerts.resolve('no-good-point', source.id)
        this.#measure(source, stored.name, look)
        await letOthersRun()
      }
    }
  }

  #measure(source: DataSource, group: string, { newestRestorableMs, atRiskMs, hours }: SourceLook): void {
    const { metrics } = this.#parts.context
    const labels = { group, source: source.name, workload: source.workload, copy: 'disk' }
    if (newestRestorableMs !== undefined) metrics.backupLastSuccess.set(labels, newestRestorableMs / 1000)
    if (atRiskMs !== undefined) metrics.rpoActual.set(labels, atRiskMs / 1000)
    if (hours !== undefined) metrics.rpoObjective.set(labels, hours * 3600)
  }

  /** What could be restored now, and whether that keeps the promise. Where nothing was promised, twice the longest pause of the schedule counts. */
  look(source: DataSource, group: ProtectionGroup, summary: SourceSummary | undefined): SourceLook {
    const hours = group.slaHours ?? this.#impliedHours(group, WORKLOADS[source.workload as Workload].goal === 'files')
    // Files that change meanwhile are those of when they were read; the beginning promises least.
    const newestMs = summary?.newestGoodMs
    const state = slaState({
      nowMs: this.#parts.context.op.clock.nowMs(),
      protectedSinceMs: source.createdMs,
      points: newestMs === undefined ? [] : [{ createdMs: newestMs, dataMs: newestMs, isGood: true }],
      ...(hours !== undefined && { slaHours: hours }),
    })
    return { ...state, hours, isPromised: group.slaHours !== undefined }
  }

  /** The same for all members of a group, of which there may be thousands. */
  #impliedHours(group: ProtectionGroup, isFiles: boolean): number | undefined {
    const schedule = isFiles ? group.shortTerm.recoveryPoints : group.shortTerm.expressFull
    let hours = this.#hours.get(schedule)
    if (hours === undefined) {
      const { longestGapMs } = frequencyOf(schedule)
      hours = Number.isFinite(longestGapMs) ? Math.ceil(impliedSlaMs(longestGapMs) / HOUR_MS) : Number.POSITIVE_INFINITY
      this.#hours.set(schedule, hours)
    }
    return Number.isFinite(hours) ? hours : undefined
  }
}

function hours(ms: number): string {
  return `${Math.floor(ms / HOUR_MS)} hours`
}
