/** Waits for a time, or for somebody to say that there is something to do. A ring while nobody waits is not lost. */
import type { Clock } from '../../base/clock.ts'

export class Alarm {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #isRung = false
  #wake: () => void = () => {}

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
    signal.addEventListener('abort', () => this.ring(), { once: true })
  }

  ring(): void {
    this.#isRung = true
    this.#wake()
  }

  /** Also ends with the signal, without an error: who waits looks at it. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung && !this.#signal.aborted && ms > 0) {
      const stop = new AbortController()
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      const slept = this.#clock.sleep(ms, stop.signal).catch(() => undefined) // the ring came first
      await Promise.race([rung, slept])
      stop.abort()
      this.#wake = () => {}
    }
    this.#isRung = false
  }
}
