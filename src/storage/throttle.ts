/**
 * So many bytes a second, whoever sends or reads them: threads share one throttle, as memory of a few bytes that says until when the line is taken and how fast it is. Each piece
 * takes the line from there on for as long as its bytes last, so what goes through in the end is exact. A line that lay idle for a moment, because the other side had to think
 * or a timer was late, makes up for it; for no more than that moment, so nobody saves up.
 */
import type { Clock } from '../base/clock.ts'

/** Plain data, so that it can be handed to a worker. */
export interface SharedThrottle {
  /** Two signed numbers of 64 bits: microseconds since the epoch until which the line is taken; bytes a second, 0 for as fast as it goes. */
  readonly line: SharedArrayBuffer
}

/** Called before bytes go out, or after they came in; waits until the line had time for them. */
export type Pace = (bytes: number, signal?: AbortSignal) => Promise<void>

const TAKEN_UNTIL = 0
const RATE = 1
/** Timers are no finer. */
const LEAST_WAIT_US = 2000n
/** Until a pack is answered for, which one that waits for the other side can not use: its verification, and that it is durable. */
const MADE_UP_US = 1_000_000n

/** Undefined: as fast as it goes, until it is set. */
export function aThrottle(bytesPerSecond: number | undefined): SharedThrottle {
  const throttle = { line: new SharedArrayBuffer(16) }
  setRate(throttle, bytesPerSecond)
  return throttle
}

/** From now on, for all threads. */
export function setRate({ line }: SharedThrottle, bytesPerSecond: number | undefined): void {
  Atomics.store(new BigInt64Array(line), RATE, BigInt(Math.round(bytesPerSecond ?? 0)))
}

/** Pieces in which bytes go out: a twentieth of a second, so that a slow line is used evenly. */
export function pieceBytes({ line }: SharedThrottle): number {
  const rate = Number(Atomics.load(new BigInt64Array(line), RATE))
  return rate === 0 ? 65_536 : Math.min(65_536, Math.max(1024, Math.floor(rate / 20)))
}

export function paceOf({ line }: SharedThrottle, clock: Clock): Pace {
  const shared = new BigInt64Array(line)
  // Threads agree about the time of day when they begin; from there on it is measured, since that clock may be set.
  const offsetMs = clock.nowMs() - clock.monotonicMs()
  const nowUs = () => BigInt(Math.round((offsetMs + clock.monotonicMs()) * 1000))
  return async (bytes, signal) => {
    const rate = Number(Atomics.load(shared, RATE))
    if (rate === 0) return
    const end = take(shared, nowUs(), BigInt(Math.ceil((bytes / rate) * 1e6)))
    const wait = end - nowUs()
    if (wait >= LEAST_WAIT_US) await clock.sleep(Number(wait) / 1000, signal)
  }
}

/** When the line has had time for it. */
function take(shared: BigInt64Array, now: bigint, length: bigint): bigint {
  for (;;) {
    // None yet: there is nothing to make up for.
    const before = Atomics.load(shared, TAKEN_UNTIL)
    const until = before === 0n ? now : before
    const least = now - MADE_UP_US
    const end = (until > least ? until : least) + length
    if (Atomics.compareExchange(shared, TAKEN_UNTIL, before, end) === before) return end
  }
}
