/** A clock that stands still and lets a test act whenever the program asks for the time: between two of its steps, without any waiting. */
import { readdirSync, readlinkSync } from 'node:fs'
import { ManualClock } from '../../src/base/clock.ts'
import { LATER_MS } from './pool.ts'

export class HookedClock extends ManualClock {
  readonly #hook: () => void

  constructor(hook: () => void, nowMs = LATER_MS) {
    super(nowMs)
    this.#hook = hook
  }

  override nowMs(): number {
    this.#hook()
    return super.nowMs()
  }
}

/** Whether this process has the file or folder open now: a question for the time is asked while it is read. */
export function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false // the descriptor of the listing itself
    }
  })
}
