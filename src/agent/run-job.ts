/** One job of the server, done here: a backup or a restore, by a workload, through a view of the pool. */
import type { BackupReport, RestoreReport } from '../archive/index.ts'
import { toTimestamp } from '../base/clock.ts'
import { hasCode, type PlainError, toPlainError } from '../base/errors.ts'
import { type Operation, startOperation } from '../base/operation.ts'
import { openWriteSession, Repository } from '../repository/index.ts'
import { openStore, type SharedThrottle, type StoreDescriptor } from '../storage/index.ts'
import type { AgentSession, BackupTask, RestoreTask, UpdateTask } from '../wire/index.ts'
import { guardScripts, type Workload } from '../workloads/index.ts'
import type { ServerConnection } from './connection.ts'
import { agentProgramError } from './errors.ts'
import { EventChannel } from './event-channel.ts'
import { jobThrottle } from './job-throttle.ts'
import { runScript } from './scripts.ts'
import { replaceProgram } from './update.ts'

export interface JobParts {
  readonly connection: ServerConnection
  readonly workloads: ReadonlyMap<string, Workload>
  readonly version: string
  readonly scriptsFolder: string
  /** Its single file, where the server may replace it. */
  readonly bundle?: string | undefined
  /** What was made for a job and has to go again is noted there. */
  readonly snapshotsFolder: string
}

/** A session ends with the server's process; what was sent is durable, so that each further one begins later. */
const MOST_SESSIONS = 20
/** Between two: a server that has just begun may not be there yet. */
const BEGIN_ANEW_MS = 2000
/** The view is this session's alone, and the server holds the pool's lock. */
const NO_LOCK = { release: async () => {} }

/** Never throws: how it ended was told to the server, if that still listens, and is the answer. `stop` ends it early. */
export async function runJob(
  outer: Operation,
  parts: JobParts,
  task: BackupTask | RestoreTask | UpdateTask,
  stop: AbortController,
): Promise<PlainError | undefined> {
  const signal = AbortSignal.any([stop.signal, outer.signal])
  const channel = new EventChannel(outer, parts.connection, task.jobId, () => stop.abort())
  const now = () => toTimestamp(outer.clock.nowMs())
  const op = startOperation({
    signal,
    clock: outer.clock,
    random: outer.random,
    onProgress: (progress) => channel.progress(progress),
    onWarning: (warning) => channel.warn(warning),
    onStep: (name, durationMs) => channel.step(name, `${Math.round(durationMs)} ms`),
  })
  channel.tell({ type: 'started', at: now() })
  try {
    const report = await work(op, parts, task, channel)
    await channel.end({ type: 'finished', at: now(), report })
    return undefined
  } catch (error) {
    const plain = toPlainError(error)
    const { code, kind, message, hint, context } = plain
    await channel.end({ type: 'failed', at: now(), error: { code, kind, message, hint, context: { ...context } } }).catch(() => undefined)
    return plain
  }
}

async function work(op: Operation, parts: JobParts, task: BackupTask | RestoreTask | UpdateTask, channel: EventChannel) {
  if (task.kind === 'backup') return backUp(op, parts, task, channel)
  if (task.kind === 'restore') return restore(op, parts, task)
  const { version, sha256 } = task
  if (parts.bundle === undefined) throw agentProgramError('AGENT_UPDATE_IMPOSSIBLE', 'this agent does not take updates from its server')
  await replaceProgram(op, parts.connection, task, parts.bundle)
  return { version, sha256 }
}

async function backUp(op: Operation, parts: JobParts, task: BackupTask, channel: EventChannel): Promise<Record<string, unknown>> {
  const workload = workloadOf(parts, task.workload)
  if (!task.scripts) return backUpView(op, parts, task, channel, workload)
  const { before, after, beforeArguments, afterArguments, timeoutMs } = task.scripts
  // What a script began (a snapshot, a database that holds still) is ended also when the job was cancelled.
  const ending = unstoppable(op)
  const run = (path: string, succeeded: boolean | undefined) => {
    const { scriptsFolder: folder } = parts
    const isBefore = succeeded === undefined
    const given = (isBefore ? beforeArguments : afterArguments) ?? []
    return runScript(isBefore ? op : ending, { path, folder, timeoutMs, succeeded, jobId: task.jobId, arguments: given })
  }
  let hasSucceeded = false
  const guard = await guardScripts(op, { folder: parts.snapshotsFolder, limitMs: timeoutMs })
  try {
    if (before) await op.step('script before', () => run(before, undefined))
    try {
      const report = await backUpView(op, parts, task, channel, workload)
      hasSucceeded = true
      return report
    } finally {
      if (after) await run(after, hasSucceeded).catch((error: unknown) => op.warn(toWarning(error)))
    }
  } finally {
    await guard.end(ending)
  }
}

async function backUpView(
  op: Operation,
  { connection, version }: JobParts,
  task: BackupTask,
  channel: EventChannel,
  workload: Workload,
): Promise<Record<string, unknown>> {
  const view = await op.step('consistent view', () => workload.openView(op, task))
  try {
    channel.step('view', view.note)
    const report = await inSession(op, connection, task, async (answer, workerStore) => {
      const repository = await openView(op, workerStore, answer, 'write')
      const session = await openWriteSession(op, repository, NO_LOCK)
      return workload.backUp(op, { task, view, session, workerStore, host: connection.identity.name, program: `terp ${version}` })
    })
    return { ...backupFacts(report), consistency: view.consistency, consistency_note: view.note }
  } finally {
    await view.release(unstoppable(op))
  }
}

async function restore(op: Operation, parts: JobParts, task: RestoreTask): Promise<Record<string, unknown>> {
  const workload = workloadOf(parts, 'files')
  return inSession(op, parts.connection, task, async (answer, workerStore) => {
    const repository = await openView(op, workerStore, answer, 'read')
    return restoreFacts(await workload.restore(op, { task, repository, point: answer.point ?? 'latest', workerStore }))
  })
}

/** Begins anew when the server has lost the session; it answers SESSION_REFUSED once it no longer wants the job. */
async function inSession<T>(
  op: Operation,
  connection: ServerConnection,
  task: BackupTask | RestoreTask,
  work: (answer: AgentSession, store: StoreDescriptor) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const throttle = jobThrottle(op, task, over.signal)
  try {
    return await inSessions(op, connection, task, throttle, work)
  } finally {
    over.abort()
  }
}

async function inSessions<T>(
  op: Operation,
  connection: ServerConnection,
  task: BackupTask | RestoreTask,
  throttle: SharedThrottle | undefined,
  work: (answer: AgentSession, store: StoreDescriptor) => Promise<T>,
): Promise<T> {
  for (let sessions = 1; ; sessions++) {
    const answer = await connection.openSession(op, task.jobId)
    const isNarrow = task.kind === 'backup' && task.compression === 'hard'
    const access = connection.access(answer.sessionId, task.kind, { throttle, isNarrow })
    try {
      return await work(answer, { kind: 'session', access })
    } catch (error) {
      const isLost = hasCode(error, 'SESSION_UNKNOWN') || (hasCode(error, 'AGENT_SUPERSEDED') && connection.epoch !== access.epoch)
      if (!isLost || sessions === MOST_SESSIONS || !canBeginAnew(task)) throw error
      op.warn({ code: error.code, message: 'the server has lost the session: the job begins anew, and sends nothing twice' })
      await op.clock.sleep(BEGIN_ANEW_MS, op.signal)
      op.check()
    } finally {
      // The server ends it by itself when it hears nothing more.
      await connection.endSession(unstoppable(op), answer.sessionId).catch(() => undefined)
    }
  }
}

/** Files that are there already are passed over, or written once more; copies beside them would be made twice. */
function canBeginAnew(task: BackupTask | RestoreTask): boolean {
  return task.kind === 'backup' || task.overwrite !== 'copy'
}

/** For what ends something. */
function unstoppable(op: Operation): Operation {
  return { ...op, signal: new AbortController().signal, check: () => {} }
}

async function openView(op: Operation, store: StoreDescriptor, answer: AgentSession, use: 'read' | 'write'): Promise<Repository> {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
  const bundle = { masterKey: bytes(answer.masterKey), idKey: bytes(answer.idKey), chunkingKey: bytes(answer.chunkingKey) }
  return Repository.openWithBundle(op, await openStore(store), bundle, use)
}

function workloadOf({ workloads }: JobParts, kind: string): Workload {
  const workload = workloads.get(kind)
  if (!workload) throw agentProgramError('AGENT_WORKLOAD_UNKNOWN', `this agent can not protect ${kind}`)
  return workload
}

function toWarning(error: unknown) {
  const { code, message } = toPlainError(error)
  return { code, message }
}

function backupFacts(report: BackupReport): Record<string, unknown> {
  const { point, warnings: _, ...counts } = report
  return { ...counts, point: point.id, root: point.root }
}

function restoreFacts(report: RestoreReport): Record<string, unknown> {
  return { ...report }
}
