/**
 * A recovery point of what the replica is already, without asking its source (§3.11). Each synchronisation ended in a point, which retention drops as soon as there is a later
 * one (docs/adr/0016): the newest of them becomes one that stays. Where there is none since the last recovery point, nothing has changed (208).
 */
import type { Job } from '../../catalog/index.ts'
import { refusalError, refuse, refuseReplicaUse } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import { ON_DEMAND_POINT, POINT_KINDS } from '../jobs/backup-jobs.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'

export function pointOfReplicaKind({ catalog }: ServerContext): ServerJobKind {
  return {
    type: 'point-of-replica',
    where: 'server',
    gated: 'backupDisk',
    attempts: 1,
    async run(_op, job: Job): Promise<JobOutcome> {
      const source = await catalog.sources.find(job.sourceId ?? '')
      const refusal = source ? refuseReplicaUse(source.state, 'recovery-point') : refuse('REPLICA_NOT_THERE', 'the data source is gone')
      if (!source || refusal) throw refusalError(refusal ?? refuse('REPLICA_NOT_THERE', 'the data source is gone'))
      const newest = (await catalog.points.validOf(source.id)).findLast(({ verifiedResult }) => verifiedResult !== 'damaged')
      if (newest?.kind !== POINT_KINDS.synchronisation)
        throw refusalError(refuse('POINT_NOTHING_CHANGED', 'nothing was synchronised since the last recovery point: none was created'))
      // The same facts under another kind.
      await catalog.points.record({ ...newest, kind: ON_DEMAND_POINT })
      return { pointId: newest.id, result: { kept: newest.id } }
    },
  }
}
