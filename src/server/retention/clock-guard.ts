/**
 * Retention goes by the server's clock, so a clock that jumps could empty a pool. While the server runs, the wall clock is compared with one that can not be set; over a
 * restart, with when it was last seen. After a jump nothing is deleted until a person says that the time is right.
 */
import { fromTimestamp, toTimestamp } from '../../base/clock.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { retentionError } from './errors.ts'

const SETTING = 'clock'
const DAY_MS = 86_400_000
const WRITE_EVERY_MS = 60_000
const BACK_MS = 5 * 60_000
/** Forward, against a clock that can not be set. */
const DRIFT_MS = DAY_MS
/** Over a restart nobody knows how long the machine was off. */
const AWAY_MS = 30 * DAY_MS

interface Stored {
  readonly seen?: string
  readonly frozen?: string
}

export class ClockGuard {
  readonly #context: ServerContext
  readonly #alerts: AlertDesk
  #start: { readonly wallMs: number; readonly steadyMs: number } | undefined
  #stored: Stored | undefined

  constructor(context: ServerContext, alerts: AlertDesk) {
    this.#context = context
    this.#alerts = alerts
  }

  /** Why deletions are frozen; undefined: they are not. Looks at the clock, and remembers. */
  async look(): Promise<string | undefined> {
    const { clock } = this.#context.op
    const [wallMs, steadyMs] = [clock.nowMs(), clock.monotonicMs()]
    const stored = await this.#read()
    const seenMs = stored.seen === undefined ? wallMs : fromTimestamp(stored.seen)
    const jump = stored.frozen ?? this.#jump(wallMs, steadyMs, seenMs)
    this.#start ??= { wallMs, steadyMs }
    if (jump !== undefined && stored.frozen === undefined) {
      await this.#alerts.raise('clock-jumped', { id: '', name: 'server', message: jump })
    }
    // The highest that was seen, unless a person says otherwise. Not with every look, since a write costs a sync.
    if (jump !== stored.frozen || stored.seen === undefined || wallMs - seenMs >= WRITE_EVERY_MS) {
      await this.#write({ seen: toTimestamp(Math.max(seenMs, wallMs)), ...(jump !== undefined && { frozen: jump }) })
    }
    return jump
  }

  #jump(wallMs: number, steadyMs: number, seenMs: number): string | undefined {
    const was = toTimestamp(seenMs)
    if (wallMs < seenMs - BACK_MS) return `the clock was set back: it was ${was} already, and is ${toTimestamp(wallMs)}`
    const start = this.#start
    if (start && wallMs - start.wallMs - (steadyMs - start.steadyMs) > DRIFT_MS) return `the clock jumped ahead, to ${toTimestamp(wallMs)}`
    if (!start && wallMs - seenMs > AWAY_MS) return `the server was last seen at ${was}, which is long ago, or the clock was set ahead`
    return undefined
  }

  /** A person has looked: the time is right. DELETIONS_NOT_FROZEN. */
  async clear(): Promise<void> {
    if ((await this.#read()).frozen === undefined) throw retentionError('DELETIONS_NOT_FROZEN', 'deletions are not frozen')
    const { clock } = this.#context.op
    this.#start = { wallMs: clock.nowMs(), steadyMs: clock.monotonicMs() }
    await this.#write({ seen: toTimestamp(clock.nowMs()) })
    await this.#alerts.resolve('clock-jumped', '')
  }

  async #read(): Promise<Stored> {
    this.#stored ??= ((await this.#context.catalog.settings.find(SETTING))?.value as Stored | undefined) ?? {}
    return this.#stored
  }

  async #write(stored: Stored): Promise<void> {
    this.#stored = stored
    await this.#context.catalog.settings.put(SETTING, { ...stored }, { by: 'server' })
  }
}
