/** Recovery points on disk (§10.8) and in the vault (§10.9). */
import { type Refusal, refuse } from '../refusal.ts'
import type { Machine } from './machine.ts'

export type DiskPointState = 'creating' | 'valid' | 'expired' | 'pruned' | 'failed'
export type DiskPointEvent = 'commit' | 'fail' | 'expire' | 'undelete' | 'prune'

/** An expired point comes back as long as nothing of it was pruned. */
export const diskPointMachine: Machine<DiskPointState, DiskPointEvent> = {
  name: 'a recovery point on disk',
  initial: 'creating',
  table: {
    creating: { commit: 'valid', fail: 'failed' },
    valid: { expire: 'expired' },
    expired: { undelete: 'valid', prune: 'pruned' },
    pruned: {},
    failed: {},
  },
}

export type OnlinePointState = 'pending' | 'transferring' | 'committed' | 'expired' | 'pruned' | 'soft-deleted' | 'purged' | 'failed'
export type OnlinePointEvent = 'start' | 'interrupt' | 'commit' | 'fail' | 'expire' | 'prune' | 'delete' | 'undelete' | 'purge'

/** `interrupt`: what has arrived stays, and the next attempt goes on from there. */
export const onlinePointMachine: Machine<OnlinePointState, OnlinePointEvent> = {
  name: 'a recovery point in the vault',
  initial: 'pending',
  table: {
    pending: { start: 'transferring', fail: 'failed' },
    transferring: { commit: 'committed', interrupt: 'pending', fail: 'failed' },
    committed: { expire: 'expired', delete: 'soft-deleted' },
    expired: { prune: 'pruned' },
    pruned: {},
    'soft-deleted': { undelete: 'committed', purge: 'purged' },
    purged: {},
    failed: {},
  },
}

export const SOFT_DELETE_DAYS = { shortest: 14, longest: 180 } as const

/** Deleting one point by hand (33405): retention alone decides, and a held one not even then. */
export function refuseSingleDelete(point: { readonly isPinned: boolean; readonly hasLegalHold: boolean }): Refusal {
  if (point.isPinned || point.hasLegalHold)
    return refuse('POINT_HELD', `the recovery point is ${point.hasLegalHold ? 'on legal hold' : 'pinned'}`)
  return refuse('POINT_SINGLE_DELETE', 'single recovery points are not deleted by hand')
}
