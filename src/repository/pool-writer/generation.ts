/**
 * What the sessions of a writer build on: the index as it was opened last, without packs that were about to be deleted then, and what sessions listed since.
 * Each session stays with the generation with which it began: to it, packs that get a tombstone later are there, because the prune waits for it.
 *
 * A new one is opened when the record of deletion changed in a way that may concern it, when damage was noted, when much was listed, and once in a while,
 * so that packs which vanished are noticed. What the one before has read of segments that are still there goes over into it.
 */
import type { Operation } from '../../base/operation.ts'
import { readDamageList } from '../damage-list.ts'
import { ChunkIndex } from '../index/chunk-index.ts'
import { type CommonChunks, commonChunks, KnownChunks } from '../index/known-chunks.ts'
import { completion, openSegments, segmentNames, wholeIndex } from '../index/open-index.ts'
import type { PackTable } from '../index/pack-table.ts'
import type { SealedPack } from '../pack/pack-format.ts'
import { type Deletion, tombstonedPacks } from '../prune/deletion-record.ts'
import type { Repository } from '../repository.ts'

/** Chunks that are listed before the index is opened anew: some 12 MB, and 8 MB of shared memory. */
const ROOM_FOR_LISTED = 262_144
/** Chunks of one session that are expected at first; the table grows. */
const ROOM_FOR_NEW = 65_536

/** Packs that are durable, and the segment that lists them, which is too. */
export interface ListedPacks {
  readonly segment: string
  readonly packs: readonly SealedPack[]
}

export class Generation {
  readonly index: ChunkIndex
  readonly openedMs: number
  /** The record that is known to change nothing for it. */
  seen: Deletion
  /** No session should begin with it. */
  isStale = false
  /** Segments of which not even the head could be read. */
  readonly unreadable: readonly string[]
  /** That are at work with it. */
  sessions = 0
  readonly #repository: Repository
  readonly #common: CommonChunks
  readonly #doomed: ReadonlySet<string>
  readonly #segments: Set<string>
  readonly #listed = new Set<string>()
  /** From packs that no segment listed when it was opened, and whose segment is none of those. */
  readonly #hasOthers: boolean
  #mayLack: boolean
  #areAllUsable: boolean | undefined

  constructor(
    op: Operation,
    repository: Repository,
    parts: { readonly index: ChunkIndex; readonly mayLack: boolean; readonly seen: Deletion; readonly unreadable?: readonly string[] },
  ) {
    const { index, mayLack, seen, unreadable = [] } = parts
    this.#repository = repository
    this.index = index
    this.openedMs = op.clock.monotonicMs()
    this.seen = seen
    this.unreadable = unreadable
    this.#mayLack = mayLack
    this.#doomed = tombstonedPacks(seen)
    this.#segments = new Set(index.parts.map(({ file }) => file.name))
    this.#hasOthers = index.addedIds().next().done !== true
    this.#common = commonChunks(index, ROOM_FOR_LISTED)
  }

  /** The caller has read `seen` after every session that will begin with this was announced. */
  static async open(op: Operation, repository: Repository, seen: Deletion, earlier: Generation): Promise<Generation> {
    const { store, keys } = repository
    const damage = await readDamageList(op, repository)
    const doomed = tombstonedPacks(seen)
    // Whether a pack is there is looked at when it matters; that no segment names one that a prune deleted, that prune saw to.
    const packs = (listed: PackTable) => {
      const isThere = new Uint8Array(listed.size).fill(1)
      for (const pack of doomed) {
        const number = listed.numberOf(pack)
        if (number !== undefined) isThere[number] = 0
      }
      return listed.checked(store.immediate, isThere, damage)
    }
    const opened = await openSegments(
      op,
      store,
      keys,
      earlier.index.parts.map(({ file }) => file),
    )
    const complete = store.immediate && completion(op, store.immediate, keys, { unlisted: false })
    const { index, damaged } = complete
      ? { index: new ChunkIndex(opened.files, { packs, complete, earlier: earlier.index }), damaged: opened.damaged }
      : wholeIndex(opened, { packs })
    return new Generation(op, repository, { index, mayLack: damaged.length > 0 || damage.size > 0, seen, unreadable: damaged })
  }

  /**
   * Whether the packs that it relies on are those that a generation opened now would: the same ones are about to be deleted, and no segment went, as it
   * would have if one had been deleted since. `now` was read before.
   */
  async stillHolds(op: Operation, now: Deletion): Promise<boolean> {
    const doomed = tombstonedPacks(now)
    if (this.#hasOthers || doomed.size !== this.#doomed.size || [...doomed].some((pack) => !this.#doomed.has(pack))) return false
    const names = new Set(await segmentNames(op, this.#repository.store))
    return [...this.#segments].every((name) => names.has(name))
  }

  /** For a new session. */
  known(): KnownChunks {
    return KnownChunks.over(this.index, this.#repository.keys, ROOM_FOR_NEW, this.#common)
  }

  /** From now on every session that is at work with it knows these chunks, in all threads. */
  add({ segment, packs }: ListedPacks): void {
    if (this.#segments.has(segment)) return
    const { listed } = this.#common
    const records = packs.reduce((sum, pack) => sum + pack.records.length, 0)
    if (listed.size + records > listed.room) {
      this.isStale = true
      return
    }
    this.#segments.add(segment)
    for (const pack of packs) {
      this.#listed.add(pack.sha256)
      this.index.addPack(pack)
      for (const { id } of pack.records) listed.add(id)
    }
  }

  isListed(pack: string): boolean {
    return this.index.packs.has(pack) || this.#listed.has(pack)
  }

  /** Nothing of the pack counts any more, nor what was listed of it since. */
  distrustPack(pack: string): void {
    this.noteLack()
    this.index.packs.setUnusable(pack)
    for (const id of this.index.addedIdsIn(pack)) this.#common.damaged.add(id)
  }

  noteLack(): void {
    this.#mayLack = true
  }

  /** True when packs are missing, cut short or damaged, or may be. The first answer takes a look at every pack. */
  get hasGaps(): boolean {
    if (this.#mayLack) return true
    this.#areAllUsable ??= this.index.packs.areAllUsable()
    return !this.#areAllUsable
  }
}
