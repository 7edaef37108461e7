/**
 * The program on a protected machine. It dials out: says hello, waits for commands, does them, and says hello again whenever the server has lost sight of it. Jobs go on
 * while the line is down; each takes its own patience.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { hasCode, type PlainError, TerpError, toPlainError } from '../base/errors.ts'
import { type Operation, startOperation } from '../base/operation.ts'
import type { AgentCommand, BackupTask, RestoreTask, UpdateTask } from '../wire/index.ts'
import { filesWorkloadIn, type Workload } from '../workloads/index.ts'
import { answerTo } from './answers.ts'
import { ServerConnection } from './connection.ts'
import type { AgentIdentity } from './identity.ts'
import { thisPlatform } from './platform.ts'
import { runJob } from './run-job.ts'

export interface AgentOptions {
  readonly identity: AgentIdentity
  readonly folder: string
  readonly version: string
  readonly workloads?: readonly Workload[]
  /** The single file from which it runs, where the server may replace that. */
  readonly bundle?: string | undefined
  readonly onState?: (state: AgentState) => void
}

export type AgentState =
  | { readonly kind: 'connected'; readonly epoch: number }
  | { readonly kind: 'waiting'; readonly error: TerpError; readonly againInMs: number }
  | { readonly kind: 'job'; readonly jobId: string; readonly what: string }
  | { readonly kind: 'job-ended'; readonly jobId: string; readonly what: string; readonly error?: PlainError }

const LEAST_WAIT_MS = 1000
const MOST_WAIT_MS = 60_000
/** Of the program that is stopped: so long its jobs may take to tell the server. */
const LAST_WORDS_MS = 5000
const REMEMBERED_COMMANDS = 1000
const SNAPSHOTS = 'snapshots'
const FINAL_CODES = ['AGENT_UNKNOWN', 'AGENT_SIGNATURE_INVALID', 'AGENT_SUPERSEDED', 'AGENT_PROTOCOL_UNKNOWN', 'SERVER_KEY_WRONG']

/** Until the signal is aborted, its program was replaced (`replaced`), or the server no longer knows this agent (AGENT_UNKNOWN, AGENT_SUPERSEDED, SERVER_KEY_WRONG). */
export async function runAgent(op: Operation, options: AgentOptions): Promise<'replaced'> {
  const agent = new RunningAgent(op, options)
  try {
    return await agent.run()
  } finally {
    await agent.stop()
  }
}

interface RunningJob {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

class RunningAgent {
  readonly #op: Operation
  readonly #options: AgentOptions
  readonly #connection: ServerConnection
  readonly #workloads: ReadonlyMap<string, Workload>
  readonly #jobs = new Map<string, RunningJob>()
  #taken: string[] = []
  /** The program is another now: no more work for this one. */
  readonly #replaced = new AbortController()
  readonly #pollOp: Operation
  /** A command may come twice, when the word that it was taken got lost; oldest first. */
  readonly #begun = new Set<string>()
  /** Outlives the signal for a moment: jobs that end with the program say so. */
  readonly #lasting = new AbortController()
  readonly #lastingOp: Operation

  constructor(op: Operation, options: AgentOptions) {
    this.#op = op
    this.#options = options
    this.#lastingOp = withSignal(op, this.#lasting.signal)
    this.#pollOp = withSignal(op, AbortSignal.any([op.signal, this.#replaced.signal]))
    this.#connection = new ServerConnection(options.identity)
    this.#workloads = new Map(
      (options.workloads ?? [filesWorkloadIn(join(options.folder, SNAPSHOTS))]).map((workload) => [workload.kind, workload]),
    )
  }

  async run(): Promise<'replaced'> {
    for (const workload of this.#workloads.values()) await workload.recover(this.#op)
    let waitMs = LEAST_WAIT_MS
    for (let isGreeted = false; ; ) {
      this.#op.check()
      try {
        if (!isGreeted) await this.#hello()
        isGreeted = true
        await this.#poll()
        waitMs = LEAST_WAIT_MS
      } catch (error) {
        this.#op.check()
        if (this.#replaced.signal.aborted) {
          // What it has begun, it ends; commands that were not taken are given to the next.
          await Promise.all([...this.#jobs.values()].map(({ ended }) => ended))
          this.#op.check()
          return 'replaced'
        }
        if (!(error instanceof TerpError) || isFinal(error)) throw error
        this.#options.onState?.({ kind: 'waiting', error, againInMs: waitMs })
        await this.#op.clock.sleep(spread(this.#op, waitMs), this.#op.signal)
        waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)
        isGreeted = isGreeted && error.retry === 'later' // the line was cut; the epoch may still be good
      }
    }
  }

  async #hello(): Promise<void> {
    const { version } = this.#options
    const answer = await this.#connection.hello(this.#op, {
      version,
      platform: { ...thisPlatform(), takesUpdates: this.#options.bundle !== undefined },
      jobs: [...this.#jobs.keys()],
    })
    for (const jobId of answer.abandoned) this.#jobs.get(jobId)?.stop.abort()
    this.#options.onState?.({ kind: 'connected', epoch: answer.epoch })
  }

  async #poll(): Promise<void> {
    const commands = await this.#connection.commands(this.#pollOp, this.#taken)
    this.#taken = []
    for (const command of commands) {
      this.#taken.push(command.id)
      if (this.#begun.has(command.id)) continue
      this.#begun.add(command.id)
      if (this.#begun.size > REMEMBERED_COMMANDS) this.#begun.delete(this.#begun.keys().next().value as string)
      this.#take(command)
    }
  }

  #take(command: AgentCommand): void {
    const { task } = command
    if (task.kind === 'cancel') this.#jobs.get(task.jobId)?.stop.abort()
    else if (task.kind === 'backup' || task.kind === 'restore' || task.kind === 'update') this.#begin(task)
    else void this.#answer(command.id, task).catch((error: unknown) => this.#warn(error))
  }

  #begin(task: BackupTask | RestoreTask | UpdateTask): void {
    if (this.#jobs.has(task.jobId)) return
    const stop = new AbortController()
    const parts = {
      connection: this.#connection,
      workloads: this.#workloads,
      version: this.#options.version,
      bundle: this.#options.bundle,
      scriptsFolder: join(this.#options.folder, 'scripts'),
      snapshotsFolder: join(this.#options.folder, SNAPSHOTS),
    }
    this.#options.onState?.({ kind: 'job', jobId: task.jobId, what: task.kind })
    const ended = runJob(this.#lastingOp, parts, task, stop)
      .then((error) => {
        if (task.kind === 'update' && error === undefined) this.#replaced.abort()
        this.#options.onState?.({ kind: 'job-ended', jobId: task.jobId, what: task.kind, ...(error && { error }) })
      })
      .finally(() => this.#jobs.delete(task.jobId))
    this.#jobs.set(task.jobId, { stop, ended })
  }

  async #answer(id: string, question: Extract<AgentCommand['task'], { kind: 'browse' | 'discover' }>): Promise<void> {
    await this.#connection.reply(this.#op, id, await answerTo(this.#op, this.#workloads, question))
  }

  #warn(error: unknown): void {
    const { code, message } = toPlainError(error)
    this.#op.warn({ code, message, item: hostname() })
  }

  /** Jobs end as cancelled, and say so if the server still listens. */
  async stop(): Promise<void> {
    for (const { stop } of this.#jobs.values()) stop.abort()
    const ended = Promise.allSettled([...this.#jobs.values()].map(({ ended }) => ended))
    const isOver = new AbortController()
    const waited = this.#op.clock.sleep(LAST_WORDS_MS, isOver.signal).catch(() => undefined)
    await Promise.race([ended, waited])
    isOver.abort()
    this.#lasting.abort()
    await ended
  }
}

function withSignal(op: Operation, signal: AbortSignal): Operation {
  return startOperation({ signal, clock: op.clock, random: op.random, onWarning: (warning) => op.warn(warning) })
}

/** To ask again would get the same answer, until a person does something. */
function isFinal(error: TerpError): boolean {
  return FINAL_CODES.some((code) => hasCode(error, code))
}

/** Agents that lost the same server must not come back all at once. */
function spread(op: Operation, ms: number): number {
  return ms * (0.75 + (op.random.bytes(1)[0] ?? 0) / 512)
}
