/**
 * Takes turns with other work on the machine: what is measured holds an exclusive lock of a file, by the program `flock`, which others may wait for. Whoever
 * dies gives it back.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export class Turns {
  readonly #file: string | undefined
  #isMine = false

  /** Without a file, it is always our turn. */
  constructor(file?: string) {
    this.#file = file
  }

  /** What is begun within a turn is part of it. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#file === undefined || this.#isMine) return work()
    // It ends, and with it the lock, when its input does.
    const holder = spawn('flock', [this.#file, 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const closed = once(holder, 'close')
    const isHeld = await Promise.race([once(holder.stdout, 'data').then(() => true), closed.then(() => false)])
    if (!isHeld) throw new Error(`${this.#file} can't be locked`)
    this.#isMine = true
    try {
      return await work()
    } finally {
      this.#isMine = false
      holder.stdin.end()
      await closed
    }
  }
}
