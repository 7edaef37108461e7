/** Recovery from disk to an agent (§4.1, §4.2). The job's parameters say where to and what; this machine's share is to show the agent that, and nothing else. */

import { toTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import type { Catalog, Job, JsonObject } from '../../catalog/index.ts'
import { type RestoreTask, restoreTaskShape } from '../../wire/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { applyEvent } from '../groups/source-state.ts'
import { jobError } from './errors.ts'
import type { AgentJobKind, JobOutcome } from './kind.ts'
import type { PoolWork } from './pool-work.ts'

/**
 * `parameters` of a job of type `recovery`: a task without its job. `isToOriginal`: the replica is checked afterwards (§3.6). `notify`: who is told by mail how it ended.
 */
export type RecoveryParameters = Omit<RestoreTask, 'kind' | 'jobId'> & {
  readonly isToOriginal?: boolean | undefined
  readonly notify?: readonly string[] | undefined
}

export interface RestoreJobParts {
  readonly context: ServerContext
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  /** Mail to those who asked for it, when a recovery has ended. */
  readonly tell: (to: readonly string[], job: Job) => Promise<void>
  /** The original was written to: the replica is no longer what its source is. */
  readonly afterRestoreToOriginal: (job: Job) => Promise<void>
}

export function restoreKind({ context, pools, alerts, tell, afterRestoreToOriginal }: RestoreJobParts): AgentJobKind {
  const { catalog } = context
  const taskOf = (job: Job): RestoreTask => restoreTaskShape.parse({ ...job.parameters, kind: 'restore', jobId: job.id })
  const aboutOf = async (job: Job) => {
    const source = await catalog.sources.find(job.sourceId ?? '')
    return { id: job.id, name: source?.name ?? job.id, jobId: job.id, groupId: job.groupId }
  }
  const pointOf = async (job: Job) => {
    const point = await catalog.points.find(job.pointId ?? '')
    if (!point || point.state === 'pruned') throw jobError('JOB_WITHOUT_SUBJECT', 'the recovery point is gone')
    return point
  }
  return {
    type: 'recovery',
    where: 'agent',
    gated: 'restoreDisk',
    attempts: 3,
    async task(job) {
      await pointOf(job)
      return taskOf(job)
    },
    async beginning(job) {
      if (job.sourceId) await catalog.sources.setRecovering(job.sourceId, true)
      await alerts.raise('recovery-running', { ...(await aboutOf(job)), message: 'a recovery is in progress' })
    },
    async openSession(_op: Operation, job) {
      const point = await pointOf(job)
      const paths = taskOf(job).paths?.map((path) => Buffer.from(path, 'base64'))
      return await pools.openRestore({ poolId: point.poolId, scope: job.id, pointId: point.id, paths })
    },
    async outcome(_op, job, report): Promise<JobOutcome> {
      const count = (name: string) => (typeof report[name] === 'number' ? (report[name] as number) : 0)
      const warnings = count('filesFailed') + (Array.isArray(report.warnings) ? report.warnings.length : 0)
      return {
        result: report as JsonObject,
        bytesTransferred: count('bytesWritten'),
        warnings,
        ...(job.pointId && { pointId: job.pointId }),
      }
    },
    /** Each file is nameless until it is whole: what has its name is as it was in the recovery point. */
    leaves(_job, progress) {
      const count = (name: string) => (typeof progress?.[name] === 'number' ? (progress[name] as number) : 0)
      const [files, bytes] = [count('filesDone'), count('bytesDone')]
      const left =
        files === 0
          ? 'nothing was restored'
          : `${files} files of ${bytes} bytes were restored before that and stay; each is whole, and no other was begun under its name`
      return { left, filesRestored: files, bytesRestored: bytes }
    },
    async ended(records, job) {
      if (job.sourceId && (await records.sources.find(job.sourceId))) await records.sources.setRecovering(job.sourceId, false)
    },
    async afterwards(job) {
      const about = await aboutOf(job)
      await alerts.resolve('recovery-running', job.id)
      if (job.retryOf !== undefined && job.state === 'completed') await alerts.resolve('recovery-failed', job.retryOf)
      if (job.state === 'failed') await alerts.raise('recovery-failed', { ...about, message: job.error?.message ?? 'the recovery failed' })
      else if (job.state === 'completed-with-warnings') {
        await alerts.raise('recovery-partial', { ...about, message: `the recovery left something out: ${job.warnings} items` })
      } else if (job.state === 'completed') await alerts.raise('recovery-succeeded', { ...about, message: 'the recovery succeeded' })
      const { notify } = job.parameters
      if (Array.isArray(notify)) await tell(notify.map(String), job)
      // Also one that failed or was cancelled may have written.
      if (job.startedMs !== undefined && job.parameters.isToOriginal === true && job.parameters.dryRun !== true)
        await afterRestoreToOriginal(job)
    },
  }
}

/** 59: a recovery wrote to where the source is. Marks the replica; a consistency check makes it good again. */
export async function markRestored(context: ServerContext, job: Job): Promise<void> {
  const source = await context.catalog.sources.find(job.sourceId ?? '')
  if (source?.state !== 'ok') return
  await applyEvent(context.catalog, source, 'become-inconsistent', {
    code: 'restored-to-original',
    jobId: job.id,
    message: 'a recovery wrote to the original location',
  })
}

/** What a mail about a recovery says. */
export async function recoveryLetterOf(catalog: Catalog, job: Job): Promise<JsonObject> {
  const source = await catalog.sources.find(job.sourceId ?? '')
  const agent = await catalog.agents.find(job.agentId ?? '')
  const count = (name: string) => (typeof job.result?.[name] === 'number' ? (job.result[name] as number) : 0)
  const outcomes: Readonly<Record<string, string>> = {
    completed: 'succeeded',
    'completed-with-warnings': 'left something out',
    cancelled: 'was cancelled',
  }
  return {
    outcome: outcomes[job.state] ?? 'failed',
    state: job.state,
    source: source?.name ?? '',
    agent: agent?.name ?? '',
    target: typeof job.parameters.target === 'string' ? Buffer.from(job.parameters.target, 'base64').toString('utf8') : '',
    started: job.startedMs === undefined ? '' : toTimestamp(job.startedMs),
    finished: job.finishedMs === undefined ? '' : toTimestamp(job.finishedMs),
    files: count('filesRestored'),
    bytes: count('bytesRestored'),
    problem: job.error?.message ?? (job.warnings > 0 ? `${job.warnings} items, listed in the log of the job` : ''),
    job: job.id,
  }
}
