/**
 * The watchdog: looks at what is so, apart from the engine that makes it so. A source without a good point in time, an agent that is not heard of, a job that does not
 * begin, a pool that fills up, the vault out of reach: whatever the engine believes.
 */
import { asTerpError } from '../../base/errors.ts'
import type { DataSource } from '../../catalog/index.ts'
import {
  frequencyOf,
  HOUR_MS,
  impliedSlaMs,
  type ProtectionGroup,
  type SlaState,
  slaState,
  WORKLOADS,
  type Workload,
} from '../../protection/index.ts'
import type { CommandQueue } from '../agents/command-queue.ts'
import type { AgentSessions } from '../agents/sessions.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import { readGroup } from '../groups/group-facts.ts'
import { Alarm } from '../jobs/alarm.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import type { AlertDesk } from './alert-desk.ts'

export interface WatchParts {
  readonly context: ServerContext
  readonly alerts: AlertDesk
  readonly gate: GateKeeper
  readonly queue: CommandQueue
  readonly pools: PoolWork
  readonly sessions: AgentSessions
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
const FULL_PERCENT = { threshold: 90, full: 98 } as const

export class Watch {
  readonly #parts: WatchParts
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #loop: Promise<void> | undefined
  #slowMs = Number.NEGATIVE_INFINITY
  #startedMs = 0

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
      await this.#alarm.wait(EVERY_MS)
    }
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
    await this.#sources()
  }

  async #agents(): Promise<void> {
    const { context, alerts, queue } = this.#parts
    const { catalog, op, metrics } = context
    // After a start, agents have time to come back.
    if (op.clock.nowMs() - this.#startedMs < SILENT_MS) return
    for (const agent of await catalog.agents.silentSince(op.clock.nowMs() - SILENT_MS)) {
      if (queue.isConnected(agent.id)) continue
      await catalog.agents.setState(agent.id, 'unreachable')
      metrics.agentUp.set({ agent: agent.name }, 0)
      const message = 'nothing was heard of the agent for five minutes'
      await alerts.raise('agent-unreachable', { id: agent.id, name: agent.name, message })
      context.events.publish('agent', { id: agent.id, name: agent.name, state: 'unreachable' })
    }
  }

  /** 3170 */
  async #jobs(): Promise<void> {
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
    const { catalog, metrics } = context
    for (const pool of await catalog.pools.all()) {
      const about = { id: pool.id, name: pool.name }
      try {
        const usage = await pools.usage(pool.id)
        await catalog.pools.recordUsage(pool.id, usage)
        metrics.poolSize.set({ pool: pool.name }, usage.sizeBytes)
        metrics.poolUsed.set({ pool: pool.name }, usage.usedBytes)
        metrics.poolFree.set({ pool: pool.name }, usage.freeBytes)
        const percent = usage.sizeBytes === 0 ? 0 : (usage.usedBytes / usage.sizeBytes) * 100
        const limits = { ...FULL_PERCENT, ...(pool.thresholds as { threshold?: number; full?: number } | undefined) }
        const message = `${Math.floor(percent)} % of the volume are used`
        if (percent >= limits.full) await alerts.raise('pool-volume-full', { ...about, message })
        else await alerts.resolve('pool-volume-full', pool.id)
        if (percent >= limits.threshold && percent < limits.full) await alerts.raise('pool-volume-threshold', { ...about, message })
        else await alerts.resolve('pool-volume-threshold', pool.id)
        await alerts.resolve('pool-volume-missing', pool.id)
      } catch (error) {
        await alerts.raise('pool-volume-missing', { ...about, message: asTerpError(error).message })
      }
    }
  }

  async #sources(): Promise<void> {
    const { context, alerts } = this.#parts
    for (const stored of await context.catalog.groups.all()) {
      const group = readGroup(stored.document)
      for (const { dataSourceId } of group.members) {
        const source = await context.catalog.sources.find(dataSourceId)
        if (!source || source.state === 'manual-pending' || source.state === 'scheduled') continue
        const look = await this.look(source, group)
        const about = { id: source.id, name: source.name, groupId: stored.id }
        const message = `no good recovery point for more than ${look.hours} hours`
        if (look.isBreached && look.isPromised) await alerts.raise('sla-missed', { ...about, message })
        else await alerts.resolve('sla-missed', source.id)
        if (look.isBreached && !look.isPromised) await alerts.raise('no-good-point', { ...about, message })
        else await alerts.resolve('no-good-point', source.id)
        this.#measure(source, stored.name, look)
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
  async look(source: DataSource, group: ProtectionGroup): Promise<SourceLook> {
    const { catalog, op } = this.#parts.context
    const points = await catalog.points.validOf(source.id)
    const isFiles = WORKLOADS[source.workload as Workload].goal === 'files'
    const { longestGapMs } = frequencyOf(isFiles ? group.shortTerm.recoveryPoints : group.shortTerm.expressFull)
    const implied = Number.isFinite(longestGapMs) ? Math.ceil(impliedSlaMs(longestGapMs) / HOUR_MS) : undefined
    const hours = group.slaHours ?? implied
    const state = slaState({
      nowMs: op.clock.nowMs(),
      protectedSinceMs: source.createdMs,
      points: points.map(({ finishedMs, startedMs, verifiedResult }) => ({
        createdMs: finishedMs,
        // Files that change meanwhile are those of when they were read; the beginning promises least.
        dataMs: Math.min(startedMs, finishedMs),
        isGood: verifiedResult !== 'damaged',
      })),
      ...(hours !== undefined && { slaHours: hours }),
    })
    return { ...state, hours, isPromised: group.slaHours !== undefined }
  }
}
