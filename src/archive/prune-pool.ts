/** Expire and prune of a pool: the repository's part, and the walk through trees that it needs. */
import type { Operation } from '../base/operation.ts'
import { type ExpireOptions, type ExpireReport, expire, type PruneOptions, type PruneReport, prune } from '../repository/index.ts'
import { walkTree } from './reachability.ts'

export function expirePoints(op: Operation, options: Omit<ExpireOptions, 'walk'>): Promise<ExpireReport> {
  return expire(op, { ...options, walk: walkTree })
}

export function prunePool(op: Operation, options: Omit<PruneOptions, 'walk'>): Promise<PruneReport> {
  return prune(op, { ...options, walk: walkTree })
}
