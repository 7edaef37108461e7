/**
 * What the agent tells of one job: numbered, in order, some at a time, and each until the server has it. Progress is told at most so often, and a job that has nothing
 * to say says so, since silence ends it on the server. The answer tells whether the job was cancelled there.
 */
import { toTimestamp } from '../base/clock.ts'
import { TerpError } from '../base/errors.ts'
import type { Operation, Progress, Warning } from '../base/operation.ts'
import { type AgentEvent, agentLimits } from '../wire/index.ts'
import type { ServerConnection } from './connection.ts'

const EVERY_MS = 1000
const MOST_WARNINGS = 1000
/** Faults of the server that may pass: in a row, before the job counts for nothing. */
const MOST_FAULTS = 10

export class EventChannel {
  readonly #op: Operation
  readonly #connection: Pick<ServerConnection, 'events'>
  readonly #jobId: string
  readonly #onCancel: () => void
  #queue: AgentEvent[] = []
  #next = 0
  #progress: Progress | undefined
  #warnings = 0
  #lastSentMs = 0
  #isEnding = false
  #faults = 0
  readonly #done: Promise<void>
  #wake: () => void = () => {}

  /** `op` outlives the job: what a cancelled job has to say is said too. */
  constructor(op: Operation, connection: Pick<ServerConnection, 'events'>, jobId: string, onCancel: () => void) {
    this.#op = op
    this.#connection = connection
    this.#jobId = jobId
    this.#onCancel = onCancel
    this.#done = this.#run()
    this.#done.catch(() => {}) // told by `end`
  }

  tell(event: AgentEvent): void {
    this.#queue.push(event)
    this.#wake()
  }

  progress(progress: Progress): void {
    this.#progress = progress
  }

  warn(warning: Warning): void {
    if (++this.#warnings > MOST_WARNINGS) return
    this.tell({ type: 'warning', at: this.#now(), warning })
  }

  step(name: string, detail?: string): void {
    this.tell({ type: 'step', at: this.#now(), name, ...(detail === undefined ? {} : { detail }) })
  }

  /** Says the last word, and waits until the server has it. */
  async end(last: AgentEvent): Promise<void> {
    this.#queue.push(last)
    this.#isEnding = true
    this.#wake()
    await this.#done
  }

  #now(): string {
    return toTimestamp(this.#op.clock.nowMs())
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#queue.length === 0 && this.#isEnding) return
      if (this.#queue.length === 0) await this.#pause()
      if (this.#progress && !this.#isEnding) {
        this.#queue.push({ type: 'progress', at: this.#now(), progress: this.#progress })
        this.#progress = undefined
      }
      const isDue = this.#op.clock.monotonicMs() - this.#lastSentMs >= agentLimits.heartbeatMs
      if (this.#queue.length > 0 || isDue) await this.#send()
    }
  }

  async #send(): Promise<void> {
    const events = this.#queue.slice(0, agentLimits.eventsPerRequest)
    try {
      const answer = await this.#connection.events(this.#op, this.#jobId, this.#next, events)
      this.#lastSentMs = this.#op.clock.monotonicMs()
      this.#queue = this.#queue.slice(events.length)
      this.#next += events.length
      this.#faults = 0
      if (answer.cancel) this.#onCancel()
    } catch (error) {
      if (!(error instanceof TerpError)) throw error
      if (error.kind === 'internal' && ++this.#faults < MOST_FAULTS) {
        // Waits its time, also when there is more to tell.
        await this.#op.clock.sleep(EVERY_MS, this.#op.signal).catch(() => this.#op.check())
        return
      }
      // The server no longer wants to hear of it: whatever the job does now counts for nothing.
      this.#queue = []
      this.#onCancel()
      if (this.#isEnding) return
      await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    const stop = new AbortController()
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    const waited = this.#op.clock.sleep(EVERY_MS, AbortSignal.any([stop.signal, this.#op.signal])).catch(() => undefined)
    await Promise.race([woken, waited])
    stop.abort()
    this.#wake = () => {}
    this.#op.check()
  }
}
