/**
 * Which chunks a writer need not store again: those of the index's segments, and a hash table of what this session stored. All in shared memory, asked and
 * filled by all workers without locks.
 *
 * A slot of the table is 16 bytes: the first 16 of the id (a keyed hash; two equal prefixes by chance are not to be expected in any lifetime).
 * The first word is never 0 in a taken slot and is claimed by compare-and-exchange; a reader that meets a slot half filled
 * takes the chunk for unknown, which only stores it twice. Slots are never freed: what a session said it has, it has.
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
  /** What was stored before this session. */
  readonly stored?: { readonly packs: PackTableMemory; readonly segments: readonly KnownSegment[]; readonly keys: BlockKeys }
}

export class KnownChunks {
  #tables: Int32Array[] = []
  #stored: KnownChunksMemory['stored']
  /** The largest first: most of what is known is in there. */
  #segments: readonly SegmentTable[] = []
  /** On this thread only: ids whose copy turned out to be damaged. */
  readonly #distrusted = new Set<string>()

  /** `immediate`: of the store, in a thread that did not open the segments. */
  constructor(memory: KnownChunksMemory, immediate?: ImmediateReads) {
    this.adopt(memory)
    const { stored } = memory
    if (!stored) return
    this.#stored = stored
    const packs = PackTable.adopt(stored.packs, immediate)
    this.#segments = stored.segments.map((segment) => new SegmentTable(segment.table, packs, blockSource(stored.keys, segment, immediate)))
  }

  static withRoomFor(chunks: number): KnownChunks {
    return new KnownChunks({ tables: [newTable(chunks)] })
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
    return this.#stored ? { tables, stored: this.#stored } : { tables }
  }

  /** What was added since this thread got its memory. */
  adopt(memory: KnownChunksMemory): void {
    this.#tables = memory.tables.map((table) => new Int32Array(table))
  }

  /** True when the chunk was not known before; then the caller stores it. */
  add(id: Buffer): boolean {
    if (this.#distrusted.size > 0 && this.#distrusted.delete(id.toString('latin1'))) return true
    if (this.#isStored(id, 0)) return false
    const first = id.readInt32LE(0) || 1
    const second = id.readInt32LE(4)
    const third = id.readInt32LE(8)
    const fourth = id.readInt32LE(12)
    for (let t = 0; t < this.#tables.length - 1; t++) {
      if (find(this.#tables[t] as Int32Array, first, second, third, fourth) === 'there') return false
    }
    return insert(this.#tables[this.#tables.length - 1] as Int32Array, first, second, third, fourth)
  }

  has(id: Buffer): boolean {
    return this.#isStored(id, 0) || this.#isNew(id, 0)
  }

  /** Whether every one of the ids is known that stand one after the other in `ids`, 32 bytes each. */
  hasAll(ids: Uint8Array): boolean {
    for (let at = 0; at < ids.length; at += 32) if (!this.#isStored(ids, at) && !this.#isNew(ids, at)) return false
    return true
  }

  #isStored(id: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#segments.length; i++) if ((this.#segments[i] as SegmentTable).has(id, at)) return true
    return false
  }

  /** Stored by this session. */
  #isNew(id: Uint8Array, at: number): boolean {
    const first = wordAt(id, at) || 1
    for (let i = 0; i < this.#tables.length; i++) {
      const table = this.#tables[i] as Int32Array
      if (find(table, first, wordAt(id, at + 4), wordAt(id, at + 8), wordAt(id, at + 12)) === 'there') return true
    }
    return false
  }

  /** The next `add` of this id on this thread answers that it is new, once: it is stored again. */
  distrust(id: Buffer): void {
    this.#distrusted.add(id.toString('latin1'))
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
function newTable(chunks: number): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(65_536, chunks * 2)))
  return new SharedArrayBuffer((slots + 1) * SLOT_WORDS * 4)
}

function slotsOf(table: Int32Array): number {
  return table.length / SLOT_WORDS - 1
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
    if (at < 0 || Atomics.load(table, 0) > FULL * slotsOf(table)) return true
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
