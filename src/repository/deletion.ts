/** Giving up recovery points and freeing space, loaded when they are first asked for: few commands ever do. */
import type { Operation } from '../base/operation.ts'
import type { ExpireOptions, ExpireReport } from './prune/expire.ts'
import type { PruneOptions, PruneReport } from './prune/prune.ts'

/** As in prune/expire.ts. */
export async function expire(op: Operation, options: ExpireOptions): Promise<ExpireReport> {
  return (await import('./prune/expire.ts')).expire(op, options)
}

/** As in prune/prune.ts. */
export async function prune(op: Operation, options: PruneOptions): Promise<PruneReport> {
  return (await import('./prune/prune.ts')).prune(op, options)
}
