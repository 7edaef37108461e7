/**
 * Which chunks a writer need not store again: those of the index's segments, those that other sessions of the same writer listed since, and what this session
 * stored. All in shared memory, asked and filled by all workers without locks (shared-ids.ts).
 *
 * What a session stores is known to that session alone until it is durable and listed: another one that relied on it would lose it with the first
 * (docs/adr/0014-many-sessions.md). Nothing is taken out: what a session was told is there, is there as long as it goes on.
 *
 * A chunk that turned out to be damaged stands in a set of its own, and once it was stored again in another: so all threads know it, and one of them stores it.
 */
import type { ImmediateReads } from '../../storage/index.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { PackTable, type PackTableMemory } from './pack-table.ts'
import type { BlockKeys } from './segment.ts'
import { readBlock } from './segment-file.ts'
import { SegmentTable, type SegmentTableMemory } from './segment-table.ts'
import { SharedIds } from './shared-ids.ts'

const LEAST_ROOM = 32_768
/** Of the sets of what is damaged. When that is more, nothing counts but what was stored since. */
const ROOM_FOR_DAMAGED = 16_384

/** A segment, for the other threads of this process. */
export interface KnownSegment {
  readonly table: SegmentTableMemory
  readonly handle: number
  readonly sizeBytes: number
  readonly blocksAt: number
  readonly key: Uint8Array
}

/** Plain values and shared memory. */
export interface KnownChunksMemory {
  /** Of this session. */
  readonly tables: readonly SharedArrayBuffer[]
  /** Of all sessions that share it: durable, and listed since the segments were opened. */
  readonly listed?: SharedArrayBuffer
  readonly distrust: Distrust
  /** What was stored before. */
  readonly stored?: { readonly packs: PackTableMemory; readonly segments: readonly KnownSegment[]; readonly keys: BlockKeys }
}

interface Distrust {
  /** Of these no copy counts that was there before. */
  readonly damaged: SharedArrayBuffer
  /** Those of them that this session stored again. */
  readonly again: SharedArrayBuffer
}

/** What sessions that build on one index have in common. */
export interface CommonChunks {
  readonly listed: SharedIds
  readonly damaged: SharedIds
}

/** Of an index; what it has from packs that its segments do not list is in it. */
export function commonChunks(index: ChunkIndex, roomForMore = 0): CommonChunks {
  const ids = [...index.addedIds()]
  const listed = SharedIds.withRoomFor(Math.max(LEAST_ROOM, ids.length + roomForMore))
  for (const id of ids) listed.add(id)
  return { listed, damaged: SharedIds.withRoomFor(ROOM_FOR_DAMAGED) }
}

export class KnownChunks {
  #tables: SharedIds[] = []
  #stored: KnownChunksMemory['stored']
  /** The largest first: most of what is known is in there. */
  #segments: readonly SegmentTable[] = []
  readonly #listed: SharedIds | undefined
  readonly #damaged: SharedIds
  readonly #again: SharedIds

  /** `immediate`: of the store, in a thread that did not open the segments. */
  constructor(memory: KnownChunksMemory, immediate?: ImmediateReads) {
    this.adopt(memory)
    this.#listed = memory.listed && new SharedIds(memory.listed)
    this.#damaged = new SharedIds(memory.distrust.damaged)
    this.#again = new SharedIds(memory.distrust.again)
    const { stored } = memory
    if (!stored) return
    this.#stored = stored
    const packs = PackTable.adopt(stored.packs, immediate)
    this.#segments = stored.segments.map((segment) => new SegmentTable(segment.table, packs, blockSource(stored.keys, segment, immediate)))
  }

  static withRoomFor(chunks: number): KnownChunks {
    return KnownChunks.#make(chunks, { damaged: SharedIds.withRoomFor(ROOM_FOR_DAMAGED) })
  }

  static #make(chunks: number, common: { readonly listed?: SharedIds; readonly damaged: SharedIds }): KnownChunks {
    const distrust = { damaged: common.damaged.memory, again: SharedIds.withRoomFor(ROOM_FOR_DAMAGED).memory }
    const tables = [SharedIds.withRoomFor(Math.max(LEAST_ROOM, chunks)).memory]
    return new KnownChunks({ tables, distrust, ...(common.listed ? { listed: common.listed.memory } : {}) })
  }

  /** What the segments of the index hold in usable packs is known, and what is in `common`. In the thread of the index. */
  static over(index: ChunkIndex, keys: BlockKeys, roomFor: number, common: CommonChunks = commonChunks(index)): KnownChunks {
    const known = KnownChunks.#make(roomFor, common)
    const parts = index.parts.toSorted((a, b) => b.file.head.count - a.file.head.count)
    known.#segments = parts.map(({ table }) => table)
    known.#stored = {
      packs: index.packs.memory,
      keys: { repositoryId: keys.repositoryId },
      segments: parts.map(({ file, table }) => ({
        table: table.memory,
        handle: file.object.handle,
        sizeBytes: file.object.sizeBytes,
        blocksAt: file.head.blocksAt,
        key: file.head.key,
      })),
    }
    return known
  }

  /** For the other threads: the same tables, not a copy. */
  get memory(): KnownChunksMemory {
    return {
      tables: this.#tables.map(({ memory }) => memory),
      distrust: { damaged: this.#damaged.memory, again: this.#again.memory },
      ...(this.#listed ? { listed: this.#listed.memory } : {}),
      ...(this.#stored ? { stored: this.#stored } : {}),
    }
  }

  /** What was added since this thread got its memory. */
  adopt(memory: KnownChunksMemory): void {
    this.#tables = memory.tables.map((table) => new SharedIds(table))
  }

  /** True when the chunk was not known before; then the caller stores it. */
  add(id: Buffer): boolean {
    if (this.#isDamaged(id, 0)) return this.#again.add(id)
    if (this.#isStored(id, 0) || this.#listed?.has(id, 0)) return false
    const last = this.#tables.length - 1
    for (let t = 0; t < last; t++) if ((this.#tables[t] as SharedIds).has(id, 0)) return false
    return (this.#tables[last] as SharedIds).add(id)
  }

  /** Somebody else stored it, and this session may rely on that: it is known, unless what was there is distrusted. */
  take(id: Buffer): void {
    if (!this.#isDamaged(id, 0)) (this.#tables[this.#tables.length - 1] as SharedIds).add(id)
    if (this.needsRoom) this.grow()
  }

  has(id: Buffer): boolean {
    return this.#has(id, 0)
  }

  /** Whether every one of the ids is known that stand one after the other in `ids`, 32 bytes each. */
  hasAll(ids: Uint8Array): boolean {
    for (let at = 0; at < ids.length; at += 32) if (!this.#has(ids, at)) return false
    return true
  }

  #has(id: Uint8Array, at: number): boolean {
    if (this.#isDamaged(id, at)) return this.#again.has(id, at)
    return this.#isStored(id, at) || this.#isNew(id, at) || (this.#listed?.has(id, at) ?? false)
  }

  /** Nearly always nothing is, and that is one look. */
  #isDamaged(id: Uint8Array, at: number): boolean {
    return this.#damaged.size > 0 && (this.#damaged.isFull || this.#damaged.has(id, at))
  }

  #isStored(id: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#segments.length; i++) if ((this.#segments[i] as SegmentTable).has(id, at)) return true
    return false
  }

  /** Stored by this session. */
  #isNew(id: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#tables.length; i++) if ((this.#tables[i] as SharedIds).has(id, at)) return true
    return false
  }

  /** From now on, in all threads, no copy counts that was there before: the next `add` of this id answers that it is new. */
  distrust(id: Buffer): void {
    this.#damaged.add(id)
  }

  get needsRoom(): boolean {
    return (this.#tables[this.#tables.length - 1] as SharedIds).needsRoom
  }

  /** Adds a table of twice the size. The other threads must adopt the memory anew; until they do, they may store a chunk twice. */
  grow(): void {
    const last = this.#tables[this.#tables.length - 1] as SharedIds
    this.#tables.push(SharedIds.withRoomFor(last.room * 2))
  }
}

/** A block that this thread can't read holds nothing that it knows: then chunks are stored twice, and none is lost. */
function blockSource(keys: BlockKeys, segment: KnownSegment, immediate: ImmediateReads | undefined): (block: number) => Buffer | undefined {
  const { table, handle, sizeBytes, blocksAt, key } = segment
  const object = immediate?.adopt(handle, sizeBytes)
  return (block) => {
    if (!object) return undefined
    try {
      return readBlock(keys, object, { blocksAt, key, count: table.count, perBlock: table.perBlock }, block)
    } catch (error) {
      if (error instanceof SealedObjectError) return undefined
      throw error
    }
  }
}
