/** How far a long act is: a line on a terminal, or JSON lines; nothing at all where neither is asked for. */
import type { Clock } from '../base/clock.ts'
import type { Progress } from '../base/operation.ts'
import { formatBytes, formatDuration, formatInteger, formatRate } from './format.ts'
import type { Output } from './output.ts'

const TERMINAL_EVERY_MS = 120
const JSON_EVERY_MS = 1000
/** Over how long a time the rate is taken: long enough to be calm, short enough to follow a slow disk. */
const RATE_OVER_MS = 8000

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

export interface Status {
  readonly message_type: 'status'
  readonly phase: string
  readonly percent_done: number
  readonly files_done: number
  readonly bytes_done: number
  readonly total_files: number | null
  readonly total_bytes: number | null
  readonly seconds_elapsed: number
  readonly seconds_remaining: number | null
}

export class ProgressReporter {
  readonly #output: Output
  readonly #clock: Clock
  /** Undefined where nobody looks. */
  readonly #everyMs: number | undefined
  readonly #startMs: number
  #lastMs = Number.NEGATIVE_INFINITY
  #phase = ''
  #samples: Sample[] = []

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#clock = clock
    this.#startMs = clock.monotonicMs()
    this.#everyMs = output.isJson ? JSON_EVERY_MS : output.streams.isErrTerminal ? TERMINAL_EVERY_MS : undefined
  }

  report(progress: Progress): void {
    if (this.#everyMs === undefined) return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lastMs < this.#everyMs) return
    this.#lastMs = nowMs
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase
      this.#samples = []
    }
    this.#samples.push({ atMs: nowMs, bytes: progress.bytesDone })
    while (this.#samples.length > 2 && nowMs - (this.#samples[0]?.atMs ?? nowMs) > RATE_OVER_MS) this.#samples.shift()
    const status = toStatus(progress, nowMs - this.#startMs, this.#bytesPerMs())
    if (this.#output.isJson) this.#output.printJson(status)
    else this.#output.streams.live(toLine(status, this.#bytesPerMs()).slice(0, this.#output.streams.columns - 1))
  }

  stop(): void {
    this.#output.streams.clearLive()
  }

  #bytesPerMs(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (!first || !last || last.atMs <= first.atMs) return 0
    return Math.max(0, (last.bytes - first.bytes) / (last.atMs - first.atMs))
  }
}

export function toStatus(progress: Progress, elapsedMs: number, bytesPerMs: number): Status {
  const { phase, filesDone, bytesDone, filesTotal, bytesTotal } = progress
  const isSized = bytesTotal !== undefined && bytesTotal > 0
  const share = isSized ? bytesDone / bytesTotal : filesTotal ? filesDone / filesTotal : 0
  const leftMs = isSized && bytesPerMs > 0 ? Math.max(0, bytesTotal - bytesDone) / bytesPerMs : undefined
  return {
    message_type: 'status',
    phase,
    percent_done: Math.min(1, Math.round(share * 10_000) / 10_000),
    files_done: filesDone,
    bytes_done: bytesDone,
    total_files: filesTotal ?? null,
    total_bytes: bytesTotal ?? null,
    seconds_elapsed: Math.round(elapsedMs / 1000),
    seconds_remaining: leftMs === undefined ? null : Math.round(leftMs / 1000),
  }
}

export function toLine(status: Status, bytesPerMs: number): string {
  const isSized = status.total_bytes !== null || status.total_files !== null
  const parts = [
    status.phase,
    isSized ? `${(status.percent_done * 100).toFixed(0)} %` : '',
    `${formatInteger(status.files_done)} files`,
    formatBytes(status.bytes_done),
    bytesPerMs > 0 ? formatRate(bytesPerMs, 1) : '',
    status.seconds_remaining === null
      ? formatDuration(status.seconds_elapsed * 1000)
      : `${formatDuration(status.seconds_remaining * 1000)} left`,
  ]
  return parts.filter((part) => part !== '').join('  ')
}
