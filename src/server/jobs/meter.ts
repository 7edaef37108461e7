/**
 * How fast a job goes and when it will be done, said honestly: the rate is that of the last half minute, and a time left is given only while the total is known, the job
 * moves, and enough of it has passed to go by.
 */
import type { Clock } from '../../base/clock.ts'
import type { Progress } from '../../base/operation.ts'
import type { JsonObject } from '../../catalog/index.ts'

const WINDOW_MS = 30_000
const LEAST_MS = 5_000
const STALLED_MS = 60_000

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

export class ProgressMeter {
  readonly #clock: Clock
  #samples: Sample[] = []
  #last: Progress | undefined
  #movedMs: number
  readonly #startMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startMs = clock.monotonicMs()
    this.#movedMs = this.#startMs
  }

  add(progress: Progress): void {
    const atMs = this.#clock.monotonicMs()
    const last = this.#last
    if (!last || last.bytesDone !== progress.bytesDone || last.filesDone !== progress.filesDone || last.phase !== progress.phase)
      this.#movedMs = atMs
    // Another phase counts its own bytes.
    if (last && (last.phase !== progress.phase || progress.bytesDone < last.bytesDone)) this.#samples = []
    this.#last = progress
    this.#samples.push({ atMs, bytes: progress.bytesDone })
    while (this.#samples.length > 2 && (this.#samples[0] as Sample).atMs < atMs - WINDOW_MS) this.#samples.shift()
  }

  get bytesDone(): number {
    return this.#last?.bytesDone ?? 0
  }

  /** For people; undefined before anything was told. */
  describe(): JsonObject | undefined {
    const progress = this.#last
    if (!progress) return undefined
    const nowMs = this.#clock.monotonicMs()
    const rate = this.#rate(nowMs)
    const stalledMs = nowMs - this.#movedMs
    const left = progress.bytesTotal === undefined ? undefined : Math.max(0, progress.bytesTotal - progress.bytesDone)
    const isSure = rate !== undefined && rate > 0 && left !== undefined && stalledMs < STALLED_MS
    return {
      phase: progress.phase,
      filesDone: progress.filesDone,
      bytesDone: progress.bytesDone,
      ...(progress.filesTotal !== undefined && { filesTotal: progress.filesTotal }),
      ...(progress.bytesTotal !== undefined && { bytesTotal: progress.bytesTotal }),
      ...(rate !== undefined && { bytesPerSecond: Math.round(rate) }),
      ...(isSure && { remainingMs: Math.round((left / rate) * 1000) }),
      ...(stalledMs >= STALLED_MS && { stalledMs: Math.round(stalledMs) }),
    }
  }

  #rate(nowMs: number): number | undefined {
    const first = this.#samples[0]
    if (!first || nowMs - first.atMs < LEAST_MS) return undefined
    return ((this.bytesDone - first.bytes) / (nowMs - first.atMs)) * 1000
  }
}
