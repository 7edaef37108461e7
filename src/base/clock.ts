import { monitorEventLoopDelay } from 'node:perf_hooks'

/** The only source of time. Engine code takes a Clock; tests take a ManualClock. */
export interface Clock {
  /** Milliseconds since 1970, UTC; may jump. */
  nowMs(): number
  /** Milliseconds of a clock that never goes back; for durations. */
  monotonicMs(): number
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export function systemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const onAbort = () => {
          clearTimeout(timer)
          reject(signal?.reason)
        }
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        }, ms)
        if (signal?.aborted) onAbort()
        else signal?.addEventListener('abort', onAbort, { once: true })
      }),
  }
}

/** For how long the event loop of a thread kept those waiting who were due, in milliseconds. Of many looks in even steps, so a long wait counts as one. */
export interface LoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface LoopMeter {
  /** Ends it; also waits out a delay that is going on. Once. */
  stop(): Promise<LoopDelay>
}

const LOOK_EVERY_MS = 10

/** Measures this thread from now on. */
export function measureLoopDelay(): LoopMeter {
  const histogram = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS })
  histogram.enable()
  return {
    async stop() {
      // Once round the loop: a look that is due by now is taken before the second of these.
      for (let n = 0; n < 2; n++) await new Promise((resolve) => setImmediate(resolve))
      histogram.disable()
      // Node counts from look to look, so with the step itself.
      const delay = (ns: number) => (histogram.count === 0 ? 0 : Math.max(0, Math.round(ns / 1e5 - LOOK_EVERY_MS * 10) / 10))
      return { p50Ms: delay(histogram.percentile(50)), p99Ms: delay(histogram.percentile(99)), maxMs: delay(histogram.max) }
    },
  }
}

/** Lets all others have their turn who wait for this thread. For long work that awaits nothing else. */
export function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  /** Never goes back. */
  #nowMs: number
  #aheadMs = 0
  #sleepers: { at: number; wake: () => void }[] = []

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs + this.#aheadMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ at: this.#nowMs + ms, wake })
    })
  }

  /** Somebody sets the clock: no time passes, and who sleeps goes on sleeping. */
  jump(ms: number): void {
    this.#aheadMs += ms
  }

  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#sleepers.filter((s) => s.at <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter((s) => s.at > this.#nowMs)
    for (const sleeper of due) sleeper.wake()
  }
}

/** RFC 3339 in UTC with milliseconds. */
export function toTimestamp(ms: number): string {
  return new Date(ms).toISOString()
}

/** For libraries that want one. */
export function toDate(ms: number): Date {
  return new Date(ms)
}

export function fromTimestamp(text: string): number {
  return Date.parse(text)
}
