/**
 * So many bytes a second, whoever sends or reads them: threads share one throttle, as memory of a few bytes that says until when the line is taken. Each piece takes the
 * line from there on for as long as its bytes last, so what goes through in the end is exact, and nobody saves up for later but a moment.
 */
import type { Clock } from '../base/clock.ts'

/** Plain data, so that it can be handed to a worker. */
export interface SharedThrottle {
  readonly bytesPerSecond: number
  /** Microseconds since the epoch, as a signed number of 64 bits. */
  readonly takenUntil: SharedArrayBuffer
}

/** Called before bytes go out, or after they came in; waits until the line had time for them. */
export type Pace = (bytes: number, signal?: AbortSignal) => Promise<void>

/** Timers are no finer. */
const LEAST_WAIT_US = 2000n
/** Who waited wakes a little late: that much of the line may be made up for. */
const MADE_UP_US = 100_000n

export function aThrottle(bytesPerSecond: number): SharedThrottle {
  return { bytesPerSecond, takenUntil: new SharedArrayBuffer(8) }
}

/** Pieces in which bytes go out: a twentieth of a second, so that a slow line is used evenly. */
export function pieceBytes({ bytesPerSecond }: SharedThrottle): number {
  return Math.min(65_536, Math.max(1024, Math.floor(bytesPerSecond / 20)))
}

export function paceOf({ bytesPerSecond, takenUntil }: SharedThrottle, clock: Clock): Pace {
  const taken = new BigInt64Array(takenUntil)
  // Threads agree about the time of day when they begin; from there on it is measured, since that clock may be set.
  const offsetMs = clock.nowMs() - clock.monotonicMs()
  const nowUs = () => BigInt(Math.round((offsetMs + clock.monotonicMs()) * 1000))
  return async (bytes, signal) => {
    const end = take(taken, nowUs(), BigInt(Math.ceil((bytes / bytesPerSecond) * 1e6)))
    const wait = end - nowUs()
    if (wait >= LEAST_WAIT_US) await clock.sleep(Number(wait) / 1000, signal)
  }
}

/** When the line has had time for it. */
function take(taken: BigInt64Array, now: bigint, length: bigint): bigint {
  for (;;) {
    // None yet: there is nothing to make up for.
    const before = Atomics.load(taken, 0)
    const until = before === 0n ? now : before
    const least = now - MADE_UP_US
    const end = (until > least ? until : least) + length
    if (Atomics.compareExchange(taken, 0, before, end) === before) return end
  }
}
