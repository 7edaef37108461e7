/**
 * The server backs up its own configuration into every pool volume, soon after each job that changes what could be restored and after each change that somebody made:
 * as a recovery point of a reserved source, encrypted as everything there is. With a pool and what opens it, the server can be rebuilt (restore-server.ts).
 *
 * Several changes share a copy. The pause between two grows with what they cost, so that a large catalog that never rests costs a bounded part of the time.
 */
import { hostname } from 'node:os'
import { asTerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Job, JsonObject, PoolVolume } from '../../catalog/index.ts'
import { DAY_MS, type JobType, MINUTE_MS } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { Alarm } from '../jobs/alarm.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { SERVER_SOURCE } from './server-source.ts'
import { type StageParts, stage, unstage } from './stage.ts'
import { surplusOf } from './surplus.ts'

export interface ConfigurationCopyParts extends Omit<StageParts, 'context'> {
  readonly context: ServerContext
  readonly engine: Pick<JobEngine, 'create' | 'createOnce'>
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  /** After a change, so that those that come with it are in the same copy. Other than usual only in tests. */
  readonly afterMs?: number | undefined
}

const AFTER_MS = MINUTE_MS
const LOOK_EVERY_MS = 2_000
const LARGE_BYTES = 4 * 1024 ** 2
const MOST_PAUSE_MS = 15 * MINUTE_MS
/** Of the time, and of what is added to a pool. */
const PAUSE_PER_MS = 20
const BYTES_PER_MS = 128
const STATE = 'configuration-copy'
const ABOUT = 'configuration-copy'
/** Giving up old copies walks through the pool. */
const THIN_EVERY_MS = DAY_MS

/** What is kept in pools differs when one of these has ended. */
const CHANGES: readonly JobType[] = [
  'replica-creation',
  'synchronisation',
  'recovery-point',
  'consistency-check',
  'online-point',
  'move-data-source',
  'expire-points',
  'pool-verify',
  'stop-protection',
  'delete-replica',
]

interface State {
  /** Of the audit log, in the last copy. */
  readonly audit?: number
  readonly thinnedMs?: number
}

export class ConfigurationCopy {
  readonly #parts: ConfigurationCopyParts
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  readonly #loops: Promise<void>[] = []
  #audit = 0
  readonly #turn = new Semaphore(1)
  #isCopying = false
  /** Something was changed since it began. */
  #isMissed = false
  #notBeforeMs = 0
  /** Of the last that was asked for. */
  #dueMs = 0

  constructor(parts: ConfigurationCopyParts) {
    this.#parts = parts
    const { op } = parts.context
    this.#alarm = new Alarm(op.clock, AbortSignal.any([op.signal, this.#stop.signal]))
  }

  kind(): ServerJobKind {
    return { type: 'catalog-backup', where: 'server', attempts: 5, run: (op) => this.#copyByTurns(op) }
  }

  async start(): Promise<void> {
    // A server that was killed may not have copied what it did last.
    await this.changed()
    this.#audit = (await this.#state()).audit ?? 0
    this.#loops.push(this.#hearJobs(), this.#watchAudit())
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#loops)
  }

  /** A copy is made soon; one that waits already will have this too. */
  async changed(): Promise<void> {
    const { context, engine, afterMs = AFTER_MS } = this.#parts
    // What is being copied may not have it; and two at once would take each other's files.
    this.#isMissed = this.#isCopying
    if (this.#isCopying) return
    const nowMs = context.op.clock.nowMs()
    // The one that waits for its time has this in it.
    if (this.#dueMs > nowMs) return
    const dueMs = Math.max(nowMs + afterMs, this.#notBeforeMs)
    this.#dueMs = dueMs
    await engine.createOnce({ type: 'catalog-backup', createdBy: 'server', dueMs })
  }

  /** Now. */
  async request(by: string): Promise<Job> {
    return await this.#parts.engine.create({ type: 'catalog-backup', createdBy: by, isAdHoc: true, priority: 50 })
  }

  async #hearJobs(): Promise<void> {
    const { events } = this.#parts.context
    const isOver = (state: unknown) => state === 'completed' || state === 'completed-with-warnings'
    const wants = ({ topic, data }: { topic: string; data: unknown }) => {
      const { type, state } = (data ?? {}) as { readonly type?: JobType; readonly state?: unknown }
      return topic === 'job' && type !== undefined && CHANGES.includes(type) && isOver(state)
    }
    while (!this.#stop.signal.aborted) {
      // It ends also when too much is told at once.
      for await (const _ of events.listen({ wants }, this.#stop.signal)) await this.#attempt(() => this.changed())
    }
  }

  /** Whatever people and agents change is in the audit log, in the same transaction. */
  async #watchAudit(): Promise<void> {
    const { catalog, op } = this.#parts.context
    while (!this.#stop.signal.aborted && !op.signal.aborted) {
      await this.#attempt(async () => {
        const { sequence } = await catalog.audit.head()
        if (sequence === this.#audit) return
        this.#audit = sequence
        await this.changed()
      })
      await this.#alarm.wait(LOOK_EVERY_MS)
    }
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    const { op } = this.#parts.context
    await work().catch((error: unknown) => {
      if (this.#stop.signal.aborted || op.signal.aborted) return
      const { code, message } = asTerpError(error)
      op.warn({ code, message, item: ABOUT })
    })
  }

  /** One that somebody asked for may come beside one that came by itself. */
  async #copyByTurns(op: Operation): Promise<JobOutcome> {
    return await this.#turn.run(async () => {
      this.#isCopying = true
      try {
        return await this.copy(op)
      } finally {
        this.#isCopying = false
        if (this.#isMissed) await this.#attempt(() => this.changed())
      }
    })
  }

  /** Into all volumes that answer. Fails when there are some and none took it. */
  async copy(op: Operation): Promise<JobOutcome> {
    const { context, pools, paths } = this.#parts
    const volumes = await context.catalog.pools.all()
    if (volumes.length === 0) return { result: { volumes: 0 } }
    const startMs = op.clock.monotonicMs()
    const staged = await stage({ ...this.#parts, context })
    const made: JsonObject[] = []
    let failure: unknown
    let bytes = 0
    try {
      for (const { id, name } of volumes) {
        op.check()
        const { folder, bytes: size } = staged
        const wish = {
          source: SERVER_SOURCE,
          paths: [Buffer.from(folder)],
          host: hostname(),
          program: `terp ${context.version}`,
          isLarge: size > LARGE_BYTES,
        }
        try {
          const point = await pools.backUpHere(op, id, wish)
          bytes += point.storedBytes
          made.push({ pool: id, point: point.id, storedBytes: point.storedBytes })
        } catch (error) {
          op.check()
          failure ??= error
          const { code, message } = asTerpError(error)
          op.warn({ code, message: `the configuration could not be copied: ${message}`, item: name })
        }
      }
    } finally {
      await unstage(paths)
    }
    const tookMs = op.clock.monotonicMs() - startMs
    // Shorter where all of it goes quicker.
    const scale = (this.#parts.afterMs ?? AFTER_MS) / AFTER_MS
    const pauseMs = Math.min(MOST_PAUSE_MS, Math.max(tookMs * PAUSE_PER_MS, bytes / BYTES_PER_MS))
    this.#notBeforeMs = context.op.clock.nowMs() + pauseMs * scale
    await this.#tell(failure, made.length)
    if (made.length === 0) throw failure
    await this.#write({ ...(await this.#state()), audit: staged.auditSequence })
    await this.#thin(op, volumes)
    return { result: { volumes: made.length, made }, bytesTransferred: bytes }
  }

  async #tell(failure: unknown, made: number): Promise<void> {
    const { alerts } = this.#parts
    if (failure === undefined) return await alerts.resolve('catalog-failed', ABOUT)
    const where = made === 0 ? 'no pool volume' : 'not every pool volume'
    const message = `${where} has the newest copy of the configuration: ${asTerpError(failure).message}`
    await alerts.raise('catalog-failed', { id: ABOUT, name: 'configuration', message })
  }

  /** Old copies go, once a day. Those of volumes that are busy go another time. */
  async #thin(op: Operation, volumes: readonly PoolVolume[]): Promise<void> {
    const state = await this.#state()
    const nowMs = op.clock.nowMs()
    if (state.thinnedMs !== undefined && nowMs - state.thinnedMs < THIN_EVERY_MS) return
    for (const { id, name } of volumes) {
      try {
        const { points } = await this.#parts.pools.listPoints(op, id, SERVER_SOURCE)
        const surplus = surplusOf(points)
        if (surplus.length > 0) await this.#parts.pools.expire(op, id, surplus)
      } catch (error) {
        op.check()
        const { code, message } = asTerpError(error)
        op.warn({ code, message: `old copies of the configuration could not be given up: ${message}`, item: name })
      }
    }
    await this.#write({ ...state, thinnedMs: nowMs })
  }

  async #state(): Promise<State> {
    return ((await this.#parts.context.catalog.settings.find(STATE))?.value as State | undefined) ?? {}
  }

  async #write(state: State): Promise<void> {
    await this.#parts.context.catalog.settings.put(STATE, { ...state }, { by: 'server' })
  }
}
