/** Online recovery points (§3.7): the newest point on disk goes to the vault too. What stands in the way is told by its code; one that is there already is passed over. */
import type { Operation } from '../../base/operation.ts'
import type { DataSource, Job, RecoveryPoint } from '../../catalog/index.ts'
import { protectionError, refusalError, refuse, refuseOnlineJob } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { memoryOf, remember } from '../groups/source-memory.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { GateKeeper } from './gate-keeper.ts'

/** The next of its schedule does what this did not. */
const ATTEMPTS = 6

export interface OnlineJobParts {
  readonly context: ServerContext
  readonly gate: GateKeeper
  readonly alerts: AlertDesk
}

export function onlineKind({ context, gate, alerts }: OnlineJobParts): ServerJobKind {
  const { catalog } = context
  return {
    type: 'online-point',
    where: 'server',
    gated: 'backupCloud',
    attempts: ATTEMPTS,
    run: (op, job) => copyNewest(op, job, { context, gate, alerts }),
    async afterwards(job) {
      const source = await catalog.sources.find(job.sourceId ?? '')
      if (!source) return
      const about = { id: source.id, name: source.name, jobId: job.id, groupId: job.groupId }
      if (job.state === 'completed' || job.state === 'completed-with-warnings') {
        await alerts.resolve('online-point-failed', source.id)
        await alerts.resolve('online-creation-failed', source.id)
        if (job.result?.skipped === true)
          await alerts.raise('online-point-already-there', {
            ...about,
            message: 'the newest recovery point on disk is in the vault already',
          })
        else await alerts.resolve('online-point-already-there', source.id)
      } else if (job.state === 'failed') {
        const kind = memoryOf(source).online === undefined ? 'online-creation-failed' : 'online-point-failed'
        const details = { code: job.error?.code ?? '', hint: job.error?.hint ?? '' }
        await alerts.raise(kind, { ...about, message: job.error?.message ?? 'the copy to the vault failed', details })
      }
    },
  }
}

async function copyNewest(op: Operation, job: Job, { context, gate }: OnlineJobParts): Promise<JobOutcome> {
  const { catalog } = context
  const source = await sourceOf(job, context)
  const newest = newestGood(await catalog.points.validOf(source.id))
  const { online } = memoryOf(source)
  const refused = refuseOnlineJob({ state: source.state, newestDiskPointId: newest?.id, newestOnlineSourceId: online?.pointId })
  if (refused?.isSkip) return { result: { skipped: true, code: refused.refusal.code, domainCode: refused.refusal.domainCode ?? 0 } }
  if (refused) throw refusalError(refused.refusal)
  if (!newest) throw refusalError(refuse('REPLICA_NOT_CREATED', 'there is no recovery point on disk yet'))
  const { link } = gate
  if (!link) throw protectionError('CLOUD_UNREACHABLE', 'the client of the vault does not run', { context: { domain_code: 100_050 } })
  const report = await link.copy(op, { poolId: newest.poolId, sourceId: source.id, pointId: newest.id })
  const copied = { pointId: newest.id, dataMs: Math.min(newest.startedMs, newest.finishedMs), copiedMs: op.clock.nowMs() }
  await remember(catalog, source.id, { online: { ...copied, points: (online?.points ?? 0) + 1 } })
  return { pointId: newest.id, bytesTransferred: report.bytesSent, warnings: report.warnings, result: { copied: newest.id } }
}

async function sourceOf(job: Job, { catalog }: ServerContext): Promise<DataSource> {
  const source = await catalog.sources.find(job.sourceId ?? '')
  if (source?.groupId === undefined) throw refusalError(refuse('REPLICA_NOT_THERE', 'the data source is protected no longer'))
  return source
}

function newestGood(points: readonly RecoveryPoint[]): RecoveryPoint | undefined {
  return points.findLast(({ verifiedResult }) => verifiedResult !== 'damaged')
}
