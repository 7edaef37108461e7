/** Sessions that agents have open, and how long without a word they may stay so. */
import type { Clock } from '../../base/clock.ts'
import { type Random, randomHex } from '../../base/random.ts'
import { agentLimits } from '../../wire/index.ts'
import type { AgentDesk, OpenedSession } from './desk.ts'
import { agentError } from './errors.ts'

interface Held {
  readonly agentId: string
  readonly jobId: string
  readonly session: OpenedSession
  untilMs: number
}

export class AgentSessions {
  readonly #desk: AgentDesk
  readonly #clock: Clock
  readonly #random: Random
  readonly #held = new Map<string, Held>()

  constructor(desk: AgentDesk, clock: Clock, random: Random) {
    this.#desk = desk
    this.#clock = clock
    this.#random = random
  }

  get count(): number {
    return this.#held.size
  }

  /** A job has one session: what it had before ends first. SESSION_REFUSED for a job of another agent, whose session stays. */
  async open(agentId: string, jobId: string): Promise<{ readonly sessionId: string; readonly session: OpenedSession }> {
    await this.#endOf(agentId, jobId)
    const session = await this.#desk.openSession(agentId, jobId)
    // Of two requests for the same job, the one that ends last has it.
    await this.#endOf(agentId, jobId)
    const sessionId = randomHex(this.#random, 16)
    this.#held.set(sessionId, { agentId, jobId, session, untilMs: this.#clock.monotonicMs() + agentLimits.leaseMs })
    return { sessionId, session }
  }

  /** SESSION_UNKNOWN, also for that of another agent. Extends its time. */
  of(agentId: string, sessionId: string): OpenedSession {
    const held = this.#held.get(sessionId)
    if (held?.agentId !== agentId) throw agentError('SESSION_UNKNOWN', 'there is no such session')
    held.untilMs = this.#clock.monotonicMs() + agentLimits.leaseMs
    return held.session
  }

  /** A word about the job is one about its session. */
  extend(agentId: string, jobId: string): void {
    for (const held of this.#held.values())
      if (held.agentId === agentId && held.jobId === jobId) held.untilMs = this.#clock.monotonicMs() + agentLimits.leaseMs
  }

  async end(agentId: string, sessionId: string): Promise<void> {
    const held = this.#held.get(sessionId)
    if (held?.agentId !== agentId) return
    this.#held.delete(sessionId)
    await held.session.end()
  }

  async #endOf(agentId: string, jobId: string): Promise<void> {
    for (const [id, held] of this.#held) if (held.agentId === agentId && held.jobId === jobId) await this.end(agentId, id)
  }

  async endJob(jobId: string): Promise<void> {
    for (const [id, held] of this.#held) if (held.jobId === jobId) await this.end(held.agentId, id)
  }

  /** Ends those of which nobody heard for too long, and says whose jobs they were. */
  async sweep(): Promise<readonly { readonly agentId: string; readonly jobId: string }[]> {
    const nowMs = this.#clock.monotonicMs()
    const lost = [...this.#held].filter(([, held]) => held.untilMs < nowMs)
    for (const [id, held] of lost) await this.end(held.agentId, id)
    return lost.map(([, { agentId, jobId }]) => ({ agentId, jobId }))
  }

  async endAll(): Promise<void> {
    for (const [id, held] of this.#held) await this.end(held.agentId, id)
  }
}
