/** A data source's protection (§10.7) and what may be done with it in each state. Names people see are those of §5.3. */
import { type Refusal, refuse } from '../refusal.ts'
import type { Machine } from './machine.ts'

export const REPLICA_STATES = [
  'unprotected',
  'scheduled',
  'manual-pending',
  'creating',
  'ok',
  'inconsistent',
  'verifying',
  'missing',
  'inactive',
  'stopping',
  'deleting',
  'invalid',
] as const
export type ReplicaState = (typeof REPLICA_STATES)[number]

export type ReplicaEvent =
  | 'schedule'
  | 'await-manual'
  | 'create'
  | 'data-copied'
  | 'succeed'
  | 'fail'
  | 'become-inconsistent'
  | 'start-check'
  | 'lose-volume'
  | 'volume-back'
  | 'reallocate'
  | 'stop'
  | 'retain'
  | 'delete'
  | 'deleted'
  | 'protect-again'
  | 'remove'
  | 'invalidate'

const stoppable = { stop: 'stopping' } as const

export const replicaMachine: Machine<ReplicaState, ReplicaEvent> = {
  name: 'a replica',
  initial: 'unprotected',
  table: {
    unprotected: { schedule: 'scheduled', 'await-manual': 'manual-pending', create: 'creating' },
    scheduled: { create: 'creating', ...stoppable },
    'manual-pending': { 'data-copied': 'verifying', ...stoppable },
    creating: { succeed: 'ok', fail: 'inconsistent', 'lose-volume': 'missing', ...stoppable },
    ok: {
      'become-inconsistent': 'inconsistent',
      'start-check': 'verifying',
      'lose-volume': 'missing',
      invalidate: 'invalid',
      ...stoppable,
    },
    inconsistent: { 'start-check': 'verifying', 'lose-volume': 'missing', invalidate: 'invalid', ...stoppable },
    verifying: { succeed: 'ok', fail: 'inconsistent', 'lose-volume': 'missing', ...stoppable },
    // Back or made anew, a check has to prove it.
    missing: { 'volume-back': 'inconsistent', reallocate: 'inconsistent', ...stoppable },
    inactive: { 'protect-again': 'verifying', remove: 'deleting', 'lose-volume': 'missing' },
    stopping: { retain: 'inactive', delete: 'deleting' },
    deleting: { deleted: 'unprotected' },
    invalid: { reallocate: 'inconsistent', ...stoppable },
  },
}

export interface ReplicaFlags {
  readonly isRecovering: boolean
  readonly isBusy: boolean
}

/** What a console shows (§5.3). */
export function replicaStatus(state: ReplicaState, flags: Partial<ReplicaFlags> = {}): string {
  return flags.isRecovering === true ? 'Recovery in progress' : STATUS[state]
}

const STATUS: Readonly<Record<ReplicaState, string>> = {
  unprotected: 'Unprotected',
  scheduled: 'Replica creation scheduled',
  'manual-pending': 'Manual replica creation pending',
  creating: 'Replica creation in progress',
  ok: 'OK',
  inconsistent: 'Inconsistent',
  verifying: 'Inconsistent – verification in progress',
  missing: 'Missing',
  inactive: 'Inactive',
  stopping: 'Stop-protection in progress',
  deleting: 'Deletion in progress',
  invalid: 'Invalid',
}

export type ReplicaUse = 'synchronise' | 'recovery-point' | 'on-demand-point' | 'online-point' | 'consistency-check' | 'restore'

/** Only an OK replica makes points; what exists is restored from OK, inconsistent and inactive ones. Undefined: it may. */
export function refuseReplicaUse(state: ReplicaState, use: ReplicaUse, flags: Partial<ReplicaFlags> = {}): Refusal | undefined {
  if (use === 'restore') {
    if (state === 'ok' || state === 'inconsistent' || state === 'inactive' || state === 'verifying') return undefined
    return refuse('REPLICA_NOT_THERE', `nothing can be restored of a replica that is ${state}`)
  }
  if (state === 'unprotected' || state === 'inactive' || state === 'stopping' || state === 'deleting') {
    return refuse('REPLICA_NOT_THERE', `the data source is not protected: its replica is ${state}`)
  }
  if (use === 'consistency-check') {
    if (state === 'ok' || state === 'inconsistent') return undefined
    return refuse('REPLICA_NOT_IDLE', `a replica that is ${state} can not be checked`)
  }
  if (state === 'scheduled' || state === 'manual-pending' || state === 'creating') {
    if (use === 'on-demand-point') return refuse('REPLICA_NOT_IDLE', `the replica is ${state}`)
    return refuse('REPLICA_NOT_CREATED', `the replica is ${state}`)
  }
  if (state !== 'ok') {
    // The online job has a number of its own for it.
    return refuse('REPLICA_INCONSISTENT', `the replica is ${state}`, use === 'online-point' ? {} : { domainCode: 109 })
  }
  if (use === 'on-demand-point' && (flags.isBusy === true || flags.isRecovering === true)) {
    return refuse('REPLICA_NOT_IDLE', 'another operation runs on the replica')
  }
  return undefined
}

/** Why a replica is no longer what its source is (§3.6). Each is told to people, with what it means. */
export const INCONSISTENCY_CAUSES = {
  'change-tracking-lost': 'the agent lost track of what changed',
  'unexpected-shutdown': 'the machine was restarted without being shut down',
  failover: 'the volume was dismounted or moved to another node',
  'agent-upgraded': 'the agent was upgraded',
  'members-changed': 'what is protected was changed',
  'restored-to-original': 'a recovery wrote to the original location',
  'replica-damaged': 'something other than this program changed the replica',
  'disk-error': 'a disk of the pool failed to read or write',
  'job-failed': 'a job was cut off while it wrote',
  'creation-failed': 'the first copy did not finish',
} as const
export type InconsistencyCause = keyof typeof INCONSISTENCY_CAUSES
