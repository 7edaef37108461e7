/** Recovery from disk to an agent (§4.1, §4.2). The job's parameters say where to and what; this machine's share is to show the agent that, and nothing else. */
import type { Operation } from '../../base/operation.ts'
import type { Job, JsonObject } from '../../catalog/index.ts'
import { type RestoreTask, restoreTaskShape } from '../../wire/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { applyEvent } from '../groups/source-state.ts'
import { jobError } from './errors.ts'
import type { AgentJobKind, JobOutcome } from './kind.ts'
import type { PoolWork } from './pool-work.ts'

/** `parameters` of a job of type `recovery`: a task without its job. `isToOriginal`: the replica is checked afterwards (§3.6). */
export type RecoveryParameters = Omit<RestoreTask, 'kind' | 'jobId'> & { readonly isToOriginal?: boolean | undefined }

export interface RestoreJobParts {
  readonly context: ServerContext
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  /** The original was written to: the replica is no longer what its source is. */
  readonly afterRestoreToOriginal: (job: Job) => Promise<void>
}

export function restoreKind({ context, pools, alerts, afterRestoreToOriginal }: RestoreJobParts): AgentJobKind {
  const { catalog } = context
  const taskOf = (job: Job): RestoreTask => restoreTaskShape.parse({ ...job.parameters, kind: 'restore', jobId: job.id })
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
      await alerts.raise('recovery-running', {
        id: job.id,
        name: job.id,
        message: 'a recovery is in progress',
        jobId: job.id,
        groupId: job.groupId,
      })
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
    async ended(records, job) {
      if (job.sourceId && (await records.sources.find(job.sourceId))) await records.sources.setRecovering(job.sourceId, false)
    },
    async afterwards(job) {
      const about = { id: job.id, name: job.id, jobId: job.id, groupId: job.groupId }
      await alerts.resolve('recovery-running', job.id)
      if (job.retryOf !== undefined && job.state === 'completed') await alerts.resolve('recovery-failed', job.retryOf)
      if (job.state === 'failed') await alerts.raise('recovery-failed', { ...about, message: job.error?.message ?? 'the recovery failed' })
      else if (job.state === 'completed-with-warnings') {
        await alerts.raise('recovery-partial', { ...about, message: `the recovery left something out: ${job.warnings} items` })
      } else if (job.state === 'completed') await alerts.raise('recovery-succeeded', { ...about, message: 'the recovery succeeded' })
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
