/** Recovery points on demand (§3.11), and whether an online job has anything to do (§3.7). */
import { WORKLOADS, type Workload } from './group/shape.ts'
import { type Refusal, refuse } from './refusal.ts'
import { type ReplicaFlags, type ReplicaState, refuseReplicaUse } from './states/replica-state.ts'

export const ON_DEMAND = {
  'synchronise-and-point': { goals: ['files'], title: 'Create a recovery point after synchronising' },
  'point-only': { goals: ['files'], title: 'Create a recovery point without synchronising' },
  'synchronise-only': { goals: ['files'], title: 'Only synchronise' },
  'express-full': { goals: ['increments', 'express-full'], title: 'Create a recovery point by express full backup' },
  incremental: { goals: ['increments'], title: 'Create a recovery point by incremental backup' },
  online: { goals: ['files', 'increments', 'express-full'], title: 'Copy the newest recovery point on disk to the vault' },
} as const
export type OnDemandKind = keyof typeof ON_DEMAND

export function onDemandKinds(workload: Workload, isOnline: boolean): OnDemandKind[] {
  const goal: string = WORKLOADS[workload].goal
  return (Object.keys(ON_DEMAND) as OnDemandKind[]).filter(
    (kind) => ON_DEMAND[kind].goals.some((each) => each === goal) && (kind !== 'online' || isOnline),
  )
}

/** 141: the replica has to be OK and idle. Undefined: it may. */
export function refuseOnDemand(state: ReplicaState, flags: ReplicaFlags, kind: OnDemandKind): Refusal | undefined {
  if (kind === 'online') return refuseReplicaUse(state, 'online-point', flags) ?? refuseReplicaUse(state, 'on-demand-point', flags)
  if (state === 'ok' || state === 'unprotected' || state === 'inactive' || state === 'stopping' || state === 'deleting') {
    return refuseReplicaUse(state, 'on-demand-point', flags)
  }
  return refuse('REPLICA_NOT_IDLE', `the replica is ${state}`)
}

export interface OnlineJobFacts {
  readonly state: ReplicaState
  readonly newestDiskPointId: string | undefined
  /** What the newest point in the vault was copied of. */
  readonly newestOnlineSourceId: string | undefined
}

/** 31265, 31205, 33344. A skip is no failure: `isSkip` says so. */
export function refuseOnlineJob(facts: OnlineJobFacts): { readonly refusal: Refusal; readonly isSkip: boolean } | undefined {
  const refusal = refuseReplicaUse(facts.state, 'online-point')
  if (refusal !== undefined) return { refusal, isSkip: false }
  if (facts.newestDiskPointId === undefined) {
    return { refusal: refuse('REPLICA_NOT_CREATED', 'there is no recovery point on disk yet'), isSkip: false }
  }
  if (facts.newestDiskPointId !== facts.newestOnlineSourceId) return undefined
  return { refusal: refuse('POINT_ALREADY_ONLINE', 'the newest recovery point on disk is in the vault'), isSkip: true }
}
