/**
 * One time for several real processes, which a test runs faster, slower, or not at all. It lies in a file of 32 bytes: a moment of the machine's monotonic clock, the time it
 * was then, how many seconds pass in one, and a sum. Every process of one machine reads the same time from it, so signatures, leases and certificates hold among them.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { Clock } from '../../src/base/clock.ts'

/** The variable that names the file. */
export const TIME_FILE = 'TERP_SIMULATED_TIME'

/** At most so long a sleeper is late when time is made to run faster. Real milliseconds. */
const LOOK_EVERY_MS = 10

interface Line {
  readonly realMs: number
  readonly simulatedMs: number
  readonly rate: number
}

const realNowMs = () => Number(process.hrtime.bigint()) / 1e6

function read(fd: number): Line {
  const bytes = new DataView(new ArrayBuffer(32))
  for (;;) {
    if (readSync(fd, bytes, 0, 32, 0) !== 32) throw new Error('the file of the simulated time is cut off')
    const [realMs, simulatedMs, rate, sum] = [0, 8, 16, 24].map((at) => bytes.getFloat64(at)) as [number, number, number, number]
    // Half written; the next look has the whole of it.
    if (realMs + simulatedMs + rate === sum) return { realMs, simulatedMs, rate }
  }
}

const nowOf = ({ realMs, simulatedMs, rate }: Line) => simulatedMs + (realNowMs() - realMs) * rate

/** For the processes that live in that time; their monotonic clock begins with them. */
export function simulatedClock(path: string): Clock {
  const fd = openSync(path, 'r')
  const beginMs = nowOf(read(fd))
  const nowMs = () => nowOf(read(fd))
  return {
    nowMs: () => Math.floor(nowMs()),
    monotonicMs: () => nowMs() - beginMs,
    sleep: (ms, signal) => sleep(() => read(fd), nowMs() + ms, signal),
  }
}

function sleep(look: () => Line, untilMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const wait = () => {
      if (nowOf(look()) < untilMs) return lookLater()
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const lookLater = () => {
      const line = look()
      timer = setTimeout(wait, Math.max(1, Math.min(LOOK_EVERY_MS, (untilMs - nowOf(line)) / line.rate)))
    }
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    lookLater()
  })
}

/** Who decides how time passes. One for each file. */
export class TimeKeeper {
  readonly path: string
  readonly #fd: number
  #line: Line

  constructor(path: string, startMs: number, rate = 1) {
    this.path = path
    this.#fd = openSync(path, 'w+')
    this.#line = { realMs: realNowMs(), simulatedMs: startMs, rate }
    this.#write()
  }

  nowMs(): number {
    return nowOf(this.#line)
  }

  get rate(): number {
    return this.#line.rate
  }

  /** So many seconds pass in one. 0: time stands still, and with it every timer. */
  run(rate: number): void {
    if (rate !== this.#line.rate) this.#begin(this.nowMs(), rate)
  }

  /** Time that nobody lived through; as long as it is short, a machine that was busy. */
  skip(ms: number): void {
    this.#begin(this.nowMs() + ms, this.#line.rate)
  }

  close(): void {
    closeSync(this.#fd)
  }

  #begin(simulatedMs: number, rate: number): void {
    this.#line = { realMs: realNowMs(), simulatedMs, rate }
    this.#write()
  }

  #write(): void {
    const { realMs, simulatedMs, rate } = this.#line
    const bytes = new DataView(new ArrayBuffer(32))
    for (const [i, value] of [realMs, simulatedMs, rate, realMs + simulatedMs + rate].entries()) bytes.setFloat64(8 * i, value)
    writeSync(this.#fd, bytes, 0, 32, 0)
  }
}
