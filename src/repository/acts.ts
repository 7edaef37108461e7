/** The larger acts of this room, loaded when they are first asked for: a command that only reads needs none of them, and loading is most of its time. */
import type { Operation } from '../base/operation.ts'
import type { PruningStore } from '../storage/index.ts'
import type { PoolWriter } from './pool-writer/pool-writer.ts'
import type { ExpireOptions, ExpireReport } from './prune/expire.ts'
import type { PruneOptions, PruneReport } from './prune/prune.ts'
import type { Repository } from './repository.ts'
import type { VerifiedObjects, VerifyOptions } from './verify-objects.ts'
import type { WriterLock, WriteSession } from './write-session.ts'

/** As in prune/expire.ts. */
export async function expire(op: Operation, options: ExpireOptions): Promise<ExpireReport> {
  return (await import('./prune/expire.ts')).expire(op, options)
}

/** As in prune/prune.ts. */
export async function prune(op: Operation, options: PruneOptions): Promise<PruneReport> {
  return (await import('./prune/prune.ts')).prune(op, options)
}

/** As in verify-objects.ts. */
export async function verifyObjects(op: Operation, repository: Repository, options: VerifyOptions): Promise<VerifiedObjects> {
  return (await import('./verify-objects.ts')).verifyObjects(op, repository, options)
}

/** For a single session. As in pool-writer/pool-writer.ts. */
export async function openWriteSession(
  op: Operation,
  repository: Repository,
  lock: WriterLock,
  pruning?: PruningStore,
): Promise<WriteSession> {
  return (await import('./pool-writer/pool-writer.ts')).PoolWriter.openOne(op, repository, lock, pruning)
}

/** For many sessions. As in pool-writer/pool-writer.ts. */
export async function openPoolWriter(op: Operation, repository: Repository, lock: WriterLock, store: PruningStore): Promise<PoolWriter> {
  return (await import('./pool-writer/pool-writer.ts')).PoolWriter.open(op, repository, lock, store)
}
