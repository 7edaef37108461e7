/** What the engine asks of a kind of job: where it runs, how often it is tried, and what its beginning and end mean for what it is about. */
import type { PlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Job, JsonObject, Records } from '../../catalog/index.ts'
import type { Gated, JobType } from '../../protection/index.ts'
import type { BackupTask, RestoreTask, UpdateTask } from '../../wire/index.ts'
import type { OpenedSession } from '../agents/desk.ts'

export interface JobOutcome {
  readonly result?: JsonObject | undefined
  readonly pointId?: string | undefined
  readonly bytesTransferred?: number | undefined
  /** Beside those that were told during the job. */
  readonly warnings?: number | undefined
}

interface AnyKind {
  readonly type: JobType
  readonly attempts: number
  /** What the gate says no to; undefined: nothing closes it. */
  readonly gated?: Gated | undefined
  /** In the transaction in which the job ends. `outcome`: of one that did what it should. */
  ended?(records: Records, job: Job, outcome: JobOutcome | undefined): Promise<void>
  /** It will be tried again. */
  failedOnce?(job: Job, error: PlainError): Promise<void>
  /** After all of that is durable: alerts, and what follows. */
  afterwards?(job: Job): Promise<void>
  /** Before it begins; what it throws ends the job. */
  beginning?(job: Job): Promise<void>
}

/** Runs in this process. */
export interface ServerJobKind extends AnyKind {
  readonly where: 'server'
  run(op: Operation, job: Job): Promise<JobOutcome>
}

/** Runs on an agent. */
export interface AgentJobKind extends AnyKind {
  readonly where: 'agent'
  /** What the agent is told; anew for each attempt, so that it is what is wanted now. */
  task(job: Job): Promise<BackupTask | RestoreTask | UpdateTask>
  openSession(op: Operation, job: Job): Promise<OpenedSession>
  /** What the agent says it did, checked against what this server knows. */
  outcome(op: Operation, job: Job, report: Readonly<Record<string, unknown>>): Promise<JobOutcome>
  /** What the job is for, where it is done although its end was not heard: an agent that was killed, an answer that was lost. */
  doneBefore?(op: Operation, job: Job): Promise<JobOutcome | undefined>
  /** Of one that is cancelled: what it leaves where it wrote, for people. `progress`: the last that was told. */
  leaves?(job: Job, progress: JsonObject | undefined): JsonObject
}

export type JobKind = ServerJobKind | AgentJobKind

/** Sessions end with the server that held them, and the next attempt opens another; clocks are set right. */
const MENDED_BY_TIME: readonly string[] = ['SESSION_UNKNOWN', 'AGENT_CLOCK_SKEWED']

/** Errors after which the same again would end the same. */
export function isHopeless({ kind, retry, code }: PlainError): boolean {
  if (retry === 'later' || MENDED_BY_TIME.includes(code)) return false
  return ['invalid', 'not-found', 'forbidden', 'conflict', 'unauthenticated'].includes(kind)
}
