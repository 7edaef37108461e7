/** Writers of a repository have numbers: whoever holds a lower one than the highest can no longer commit (docs/format.md §13). */
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { ObjectStore, PruningStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'

/** REPOSITORY_BUSY. */
export async function takeEpoch(op: Operation, store: ObjectStore, pruning: PruningStore | undefined): Promise<number> {
  const before = await highestEpoch(op, store)
  const epoch = before + 1
  const answer = await store.put(op, epochName(epoch), Buffer.from(`${randomHex(op.random, 16)}\n`)).catch((error: unknown) => {
    if (hasCode(error, 'STORAGE_OBJECT_EXISTS')) return 'already-there' as const
    throw error
  })
  if (answer === 'already-there') throw repositoryError('REPOSITORY_BUSY', `another writer has just begun in ${store.description}`)
  if (pruning) {
    await pruning.beginEpoch(op, epoch)
    if (before > 0) await pruning.remove(op, epochName(before))
  }
  return epoch
}

/** REPOSITORY_WRITER_SUPERSEDED. */
export async function checkEpoch(op: Operation, store: ObjectStore, epoch: number): Promise<void> {
  const highest = await highestEpoch(op, store)
  if (highest === epoch) return
  throw repositoryError('REPOSITORY_WRITER_SUPERSEDED', `this session has epoch ${epoch}, the repository is at ${highest}`)
}

async function highestEpoch(op: Operation, store: ObjectStore): Promise<number> {
  let highest = 0
  for await (const { name } of store.list(op, 'epoch/')) highest = Math.max(highest, Number(name.slice('epoch/'.length)) || 0)
  return highest
}

function epochName(epoch: number): string {
  return `epoch/${String(epoch).padStart(12, '0')}`
}
