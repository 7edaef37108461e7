/** What a prune does with each pack. Pure: accounts in, plan out. */

import { TAG_BYTES } from '../format/aead.ts'
import {
  DIRECTORY_RECORD_BYTES,
  MOST_ENTRIES,
  PACK_CLASS,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  type PackClass,
} from '../pack/pack-format.ts'
import type { Accounting, PackUse } from './accounting.ts'
import { pruneError } from './errors.ts'

/** A pack of which more is needless is written anew. */
const MOST_NEEDLESS = 0.3
/** More garbage than this that nothing explains is taken for a mistake. */
const MOST_UNEXPLAINED = 0.4
/** In one run; the next one goes on. */
export const MOST_PACKS_A_RUN = 65_536

export interface PrunePlan {
  /** Nothing in them is needed. */
  readonly drop: readonly PackUse[]
  /** What is needed of them is copied first. */
  readonly repack: readonly PackUse[]
}

export function planPrune({ packs }: Accounting): PrunePlan {
  const drop: PackUse[] = []
  const repack: PackUse[] = []
  for (const use of [...packs.values()].sort((a, b) => (a.pack < b.pack ? -1 : 1))) {
    if (use.isDoomed || use.isFresh || drop.length + repack.length >= MOST_PACKS_A_RUN) continue
    if (use.keptBytes === 0) drop.push(use)
    else if (use.isWhole && use.totalBytes - use.keptBytes > MOST_NEEDLESS * use.totalBytes) repack.push(use)
  }
  return { drop, repack }
}

type Explained = Pick<Accounting, 'unexplainedBytes' | 'totalBytes'>

export function isPlausible({ unexplainedBytes, totalBytes }: Explained, leftBytes: number): boolean {
  return unexplainedBytes - leftBytes <= MOST_UNEXPLAINED * totalBytes
}

/** PRUNE_IMPLAUSIBLE. `leftBytes`: what was left over and explained when last it was looked at. */
export function checkPlausible({ unexplainedBytes, totalBytes }: Explained, leftBytes: number): void {
  if (isPlausible({ unexplainedBytes, totalBytes }, leftBytes)) return
  const unexplained = unexplainedBytes - leftBytes
  const share = Math.round((100 * unexplained) / totalBytes)
  throw pruneError('PRUNE_IMPLAUSIBLE', `${share} % of the pool is needed by no recovery point, and no expired one explains it`, {
    context: { unexplained_bytes: unexplained, total_bytes: totalBytes },
  })
}

/** The sizes of the packs that a writer fills with chunks of these stored sizes, in this order. */
export function packSizes(stored: Iterable<number>, packBytes: number): number[] {
  const sizes: number[] = []
  const sizeOf = (bytes: number, count: number) =>
    PACK_HEADER_BYTES + bytes + 4 + count * DIRECTORY_RECORD_BYTES + TAG_BYTES + PACK_FOOTER_BYTES
  let bytes = 0
  let count = 0
  for (const length of stored) {
    if (count > 0 && (count >= MOST_ENTRIES || sizeOf(bytes + length, count + 1) > packBytes)) {
      sizes.push(sizeOf(bytes, count))
      bytes = 0
      count = 0
    }
    bytes += length
    count++
  }
  if (count > 0) sizes.push(sizeOf(bytes, count))
  return sizes
}

export function classOf({ hasPages }: PackUse): PackClass {
  return hasPages ? PACK_CLASS.tree : PACK_CLASS.data
}
