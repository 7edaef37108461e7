/**
 * Which chunks a writer need not store again: those of the index's segments, and a hash table of what this session stored. All in shared memory, asked and
 * filled by all workers without locks.
 *
 * A slot of the table is 16 bytes: the first 16 of the id (a keyed hash; two equal prefixes by chance are not to be expected in any lifetime).
 * The first word is never 0 in a taken slot and is claimed by compare-and-exchange; a reader that meets a slot half filled
 * takes the chunk for unknown, which only stores it twice. Slots are never freed: what a session said it has, it has.
 *
 * A chunk that turned out to be damaged stands in a second table, and once it was stored again in a third: so all threads know it, and one of them stores it.
 */
import type { ImmediateReads } from '../../storage/index.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { PackTable, type PackTableMemory } from './pack-table.ts'
import type { BlockKeys } from './segment.ts'
import { readBlock } from './segment-file.ts'
import { SegmentTable, type SegmentTableMemory } from './segment-table.ts'

const SLOT_WORDS = 4
/** A table this full answers `unknown` instead of taking more; the session adds a larger one long before. */
const FULL = 0.85
const GROW_AT = 0.6
const LEAST_SLOTS = 65_536
/** Of the tables of what is damaged. When that is more, nothing counts but what was stored since. */
const DISTRUST_SLOTS = 32_768

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
  readonly tables: readonly SharedArrayBuffer[]
  readonly distrust: Distrust
  /** What was stored before this session. */
  readonly stored?: { readonly packs: PackTableMemory; readonly segments: readonly KnownSegment[]; readonly keys: BlockKeys }
}

interface Distrust {
  /** Of these no copy counts that was there before. */
  readonly damaged: SharedArrayBuffer
  /** Those of them that were stored again. */
  readonly again: SharedArrayBuffer
}

export class KnownChunks {
  #tables: Int32Array[] = []
  #stored: KnownChunksMemory['stored']
  /** The largest first: most of what is known is in there. */
  #segments: readonly SegmentTable[] = []
  readonly #damaged: Int32Array
  readonly #again: Int32Array

  /** `immediate`: of the store, in a thread that did not open the segments. */
  constructor(memory: KnownChunksMemory, immediate?: ImmediateReads) {
    this.adopt(memory)
    this.#damaged = new Int32Array(memory.distrust.damaged)
    this.#again = new Int32Array(memory.distrust.again)
    const { stored } = memory
    if (!stored) return
    this.#stored = stored
    const packs = PackTable.adopt(stored.packs, immediate)
    this.#segments = stored.segments.map((segment) => new SegmentTable(segment.table, packs, blockSource(stored.keys, segment, immediate)))
  }

  static withRoomFor(chunks: number): KnownChunks {
    const distrust = { damaged: newTable(0, DISTRUST_SLOTS), again: newTable(0, DISTRUST_SLOTS) }
    return new KnownChunks({ tables: [newTable(chunks)], distrust })
  }

  /** What the index holds in usable packs is known. In its thread. */
  static over(index: ChunkIndex, keys: BlockKeys, roomFor: number): KnownChunks {
    const known = KnownChunks.withRoomFor(roomFor)
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
    for (const id of index.addedIds()) {
      known.add(id)
      if (known.needsRoom) known.grow()
    }
    return known
  }

  /** For the other threads: the same tables, not a copy. */
  get memory(): KnownChunksMemory {
    const tables = this.#tables.map((table) => table.buffer as SharedArrayBuffer)
    const distrust = { damaged: this.#damaged.buffer as SharedArrayBuffer, again: this.#again.buffer as SharedArrayBuffer }
    return this.#stored ? { tables, distrust, stored: this.#stored } : { tables, distrust }
  }

  /** What was added since this thread got its memory. */
  adopt(memory: KnownChunksMemory): void {
    this.#tables = memory.tables.map((table) => new Int32Array(table))
  }

  /** True when the chunk was not known before; then the caller stores it. */
  add(id: Buffer): boolean {
    const first = id.readInt32LE(0) || 1
    const second = id.readInt32LE(4)
    const third = id.readInt32LE(8)
    const fourth = id.readInt32LE(12)
    if (this.#isDamaged(id, 0)) return insert(this.#again, first, second, third, fourth)
    if (this.#isStored(id, 0)) return false
    for (let t = 0; t < this.#tables.length - 1; t++) {
      if (find(this.#tables[t] as Int32Array, first, second, third, fourth) === 'there') return false
    }
    return insert(this.#tables[this.#tables.length - 1] as Int32Array, first, second, third, fourth)
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
    if (this.#isDamaged(id, at)) return isIn(this.#again, id, at)
    return this.#isStored(id, at) || this.#isNew(id, at)
  }

  /** Nearly always nothing is, and that is one look. */
  #isDamaged(id: Uint8Array, at: number): boolean {
    const count = Atomics.load(this.#damaged, 0)
    return count > 0 && (isFull(this.#damaged) || isIn(this.#damaged, id, at))
  }

  #isStored(id: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#segments.length; i++) if ((this.#segments[i] as SegmentTable).has(id, at)) return true
    return false
  }

  /** Stored by this session. */
  #isNew(id: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#tables.length; i++) if (isIn(this.#tables[i] as Int32Array, id, at)) return true
    return false
  }

  /** From now on, in all threads, no copy counts that was there before: the next `add` of this id answers that it is new. */
  distrust(id: Buffer): void {
    insert(this.#damaged, id.readInt32LE(0) || 1, id.readInt32LE(4), id.readInt32LE(8), id.readInt32LE(12))
  }

  get needsRoom(): boolean {
    const table = this.#tables[this.#tables.length - 1] as Int32Array
    return Atomics.load(table, 0) > GROW_AT * slotsOf(table)
  }

  /** Adds a table of twice the size. The other threads must adopt the memory anew; until they do, they may store a chunk twice. */
  grow(): void {
    const last = this.#tables[this.#tables.length - 1] as Int32Array
    this.#tables.push(new Int32Array(newTable(slotsOf(last))))
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

/** Word 0 counts; the slots begin at word 4. The number of slots is a power of two. */
function newTable(chunks: number, leastSlots = LEAST_SLOTS): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(leastSlots, chunks * 2)))
  return new SharedArrayBuffer((slots + 1) * SLOT_WORDS * 4)
}

function slotsOf(table: Int32Array): number {
  return table.length / SLOT_WORDS - 1
}

function isFull(table: Int32Array): boolean {
  return Atomics.load(table, 0) > FULL * slotsOf(table)
}

function isIn(table: Int32Array, id: Uint8Array, at: number): boolean {
  return find(table, wordAt(id, at) || 1, wordAt(id, at + 4), wordAt(id, at + 8), wordAt(id, at + 12)) === 'there'
}

function find(table: Int32Array, first: number, second: number, third: number, fourth: number): 'there' | number {
  const mask = slotsOf(table) - 1
  for (let slot = second & mask, tries = 0; tries <= mask; slot = (slot + 1) & mask, tries++) {
    const at = (slot + 1) * SLOT_WORDS
    const word = Atomics.load(table, at)
    if (word === 0) return at
    if (word === first && table[at + 1] === second && table[at + 2] === third && table[at + 3] === fourth) return 'there'
  }
  return -1
}

function insert(table: Int32Array, first: number, second: number, third: number, fourth: number): boolean {
  for (;;) {
    const at = find(table, first, second, third, fourth)
    if (at === 'there') return false
    if (at < 0 || isFull(table)) return true
    if (Atomics.compareExchange(table, at, 0, first) === 0) {
      Atomics.store(table, at + 1, second)
      Atomics.store(table, at + 2, third)
      Atomics.store(table, at + 3, fourth)
      Atomics.add(table, 0, 1)
      return true
    }
    // Another thread took this slot meanwhile: look again, it may hold the same chunk.
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}
