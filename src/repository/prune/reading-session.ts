/** A session that writes no recovery point here but reads one for long, such as an upload: what it reads stays, also if it is expired meanwhile. */
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { PruningStore } from '../../storage/index.ts'
import type { Repository } from '../repository.ts'

/** `work` looks for its points itself: one that it found before this may be gone. */
export async function asSession<T>(
  op: Operation,
  { format }: Repository,
  store: PruningStore,
  kind: string,
  work: () => Promise<T>,
): Promise<T> {
  if (format.version < 2) return work()
  const { sessions } = store
  const announced = await sessions.gate(op, () => sessions.announce(op, `${kind}-${randomHex(op.random, 8)}`))
  try {
    return await work()
  } finally {
    await announced.release()
  }
}
