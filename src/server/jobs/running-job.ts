/** One job that runs now: what it told and was not written yet, since a commit costs a sync. */
import type { Operation } from '../../base/operation.ts'
import type { Catalog, Job, JsonObject, NewLogLine } from '../../catalog/index.ts'
import type { AgentEvent } from '../../wire/index.ts'
import { ProgressMeter } from './meter.ts'

const WRITE_EVERY_MS = 2000
const MOST_LINES = 2000

export class RunningJob {
  job: Job
  readonly stop = new AbortController()
  readonly meter: ProgressMeter
  readonly #op: Operation
  readonly #catalog: Catalog
  /** Number of the agent's next event. */
  nextEvent = 0
  /** When the agent last said anything about it. */
  heardMs: number
  cancelMs: number | undefined
  warnings = 0
  #lines: NewLogLine[] = []
  #written = 0
  #writtenMs: number
  #openStep: { readonly id: number; readonly name: string } | undefined

  constructor(op: Operation, catalog: Catalog, job: Job) {
    this.#op = op
    this.#catalog = catalog
    this.job = job
    this.meter = new ProgressMeter(op.clock)
    this.heardMs = op.clock.monotonicMs()
    this.#writtenMs = this.heardMs
  }

  heard(): void {
    this.heardMs = this.#op.clock.monotonicMs()
  }

  warn(code: string, message: string, item?: string): void {
    this.warnings++
    this.log({ level: 'warning', code, message, item })
  }

  log(line: NewLogLine): void {
    if (this.#written++ < MOST_LINES) this.#lines.push(line)
  }

  /** What the agent told, other than the end. */
  async take(event: Exclude<AgentEvent, { type: 'finished' | 'failed' }>): Promise<void> {
    if (event.type === 'progress') this.meter.add(event.progress as Parameters<ProgressMeter['add']>[0])
    else if (event.type === 'warning') this.warn(event.warning.code, event.warning.message, event.warning.item)
    else if (event.type === 'started') await this.beginStep('on the agent')
    else this.log({ level: 'info', message: event.detail === undefined ? event.name : `${event.name}: ${event.detail}` })
  }

  /** Steps of the server's own; the one before ends. */
  async beginStep(name: string): Promise<void> {
    await this.endStep('completed')
    this.#openStep = { id: await this.#catalog.jobLog.startStep(this.job.id, name), name }
  }

  async endStep(state: 'completed' | 'failed' | 'cancelled', details?: JsonObject): Promise<void> {
    const step = this.#openStep
    this.#openStep = undefined
    if (step) await this.#catalog.jobLog.endStep(step.id, state, details)
  }

  /** True when progress was written. */
  async flush(epoch: number, leaseMs: number, isLast = false): Promise<boolean> {
    const nowMs = this.#op.clock.monotonicMs()
    if (!isLast && nowMs - this.#writtenMs < WRITE_EVERY_MS) return false
    this.#writtenMs = nowMs
    const lines = this.#lines
    this.#lines = []
    await this.#catalog.jobLog.write(this.job.id, lines)
    const progress = this.meter.describe()
    this.job = await this.#catalog.jobs.progress(this.job.id, epoch, {
      leaseMs,
      ...(progress && { progress, bytesTransferred: this.meter.bytesDone }),
    })
    return true
  }
}
