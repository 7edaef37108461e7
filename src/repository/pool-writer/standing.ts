/** How a session is known to a prune, and that it still is: docs/adr/0010-prune.md. */
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { Announcement, PruningStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import type { SealedPack } from '../pack/pack-format.ts'
import { type Deletion, tombstonedPacks } from '../prune/deletion-record.ts'

/** A session that others know of. */
export interface Announced {
  readonly announcement: Announcement
  /** What was about to be deleted when it began: read after it was announced. */
  readonly seen: Deletion
}

/** Under the gate. First announced, then read: of a tombstone that comes between the two, the prune waits for this session. */
export async function announce(
  op: Operation,
  { sessions }: PruningStore,
  epoch: number,
  read: () => Promise<Deletion>,
): Promise<Announced> {
  const announcement = await sessions.announce(op, `${epoch}-${randomHex(op.random, 8)}`)
  try {
    return { announcement, seen: await read() }
  } catch (error) {
    await announcement.release()
    throw error
  }
}

/** What a prune need not look at while the session lives. */
export function tellPack({ sha256 }: SealedPack): string {
  return `pack ${sha256}`
}

/** Under the gate. REPOSITORY_WRITER_SUPERSEDED when others took the session for ended, or a tombstone that it has not seen does not wait for it. */
export async function checkStanding(op: Operation, { announcement, seen }: Announced, now: Deletion): Promise<void> {
  const before = tombstonedPacks(seen)
  const isForgotten = now.tombstones.some(
    ({ packs, waits_for }) => !waits_for.includes(announcement.name) && packs.some((pack) => !before.has(pack)),
  )
  if (!isForgotten && (await announcement.isStanding(op))) return
  throw repositoryError(
    'REPOSITORY_WRITER_SUPERSEDED',
    `session ${announcement.name} was taken for ended, and packs may be gone that it relies on`,
  )
}
