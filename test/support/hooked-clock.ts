/** A clock that stands still and lets a test act whenever the program asks for the time: between two of its steps, without any waiting. */
import { ManualClock } from '../../src/base/clock.ts'
import { LATER_MS } from './pool.ts'

export class HookedClock extends ManualClock {
  #calls = 0
  readonly #hook: (call: number) => void

  constructor(hook: (call: number) => void, nowMs = LATER_MS) {
    super(nowMs)
    this.#hook = hook
  }

  override nowMs(): number {
    this.#hook(++this.#calls)
    return super.nowMs()
  }
}

/**
 * The number of the first question that a first backup of `folder` asks when it reads a file: one was asked at the start, and one for each
 * folder, of those on the way there and of `subfolders`.
 */
export function firstReading(folder: string, subfolders = 0): number {
  return 1 + (folder.split('/').length - 1) + subfolders + 1
}
