/** What the expiration of some points would free, from their trees and the index alone: no pack is read but the directories of those to be written anew. */
import type { Operation } from '../../base/operation.ts'
import { INDEX_RECORD_BYTES } from '../index/segment.ts'
import type { RecoveryPoint } from '../manifest/manifest.ts'
import type { LiveSet } from './live-set.ts'
import { planPrune } from './plan.ts'
import { repackedBytes } from './repack.ts'
import type { Survey } from './survey.ts'

export interface OnlyBytes {
  /** Stored bytes of the chunks that these points need, and no other point or session. Exact. */
  readonly onlyBytes: number
  /** With what no point needed before. */
  readonly unreferencedBytes: number
  /** By which the packs shrink when a prune follows, if no session holds it up. */
  readonly freeableBytes: number
}

/** The survey was taken without these points. */
export async function accountOnly(op: Operation, survey: Survey, points: readonly RecoveryPoint[]): Promise<OnlyBytes> {
  const onlyBytes = storedBytes(survey, await survey.only(op, points))
  const accounting = survey.account()
  const { drop, repack } = planPrune(accounting)
  const removed = [...accounting.packs.values()]
    .filter((use) => use.isDoomed || drop.includes(use) || repack.includes(use))
    .reduce((sum, { pack }) => sum + (survey.present.get(pack) ?? 0), 0)
  const written = await repackedBytes(op, survey, accounting, repack)
  return { onlyBytes, unreferencedBytes: accounting.unreferencedBytes, freeableBytes: removed - written }
}

function storedBytes({ index }: Survey, set: LiveSet): number {
  let bytes = 0
  for (const { ordinal, count, records } of index.blocks()) {
    for (let i = 0; i < count; i++) if (set.has(ordinal + i)) bytes += records.readUIntLE(i * INDEX_RECORD_BYTES + 39, 3)
  }
  return bytes
}
