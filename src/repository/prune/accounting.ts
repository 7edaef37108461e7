/**
 * What each pack holds, and what of it is needed. Of a chunk that stands in several packs one copy is kept: that in the pack which is needed most, so that
 * what an interrupted prune wrote is found and its sources go. A copy that is known to be damaged is never that one; where all are, all are kept.
 * Nothing is read but the index.
 */
import { type DamageList, isListed } from '../damaged-chunks.ts'
import { INDEX_RECORD_BYTES } from '../index/segment.ts'
import { CHUNK_TYPE } from '../keys/hierarchy.ts'
import type { LiveSet } from './live-set.ts'
import type { SurveyIndex } from './survey-index.ts'

export interface PackUse {
  readonly pack: string
  /** As listed. */
  readonly sizeBytes: number
  /** It is there, in the size that the index says. */
  readonly isWhole: boolean
  /** It has a tombstone. */
  readonly isDoomed: boolean
  /** A session that has not ended filled it: nobody else knows what of it is needed. */
  readonly isFresh: boolean
  readonly hasPages: boolean
  /** Stored bytes of all chunks; of those that points need; of those that this pack is to keep. */
  readonly totalBytes: number
  readonly liveBytes: number
  readonly keptBytes: number
}

export interface Accounting {
  readonly packs: ReadonlyMap<string, PackUse>
  /** Stored bytes of what no point needs, surplus copies included. */
  readonly unreferencedBytes: number
  /** Of these, what neither an expired point, nor a copy, nor a tombstone explains. */
  readonly unexplainedBytes: number
  readonly totalBytes: number
  /** For chunks that stand in several packs, the one that keeps it. */
  readonly keepers: ReadonlyMap<string, string>
  /** Those of them that can be read in no pack: each pack keeps its own. In hexadecimal. */
  readonly lost: readonly string[]
}

export interface AccountingInput {
  readonly index: SurveyIndex
  readonly live: LiveSet
  readonly explained: LiveSet
  readonly listed: ReadonlyMap<string, number>
  readonly present: ReadonlyMap<string, number>
  readonly tombstoned: ReadonlySet<string>
  readonly fresh: ReadonlySet<string>
  readonly damage: DamageList
}

/** `part`: the first segment that lists it; what a merge that was cut off left lists it again. */
type Use = { -readonly [K in keyof PackUse]: PackUse[K] } & { part: number }

export function accountFor(input: AccountingInput): Accounting {
  const { index, live, explained, damage } = input
  const packs = new Map<string, Use>()
  for (const [pack, sizeBytes] of input.listed) {
    packs.set(pack, {
      pack,
      sizeBytes,
      isWhole: input.present.get(pack) === sizeBytes && damage.get(pack) !== 'all',
      isDoomed: input.tombstoned.has(pack),
      isFresh: input.fresh.has(pack),
      hasPages: false,
      totalBytes: 0,
      liveBytes: 0,
      keptBytes: 0,
      part: -1,
    })
  }
  const copies: { readonly id: string; readonly use: Use; readonly storedBytes: number }[] = []
  let unexplainedBytes = 0
  const { starts } = index
  let part = 0
  // In the order of the index's own numbers, by which records name them.
  const uses = [...packs.values()]
  for (const { ordinal, count, records, packNumber } of index.blocks()) {
    while (ordinal >= (starts[part + 1] ?? Number.POSITIVE_INFINITY)) part++
    for (let i = 0; i < count; i++) {
      const at = i * INDEX_RECORD_BYTES
      const use = uses[packNumber(records.readUIntLE(at + 32, 3)) as number]
      if (!use) continue
      if (use.part < 0) use.part = part
      if (use.part !== part) continue
      const storedBytes = records.readUIntLE(at + 39, 3)
      use.totalBytes += storedBytes
      if (((records[at + 45] as number) & 15) !== CHUNK_TYPE.data) use.hasPages = true
      if (!live.has(ordinal + i)) {
        if (!explained.has(ordinal + i) && !use.isDoomed && !use.isFresh) unexplainedBytes += storedBytes
        continue
      }
      use.liveBytes += storedBytes
      if (live.isCopied(ordinal + i)) copies.push({ id: records.toString('latin1', at, at + 32), use, storedBytes })
      else use.keptBytes += storedBytes
    }
  }
  const keepers = chooseKeepers(copies, damage)
  let unreferencedBytes = 0
  let totalBytes = 0
  const lost = new Set<string>()
  for (const { id, use, storedBytes } of copies) {
    const keeper = keepers.get(id)
    if (keeper === undefined) lost.add(Buffer.from(id, 'latin1').toString('hex'))
    if (keeper === undefined || keeper === use.pack) use.keptBytes += storedBytes
  }
  for (const use of packs.values()) {
    totalBytes += use.totalBytes
    if (!use.isFresh) unreferencedBytes += use.totalBytes - use.keptBytes
  }
  return { packs, unreferencedBytes, unexplainedBytes, totalBytes, keepers, lost: [...lost] }
}

/** The copies of one chunk may lie in one pack (two segments that list it): it is kept once. */
function chooseKeepers(copies: readonly { readonly id: string; readonly use: Use }[], damage: DamageList): Map<string, string> {
  const best = new Map<string, { readonly use: Use; readonly rank: number }>()
  for (const { id, use } of copies) {
    if (!use.isWhole || isListed(damage, use.pack, Buffer.from(id, 'latin1'))) continue
    // What has a tombstone is kept only where there is nothing better; what a session just stored may go with it.
    const rank = (use.isDoomed ? 0 : 1) + (use.isFresh ? 0 : use.liveBytes / Math.max(1, use.totalBytes) / 2)
    const other = best.get(id)
    if (!other || rank > other.rank || (rank === other.rank && use.pack < other.use.pack)) best.set(id, { use, rank })
  }
  return new Map([...best].map(([id, { use }]) => [id, use.pack]))
}
