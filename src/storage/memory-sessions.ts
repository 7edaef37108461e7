/** Sessions of a store in memory: all in this process. */
import { invariant } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Announcement, LiveSession, SessionBoard } from './object-store.ts'

export class MemorySessions implements SessionBoard {
  readonly #sessions = new Map<string, string[]>()
  #gate: Promise<unknown> = Promise.resolve()

  gate<T>(op: Operation, work: () => Promise<T>): Promise<T> {
    const turn = this.#gate.then(() => {
      op.check()
      return work()
    })
    this.#gate = turn.catch(() => undefined) // whoever is inside hears of it
    return turn
  }

  async announce(op: Operation, name: string): Promise<Announcement> {
    op.check()
    invariant(!this.#sessions.has(name), 'a new session is nobody else’s')
    const lines: string[] = []
    const sessions = this.#sessions
    sessions.set(name, lines)
    return {
      name,
      tell: async (more) => void lines.push(...more),
      isStanding: async () => sessions.get(name) === lines,
      release: async () => void (sessions.get(name) === lines && sessions.delete(name)),
    }
  }

  async live(op: Operation): Promise<LiveSession[]> {
    op.check()
    return [...this.#sessions].map(([name, lines]) => ({ name, lines: [...lines] }))
  }

  /** For tests: the session goes on, and others take it for ended. */
  lapse(name: string): void {
    this.#sessions.delete(name)
  }
}
