/** Commands that wait for agents, and agents that wait for commands. In memory: a server that begins anew has the jobs engine say again what is wanted. */
import type { Clock } from '../../base/clock.ts'
import { type Random, randomHex } from '../../base/random.ts'
import { type AgentCommand, type AgentTask, agentLimits } from '../../wire/index.ts'

interface Line {
  commands: AgentCommand[]
  /** Lets the request that waits go. */
  wake: (() => void) | undefined
  seenMs: number | undefined
}

/** Longer than a request for commands is held: an agent that is there is heard of more often. */
const AWAY_MS = 2 * agentLimits.pollMs + 15_000

export class CommandQueue {
  readonly #clock: Clock
  readonly #random: Random
  readonly #lines = new Map<string, Line>()
  /** Called when an agent is heard of that was away. */
  onCame: (agentId: string) => void = () => {}

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  #line(agentId: string): Line {
    let line = this.#lines.get(agentId)
    if (!line) {
      line = { commands: [], wake: undefined, seenMs: undefined }
      this.#lines.set(agentId, line)
    }
    return line
  }

  seen(agentId: string): void {
    const wasHere = this.isConnected(agentId)
    this.#line(agentId).seenMs = this.#clock.monotonicMs()
    if (!wasHere) this.onCame(agentId)
  }

  isConnected(agentId: string): boolean {
    const seenMs = this.#lines.get(agentId)?.seenMs
    return seenMs !== undefined && this.#clock.monotonicMs() - seenMs <= AWAY_MS
  }

  /** Nothing more is heard of it, nor told to it. */
  drop(agentId: string): void {
    const line = this.#lines.get(agentId)
    this.#lines.delete(agentId)
    line?.wake?.()
  }

  /** Returns the command's id. */
  send(agentId: string, task: AgentTask): string {
    const line = this.#line(agentId)
    const id = randomHex(this.#random, 16)
    line.commands.push({ id, task })
    line.wake?.()
    return id
  }

  holds(jobId: string): boolean {
    return [...this.#lines.values()].some((line) => line.commands.some((command) => isAbout(command, jobId)))
  }

  /** The job has ended, or is told otherwise. */
  withdraw(jobId: string): void {
    for (const line of this.#lines.values()) line.commands = line.commands.filter((command) => !isAbout(command, jobId))
  }

  withdrawCommand(agentId: string, commandId: string): void {
    const line = this.#lines.get(agentId)
    if (line) line.commands = line.commands.filter(({ id }) => id !== commandId)
  }

  /** Waits for one at most `waitMs`. A later request of the same agent lets an earlier one go with nothing. */
  async take(agentId: string, taken: readonly string[], waitMs: number, signal: AbortSignal): Promise<readonly AgentCommand[]> {
    const line = this.#line(agentId)
    line.commands = line.commands.filter(({ id }) => !taken.includes(id))
    line.wake?.()
    if (line.commands.length === 0 && !signal.aborted) await this.#wait(line, waitMs, signal)
    // Of one that hung up, nobody reads the answer; they are given again, since only `taken` removes them.
    return [...line.commands]
  }

  async #wait(line: Line, waitMs: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    let wake = () => {}
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    line.wake = wake
    signal.addEventListener('abort', wake, { once: true })
    const slept = this.#clock.sleep(waitMs, stop.signal).catch(() => undefined) // woken before
    await Promise.race([woken, slept])
    stop.abort()
    signal.removeEventListener('abort', wake)
    if (line.wake === wake) line.wake = undefined
  }
}

function isAbout({ task }: AgentCommand, jobId: string): boolean {
  return task.kind !== 'browse' && task.kind !== 'discover' && task.jobId === jobId
}
