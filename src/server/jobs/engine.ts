/**
 * Durable jobs (§5.1, §5.2, §10.10). A job waits in the catalog until its time has come, its replica is free, there is room, its agent is connected and the gate is open;
 * then it runs here or on its agent. What an agent acknowledged is durable, what it says is written before it is answered, and a job that lost its server or its agent is
 * taken up again: by the agent that still works on it, or anew, which sends nothing twice.
 *
 * Over 400 lines: who holds a job, its lease and its epoch change in one place only, so every way into and out of a run stands here; taking in what agents tell
 * could become a file of its own.
 */
import { letOthersRun } from '../../base/clock.ts'
import { asTerpError, hasCode, type PlainError, type TerpError, toPlainError } from '../../base/errors.ts'
import { type Operation, startOperation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Catalog, FinalJobState, Job, JobFailure, JsonObject, NewJob } from '../../catalog/index.ts'
import {
  type Gated,
  isJobOver,
  isStuck,
  JOB_TYPES,
  type JobType,
  type Refusal,
  refusalError,
  retryDelayMs,
} from '../../protection/index.ts'
import { type AgentEvent, type AgentTask, agentLimits } from '../../wire/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import { agentError } from '../agents/errors.ts'
import type { ServerContext } from '../context.ts'
import { Alarm } from './alarm.ts'
import { jobError } from './errors.ts'
import { type AgentJobKind, isHopeless, type JobKind, type JobOutcome } from './kind.ts'
import { RunningJob } from './running-job.ts'
import { summaryOf } from './summary.ts'

/** How jobs reach agents. */
export interface AgentLine {
  isConnected(agentId: string): boolean
  send(agentId: string, task: AgentTask): string
  /** Whether a command about it still waits to be taken. */
  holds(jobId: string): boolean
  /** Commands of a job that no agent needs to see any more. */
  withdraw(jobId: string): void
}

export interface EngineOptions {
  readonly context: ServerContext
  readonly line: AgentLine
  /** Why the gate is closed; undefined: it is open. */
  readonly gate: (act: Gated) => Promise<Refusal | undefined>
  /** Jobs on agents at the same time. */
  readonly parallelJobs: () => Promise<number>
}

export type JobRequest = Omit<NewJob, 'lock' | 'attemptsAllowed'>

const LEASE_MS = agentLimits.leaseMs
const LOOK_EVERY_MS = 15_000
const PARALLEL_SERVER_JOBS = 3
const READY_AT_ONCE = 100
/** So long a cancelled job may take to say its last word. */
const CANCEL_MS = 60_000
/** An agent that is there and says nothing of a job for so long does not work on it. */
const ORPHAN_MS = 3 * agentLimits.heartbeatMs
const EPOCH_SETTING = 'job-engine'

export class JobEngine {
  readonly #context: ServerContext
  readonly #catalog: Catalog
  readonly #op: Operation
  readonly #options: EngineOptions
  readonly #kinds = new Map<JobType, JobKind>()
  readonly #running = new Map<string, { readonly running: RunningJob; readonly turn: Semaphore; readonly ended: Promise<void> }>()
  /** Jobs of agents that ran when this server began: until when their agents may still speak of them. */
  readonly #orphans = new Map<string, { readonly agentId: string; untilMs: number }>()
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #epoch = 0
  #lookedMs: number | undefined
  #loop: Promise<void> | undefined
  /** Ends what an agent has open for a job. */
  endSessions: (jobId: string) => Promise<void> = async () => {}

  constructor(options: EngineOptions) {
    this.#options = options
    this.#context = options.context
    this.#catalog = options.context.catalog
    const signal = AbortSignal.any([options.context.op.signal, this.#stop.signal])
    this.#op = { ...options.context.op, signal }
    this.#alarm = new Alarm(this.#op.clock, signal)
  }

  register(...kinds: readonly JobKind[]): void {
    for (const kind of kinds) this.#kinds.set(kind.type, kind)
  }

  /** Takes over what an earlier server left. */
  async start(): Promise<void> {
    const before = (await this.#catalog.settings.find(EPOCH_SETTING))?.value as { epoch?: number } | undefined
    this.#epoch = (before?.epoch ?? 0) + 1
    await this.#catalog.settings.put(EPOCH_SETTING, { epoch: this.#epoch }, { by: 'server' })
    const untilMs = this.#op.clock.monotonicMs() + LEASE_MS
    for (const job of await this.#catalog.jobs.takeBack(this.#epoch)) {
      await this.#catalog.jobLog.endOpenSteps(job.id, 'failed')
      await this.#catalog.jobLog.write(job.id, [{ level: 'info', message: 'the server was restarted while the job ran' }])
      // Nobody would begin it again, nor end it.
      if (job.cancelRequestedMs !== undefined) await this.cancel(job.id, job.cancelRequestedBy ?? 'server')
      else if (this.#kinds.get(job.type)?.where === 'agent' && job.agentId) this.#orphans.set(job.id, { agentId: job.agentId, untilMs })
    }
    this.#loop = this.#work()
  }

  /** Jobs of this process are cut off, and begin again with the next server; those of agents go on. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.allSettled([...this.#running.values()].filter(({ running }) => this.#isHere(running.job)).map(({ ended }) => ended))
  }

  /** When it last looked for what is to be done, on the clock that is never set. */
  get lookedMs(): number | undefined {
    return this.#lookedMs
  }

  get runningCount(): number {
    return this.#running.size
  }

  wake(): void {
    this.#alarm.ring()
  }

  /** As the catalog wants it; for transactions that make jobs. Call `created` after them. */
  fill(request: JobRequest): NewJob {
    const isOfReplica = JOB_TYPES[request.type].holds === 'replica' && request.sourceId !== undefined
    const lock = isOfReplica
      ? `source:${request.sourceId}`
      : request.poolId !== undefined && !request.sourceId
        ? `pool:${request.poolId}`
        : undefined
    return { ...request, attemptsAllowed: this.#kinds.get(request.type)?.attempts ?? 1, ...(lock !== undefined && { lock }) }
  }

  created(...jobs: readonly Job[]): void {
    for (const job of jobs) this.#tell(job)
    this.wake()
  }

  async create(request: JobRequest): Promise<Job> {
    const job = await this.#catalog.jobs.create(this.fill(request))
    this.created(job)
    return job
  }

  /** The one that waits already, if there is one of the same type about the same. */
  async createOnce(request: JobRequest): Promise<{ readonly job: Job; readonly isNew: boolean }> {
    const waiting = await this.waiting(request)
    return waiting ? { job: waiting, isNew: false } : { job: await this.create(request), isNew: true }
  }

  async waiting({ type, sourceId, poolId }: Pick<JobRequest, 'type' | 'sourceId' | 'poolId'>): Promise<Job | undefined> {
    const filter = { states: ['scheduled', 'queued'] as const, types: [type], sourceId, ...(sourceId === undefined && { poolId }) }
    return (await this.#catalog.jobs.list({ limit: 1 }, filter)).items[0]
  }

  /** A failed or cancelled one, as a new job. JOB_NOT_RETRYABLE. */
  async retry(id: string, by: string): Promise<Job> {
    const job = await this.#catalog.jobs.get(id)
    if (job.state !== 'failed' && job.state !== 'cancelled') throw jobError('JOB_NOT_RETRYABLE', `the job ${id} is ${job.state}`)
    const { type, sourceId, groupId, agentId, poolId, pointId, priority, parameters } = job
    const request = { type, sourceId, groupId, agentId, poolId, priority, parameters, isAdHoc: true, createdBy: by, retryOf: id }
    return await this.create({ ...request, ...(type === 'recovery' && { pointId }) })
  }

  /** One that waits has ended when this returns; one that runs ends soon. */
  async cancel(id: string, by: string): Promise<Job> {
    const job = await this.#catalog.jobs.cancel(id, by)
    const entry = this.#running.get(id)
    if (!entry) await this.#hasEnded(job, undefined)
    else this.#cancelRunning(entry.running, job)
    this.#tell(job)
    return job
  }

  #cancelRunning(running: RunningJob, job: Job): void {
    running.job = job
    running.cancelMs ??= this.#op.clock.monotonicMs()
    running.stop.abort()
    if (this.#isHere(job) || !job.agentId) return
    this.#options.line.withdraw(job.id)
    this.#options.line.send(job.agentId, { kind: 'cancel', jobId: job.id })
  }

  /** Jobs that the agent works on: those that are not wanted any more. */
  async hello(agentId: string, jobs: readonly string[]): Promise<string[]> {
    const abandoned: string[] = []
    for (const id of jobs) if (!(await this.#find(agentId, id))) abandoned.push(id)
    // It does not work on what it did not name.
    for (const [id, orphan] of this.#orphans) if (orphan.agentId === agentId) this.#orphans.delete(id)
    for (const { running } of this.#running.values()) {
      const { job } = running
      const isForgotten = job.agentId === agentId && !this.#isHere(job) && !jobs.includes(job.id) && !this.#options.line.holds(job.id)
      if (isForgotten) void this.#lose(running, jobError('JOB_INTERRUPTED', 'the agent was restarted while the job ran'))
    }
    this.wake()
    return abandoned
  }

  /** The agent is there, and was not before: what waits for it may begin. */
  agentCame(agentId: string): void {
    const soonMs = this.#op.clock.monotonicMs() + ORPHAN_MS
    for (const orphan of this.#orphans.values()) if (orphan.agentId === agentId) orphan.untilMs = Math.min(orphan.untilMs, soonMs)
    this.wake()
  }

  async events(
    agentId: string,
    jobId: string,
    first: number,
    events: readonly AgentEvent[],
  ): Promise<{ readonly next: number; readonly cancel: boolean }> {
    const entry = await this.#find(agentId, jobId, first)
    if (!entry) return { next: first + events.length, cancel: true }
    const { running, turn } = entry
    return await turn.run(async () => {
      running.heard()
      // A request that is repeated tells what is known; one after a restart of this server goes on where the agent is.
      const fresh = events.slice(Math.max(0, running.nextEvent - first))
      for (const event of fresh) {
        if (event.type === 'finished') await this.#finished(running, event.report)
        else if (event.type === 'failed') await this.#failed(running, event.error as PlainError)
        else await running.take(event)
      }
      running.nextEvent = Math.max(running.nextEvent, first + events.length)
      if (this.#running.has(jobId)) await this.#flush(running)
      return { next: running.nextEvent, cancel: running.cancelMs !== undefined }
    })
  }

  /** SESSION_REFUSED unless the job is the agent's and runs. */
  async openSession(agentId: string, jobId: string): Promise<OpenedSession> {
    const entry = await this.#find(agentId, jobId)
    const kind = entry && this.#kinds.get(entry.running.job.type)
    if (!entry || kind?.where !== 'agent' || entry.running.cancelMs !== undefined) {
      throw agentError('SESSION_REFUSED', 'this agent has no such job that runs')
    }
    const { running, turn } = entry
    running.heard()
    try {
      return await kind.openSession(this.#op, running.job)
    } catch (error) {
      // A commit whose answer was lost: what the agent is about to do is done.
      if (!hasCode(error, 'VIEW_COMMITTED')) throw error
      await turn.run(async () => {
        if (this.#running.get(jobId) === entry) await this.#failed(running, toPlainError(error))
      })
      throw agentError('SESSION_REFUSED', 'the recovery point of this job is there: nothing is left to do', { cause: error })
    }
  }

  /** Of an agent that runs it; one that ran when the server began is taken up again. */
  async #find(agentId: string, jobId: string, nextEvent?: number) {
    const entry = this.#running.get(jobId)
    if (entry) return entry.running.job.agentId === agentId && !this.#isHere(entry.running.job) ? entry : undefined
    const orphan = this.#orphans.get(jobId)
    if (orphan?.agentId !== agentId) return undefined
    this.#orphans.delete(jobId)
    const job = await this.#catalog.jobs.claim(jobId, { epoch: this.#epoch, leaseMs: LEASE_MS })
    if (!job) return undefined
    const running = new RunningJob(this.#op, this.#catalog, job)
    running.nextEvent = nextEvent ?? 0
    running.log({ level: 'info', message: 'the agent goes on with the job' })
    this.#tell(job)
    return this.#hold(running, Promise.resolve())
  }

  #hold(running: RunningJob, ended: Promise<void>) {
    const entry = { running, turn: new Semaphore(1), ended }
    this.#running.set(running.job.id, entry)
    return entry
  }

  #isHere({ type }: Job): boolean {
    return this.#kinds.get(type)?.where !== 'agent'
  }

  async #work(): Promise<void> {
    while (!this.#op.signal.aborted) {
      try {
        await this.#sweep()
        await this.#begin()
        this.#lookedMs = this.#op.clock.monotonicMs()
      } catch (error) {
        this.#warn(error)
      }
      const nextMs = await this.#catalog.jobs.nextDueMs().catch(() => undefined)
      const waitMs = nextMs === undefined ? LOOK_EVERY_MS : nextMs - this.#op.clock.nowMs()
      // What is due and did not begin waits for something that rings.
      await this.#alarm.wait(waitMs > 0 ? Math.min(waitMs, LOOK_EVERY_MS) : LOOK_EVERY_MS)
    }
  }

  async #begin(): Promise<void> {
    for (const job of await this.#catalog.jobs.queueDue()) this.#tell(job)
    const most = await this.#options.parallelJobs()
    // Thousands may wait: only so many are read as there is room for, and those that were passed over.
    for (let passed = 0; ; ) {
      const types = [...this.#kinds.values()].filter(({ where }) => this.#hasRoom(where, most)).map(({ type }) => type)
      if (types.length === 0) return
      const ready = await this.#catalog.jobs.ready({ limit: READY_AT_ONCE, offset: passed, types })
      for (const job of ready) {
        if (this.#op.signal.aborted) return
        const kind = this.#kinds.get(job.type)
        const isHeld = this.#running.has(job.id) || this.#orphans.has(job.id)
        const isAway = kind?.where === 'agent' && !(job.agentId && this.#options.line.isConnected(job.agentId))
        if (!kind || isHeld || isAway || !this.#hasRoom(kind.where, most)) passed++
        else await this.#beginOne(kind, job)
      }
      if (ready.length < READY_AT_ONCE) return
      await letOthersRun()
    }
  }

  #hasRoom(where: JobKind['where'], mostOnAgents: number): boolean {
    const beside = [...this.#running.values()].filter(({ running }) => this.#isHere(running.job) === (where === 'server')).length
    return beside < (where === 'server' ? PARALLEL_SERVER_JOBS : mostOnAgents)
  }

  async #beginOne(kind: JobKind, job: Job): Promise<void> {
    let task: AgentTask | undefined
    try {
      const closed = kind.gated && (await this.#options.gate(kind.gated))
      if (closed) throw refusalError(closed)
      if (kind.where === 'agent') task = await kind.task(job)
    } catch (error) {
      if (hasCode(error, 'INTERNAL')) throw error
      const refused = await this.#catalog.jobs.refuse(job.id, failureOf(toPlainError(error)))
      await this.#hasEnded(refused, undefined)
      return
    }
    const claimed = await this.#catalog.jobs.claim(job.id, { epoch: this.#epoch, leaseMs: LEASE_MS })
    if (!claimed) return
    const running = new RunningJob(this.#op, this.#catalog, claimed)
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#hold(running, ended)
    this.#tell(claimed)
    try {
      await kind.beginning?.(claimed)
    } catch (error) {
      await this.#failed(running, toPlainError(error)).finally(end)
      return
    }
    if (kind.where === 'server') void this.#runHere(running, kind).finally(end)
    else {
      end()
      await running.beginStep('waiting for the agent')
      if (task && claimed.agentId) this.#options.line.send(claimed.agentId, task)
    }
  }

  async #runHere(running: RunningJob, kind: Extract<JobKind, { where: 'server' }>): Promise<void> {
    const { job } = running
    const op = startOperation({
      signal: AbortSignal.any([this.#op.signal, running.stop.signal]),
      clock: this.#op.clock,
      random: this.#op.random,
      onProgress: (progress) => running.meter.add(progress),
      onWarning: ({ code, message, item }) => running.warn(code, message, item),
      onStep: (name, durationMs) => running.log({ level: 'info', message: `${name}: ${Math.round(durationMs)} ms` }),
    })
    try {
      const outcome = await kind.run(op, job)
      await this.#completed(running, outcome)
    } catch (error) {
      // The next server takes it up again.
      if (this.#stop.signal.aborted || this.#op.signal.aborted) this.#running.delete(job.id)
      else await this.#failed(running, toPlainError(error)).catch((failure: unknown) => this.#warn(failure))
    }
  }

  async #finished(running: RunningJob, report: Readonly<Record<string, unknown>>): Promise<void> {
    const kind = this.#kinds.get(running.job.type) as AgentJobKind
    let outcome: JobOutcome
    try {
      outcome = await kind.outcome(this.#op, running.job, report)
    } catch (error) {
      await this.#failed(running, toPlainError(error))
      return
    }
    await this.#completed(running, outcome)
  }

  async #completed(running: RunningJob, outcome: JobOutcome): Promise<void> {
    const warnings = Math.max(running.warnings, outcome.warnings ?? 0)
    await this.#end(running, warnings > 0 ? 'completed-with-warnings' : 'completed', { outcome, warnings })
  }

  async #failed(running: RunningJob, error: PlainError): Promise<void> {
    const { job } = running
    const kind = this.#kinds.get(job.type)
    const done = kind?.where === 'agent' ? await kind.doneBefore?.(this.#op, job) : undefined
    if (done) {
      running.log({ level: 'info', code: error.code, message: `${error.message}; the recovery point was made before that` })
      await this.#completed(running, done)
      return
    }
    if (running.cancelMs !== undefined) {
      const left = kind?.where === 'agent' ? kind.leaves?.(job, running.meter.describe()) : undefined
      const what = typeof left?.left === 'string' ? `the job was cancelled: ${left.left}` : 'the job was cancelled'
      await this.#end(running, 'cancelled', {
        error: toPlainError(jobError('JOB_CANCELLED', what)),
        ...(left && { outcome: { result: left } }),
      })
      return
    }
    running.log({ level: 'error', code: error.code, message: error.message })
    const isLast = isHopeless(error) || job.attempts >= job.attemptsAllowed
    if (isLast) {
      await this.#end(running, 'failed', { error })
      return
    }
    // The agent was stopped in good order; nothing is wrong that waiting would mend.
    const isInterrupted = error.kind === 'cancelled' || error.code === 'JOB_INTERRUPTED' || error.code === 'SESSION_UNKNOWN'
    const waitMs = isInterrupted ? 0 : retryDelayMs(job.attempts, (this.#op.random.bytes(1)[0] ?? 0) / 255)
    await this.#close(running, 'failed')
    const later = { dueMs: this.#op.clock.nowMs() + waitMs, error: failureOf(error) }
    const waiting = await this.#held(running, () => this.#catalog.jobs.retryLater(job.id, this.#epoch, later))
    if (!waiting) return
    this.#tell(waiting)
    await kind?.failedOnce?.(waiting, error).catch((failure: unknown) => this.#warn(failure))
    this.wake()
  }

  async #end(
    running: RunningJob,
    state: FinalJobState,
    { outcome, error, warnings = running.warnings }: { outcome?: JobOutcome; error?: PlainError; warnings?: number },
  ): Promise<void> {
    const { job } = running
    const kind = this.#kinds.get(job.type)
    const isGood = state === 'completed' || state === 'completed-with-warnings'
    await this.#close(running, isGood ? 'completed' : state === 'cancelled' ? 'cancelled' : 'failed')
    const ended = await this.#held(running, () =>
      this.#catalog.transaction(async (records) => {
        const done = await records.jobs.finish(job.id, this.#epoch, {
          state,
          warnings,
          result: outcome?.result,
          ...(error && { error: failureOf(error) }),
          ...(outcome?.pointId !== undefined && { pointId: outcome.pointId }),
          ...(outcome?.bytesTransferred !== undefined && { bytesTransferred: outcome.bytesTransferred }),
        })
        await kind?.ended?.(records, done, isGood ? outcome : undefined)
        return done
      }),
    )
    if (ended) await this.#hasEnded(ended, kind, true)
  }

  /** Undefined when a later server has it. */
  async #held<T>(running: RunningJob, write: () => Promise<T>): Promise<T | undefined> {
    try {
      return await write()
    } catch (error) {
      if (hasCode(error, 'CATALOG_JOB_FENCED')) return undefined
      throw error
    } finally {
      this.#running.delete(running.job.id)
    }
  }

  async #close(running: RunningJob, state: 'completed' | 'failed' | 'cancelled'): Promise<void> {
    const { id } = running.job
    this.#options.line.withdraw(id)
    if (!this.#isHere(running.job)) await this.endSessions(id).catch((error: unknown) => this.#warn(error))
    await running.flush(this.#epoch, LEASE_MS, true).catch((error: unknown) => this.#warn(error))
    await running.endStep(state)
  }

  /** `isWritten`: what the end means was written with it. */
  async #hasEnded(job: Job, known: JobKind | undefined, isWritten = false): Promise<void> {
    if (!isJobOver(job.state)) return
    const kind = known ?? this.#kinds.get(job.type)
    const { metrics } = this.#context
    metrics.jobRuns.inc({ type: job.type, result: job.state })
    if (job.startedMs !== undefined && job.finishedMs !== undefined) {
      metrics.jobDuration.observe({ type: job.type, result: job.state }, (job.finishedMs - job.startedMs) / 1000)
    }
    if (!isWritten) await this.#catalog.transaction(async (records) => await kind?.ended?.(records, job, undefined))
    this.#tell(job)
    await kind?.afterwards?.(job).catch((error: unknown) => this.#warn(error))
    this.wake()
  }

  async #lose(running: RunningJob, why: TerpError): Promise<void> {
    const entry = this.#running.get(running.job.id)
    await entry?.turn.run(async () => {
      if (this.#running.get(running.job.id) !== entry) return
      await this.#failed(running, toPlainError(why))
    })
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#op.clock.monotonicMs()
    for (const [id, { untilMs }] of this.#orphans) if (untilMs < nowMs) this.#orphans.delete(id)
    for (const { running } of [...this.#running.values()]) {
      const { job } = running
      if (isStuck({ type: job.type, startedMs: job.startedMs ?? job.createdMs }, this.#op.clock.nowMs())) {
        if (this.#isHere(job)) running.stop.abort()
        await this.#lose(running, jobError('JOB_STUCK', 'an online job that has been running for more than 30 days'))
      } else if (this.#isHere(job)) await this.#flush(running).catch((error: unknown) => this.#warn(error))
      else if (running.cancelMs !== undefined && running.cancelMs < nowMs - CANCEL_MS) {
        await this.#lose(running, jobError('JOB_CANCELLED', 'the job was cancelled, and its agent did not answer'))
      } else if (running.heardMs < nowMs - LEASE_MS) {
        await this.#lose(running, jobError('JOB_AGENT_LOST', 'nothing was heard of the agent for ten minutes'))
      }
    }
  }

  async #flush(running: RunningJob): Promise<void> {
    if (await running.flush(this.#epoch, LEASE_MS)) this.#tell(running.job)
  }

  #tell(job: Job): void {
    this.#context.events.publish('job', summaryOf(job), job.groupId)
  }

  #warn(error: unknown): void {
    if (this.#op.signal.aborted) return
    const { code, message } = asTerpError(error)
    this.#context.op.warn({ code, message, item: 'jobs' })
  }
}

function failureOf({ code, message, hint, context }: PlainError): JobFailure {
  const { domain_code: domainCode, ...rest } = context as Record<string, unknown>
  return {
    code,
    message,
    hint,
    ...(typeof domainCode === 'number' && { domainCode }),
    ...(Object.keys(rest).length > 0 && { context: JSON.parse(JSON.stringify(rest)) as JsonObject }),
  }
}
