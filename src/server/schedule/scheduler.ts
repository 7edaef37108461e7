/**
 * Turns the schedules of groups into jobs (§3.4–3.7). Driven by the injected clock: it sleeps until the next occurrence of any member. What came due while the server was
 * away is made up for once, by its newest occurrence; what waits already is not asked for twice. When a job then begins is the engine's.
 */
import { letOthersRun } from '../../base/clock.ts'
import { asTerpError } from '../../base/errors.ts'
import type { Catalog, DataSource, StoredGroup } from '../../catalog/index.ts'
import {
  type JobType,
  type Member,
  nextOpenMs,
  type ProtectionGroup,
  type ScheduledRun,
  scheduledRuns,
  spreadMs,
} from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from '../groups/group-facts.ts'
import { Alarm } from '../jobs/alarm.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { protectionSetting } from '../jobs/settings.ts'
import { readSetting } from '../settings/setting.ts'
import { endLateChecks } from './check-windows.ts'

interface Planned {
  readonly sourceId: string
  readonly groupId: string
  readonly group: ProtectionGroup
  readonly member: Member
  readonly run: ScheduledRun
  nextMs: number | undefined
}

const WATERMARK = 'scheduler'
/** So often it is written until when schedules were looked at, although nothing was due. */
const WRITE_EVERY_MS = 5 * 60_000
const LOOK_EVERY_MS = 60_000
/** Of what came due longer ago than this, nothing is made up for: the next one is near enough. */
const CATCH_UP_MS = 7 * 86_400_000
const SET_BACK_MS = 2 * 3_600_000

export class Scheduler {
  readonly #context: ServerContext
  readonly #catalog: Catalog
  readonly #engine: JobEngine
  readonly #alerts: AlertDesk
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #planned: Planned[] = []
  #isStale = true
  #seenMs = 0
  #writtenMs = 0
  #loop: Promise<void> | undefined

  constructor({ context, engine, alerts }: { readonly context: ServerContext; readonly engine: JobEngine; readonly alerts: AlertDesk }) {
    this.#context = context
    this.#catalog = context.catalog
    this.#engine = engine
    this.#alerts = alerts
    this.#alarm = new Alarm(context.op.clock, AbortSignal.any([context.op.signal, this.#stop.signal]))
  }

  async start(): Promise<void> {
    const stored = (await this.#catalog.settings.find(WATERMARK))?.value as { seenMs?: number } | undefined
    const nowMs = this.#context.op.clock.nowMs()
    const seenMs = stored?.seenMs ?? nowMs
    this.#seenMs = seenMs > nowMs + SET_BACK_MS ? nowMs : Math.max(seenMs, nowMs - CATCH_UP_MS)
    this.#loop = this.#work()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  /** Groups are other than they were. */
  reload(): void {
    this.#isStale = true
    this.#alarm.ring()
  }

  /** When each source is next looked at. */
  next(): ReadonlyMap<string, number> {
    const times = new Map<string, number>()
    for (const { sourceId, run, nextMs } of this.#planned) {
      if (nextMs === undefined || run.onlyWhenInconsistent) continue
      times.set(sourceId, Math.min(nextMs, times.get(sourceId) ?? nextMs))
    }
    return times
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted && !this.#context.op.signal.aborted) {
      try {
        await this.#look()
      } catch (error) {
        if (this.#context.op.signal.aborted) return
        const { code, message } = asTerpError(error)
        this.#context.op.warn({ code, message, item: 'scheduler' })
      }
      const nextMs = this.#planned.reduce((least, { nextMs }) => Math.min(least, nextMs ?? least), Number.POSITIVE_INFINITY)
      await this.#alarm.wait(Math.max(1, Math.min(LOOK_EVERY_MS, nextMs - this.#context.op.clock.nowMs())))
    }
  }

  async #look(): Promise<void> {
    if (this.#isStale) await this.#plan()
    const nowMs = this.#context.op.clock.nowMs()
    // A clock that was set back a little repeats nothing; one that was far ahead must not stop all backups until its time comes again.
    if (nowMs < this.#seenMs) {
      if (this.#seenMs - nowMs <= SET_BACK_MS) return
      this.#seenMs = nowMs
      await this.#plan()
    }
    let hasBegun = false
    for (const planned of this.#planned) {
      if (planned.nextMs === undefined || planned.nextMs > nowMs) continue
      // However many were missed, the newest stands for all.
      const atMs = planned.run.occurrences.last(planned.nextMs - 1, nowMs) ?? planned.nextMs
      await this.#ask(planned, atMs)
      planned.nextMs = planned.run.occurrences.next(nowMs)
      hasBegun = true
      // Thousands of sources may be due at the same moment.
      await letOthersRun()
    }
    this.#seenMs = nowMs
    if (this.#planned.some(({ group: { consistencyCheck } }) => consistencyCheck.windows.length > 0 || consistencyCheck.daily))
      await endLateChecks(this.#context, this.#engine)
    // After the jobs: cut off in between, they are asked for again, and wait already.
    if (hasBegun || nowMs - this.#writtenMs >= WRITE_EVERY_MS) {
      await this.#catalog.settings.put(WATERMARK, { seenMs: nowMs }, { by: 'server' })
      this.#writtenMs = nowMs
    }
  }

  async #plan(): Promise<void> {
    this.#isStale = false
    const before = new Map(this.#planned.map((planned) => [keyOf(planned), planned]))
    const planned: Planned[] = []
    for (const stored of await this.#catalog.groups.all()) planned.push(...this.#planOf(stored, before))
    this.#planned = planned
  }

  #planOf(stored: StoredGroup, before: ReadonlyMap<string, Planned>): Planned[] {
    const group = readGroup(stored.document)
    return group.members.flatMap((member) =>
      scheduledRuns(group, member).map((run) => {
        const known = before.get(`${member.dataSourceId} ${run.job}`)
        // A group that is changed owes nothing of what its new schedule would have had before; one that is taken up after a pause does.
        const sinceMs = Math.max(this.#seenMs, known ? 0 : Math.min(stored.changedMs, this.#context.op.clock.nowMs()))
        return { sourceId: member.dataSourceId, groupId: stored.id, group, member, run, nextMs: run.occurrences.next(sinceMs) }
      }),
    )
  }

  async #ask({ sourceId, groupId, group, run }: Planned, atMs: number): Promise<void> {
    const source = await this.#catalog.sources.find(sourceId)
    if (!source || source.groupId !== groupId || !isFor(run, source)) return
    const { spreadSeconds } = (await readSetting(this.#context, protectionSetting)).value
    const windows = run.job === 'consistency-check' ? group.consistencyCheck.windows : group.backupWindows
    const spreadAtMs = atMs + spreadMs(sourceId, spreadSeconds * 1000)
    const dueMs = nextOpenMs({ windows, blackouts: group.blackouts, timeZone: group.timeZone }, spreadAtMs)
    if (dueMs === undefined) {
      const message = 'no window in the next 60 days allows the job to run'
      await this.#alerts.raise('job-not-started', { id: sourceId, name: source.name, message, groupId })
      return
    }
    const type: JobType = run.job
    const { agentId, poolId } = source
    // The copy to the vault is this server's own work.
    const where = run.job === 'online-point' ? { poolId } : { agentId, poolId }
    await this.#engine.createOnce({ type, sourceId, groupId, ...where, priority: group.priority, createdBy: 'schedule', dueMs })
  }
}

const keyOf = ({ sourceId, run }: Planned) => `${sourceId} ${run.job}`

/** Of a replica that is not there or not sound, checks alone are made; what stands in the way is told by its state. */
function isFor(run: ScheduledRun, { state }: DataSource): boolean {
  // It fails with the number that says why, since its time has come (§3.7).
  if (run.job === 'online-point') return state !== 'unprotected' && state !== 'inactive'
  if (run.job === 'consistency-check') return state === 'inconsistent' || (state === 'ok' && !run.onlyWhenInconsistent)
  return state === 'ok'
}
