/**
 * What every long act gets as its first parameter: whether to go on, what time it is, where randomness comes from, and where to say how far it is.
 * `step` nests into a log whose shape people see; `warn` collects what did not stop the work but must be told.
 */

import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { baseError } from './errors.ts'
import type { Random } from './random.ts'
import { systemRandom } from './random.ts'

export interface Warning {
  /** Stable, as in docs/errors.md. */
  readonly code: string
  readonly message: string
  /** What it is about, for people: a path or an object's name. */
  readonly item?: string
}

export interface Progress {
  readonly phase: string
  readonly filesDone: number
  readonly bytesDone: number
  /** Absent while unknown. */
  readonly filesTotal?: number
  readonly bytesTotal?: number
}

export interface Operation {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly random: Random
  progress(progress: Progress): void
  warn(warning: Warning): void
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Throws CANCELLED once the signal is aborted. Call it between units of work. */
  check(): void
}

export interface OperationOptions {
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly random?: Random
  readonly onProgress?: (progress: Progress) => void
  readonly onWarning?: (warning: Warning) => void
  readonly onStep?: (name: string, durationMs: number) => void
}

export function startOperation(options: OperationOptions = {}): Operation {
  const signal = options.signal ?? new AbortController().signal
  const clock = options.clock ?? systemClock()
  const check = () => {
    if (signal.aborted) throw baseError('CANCELLED', 'interrupted')
  }
  return {
    signal,
    clock,
    random: options.random ?? systemRandom(),
    progress: (progress) => options.onProgress?.(progress),
    warn: (warning) => options.onWarning?.(warning),
    check,
    async step(name, work) {
      check()
      const startMs = clock.monotonicMs()
      const result = await work()
      options.onStep?.(name, clock.monotonicMs() - startMs)
      return result
    },
  }
}
