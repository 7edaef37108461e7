/**
 * Which chunks a writer need not store again: a hash table in shared memory, asked and filled by all workers without locks.
 *
 * A slot is 16 bytes: the first 16 of the id (a keyed hash; two equal prefixes by chance are not to be expected in any lifetime).
 * The first word is never 0 in a taken slot and is claimed by compare-and-exchange; a reader that meets a slot half filled
 * takes the chunk for unknown, which only stores it twice. Slots are never freed: what a session said it has, it has.
 */
const SLOT_WORDS = 4
/** A table this full answers `unknown` instead of taking more; the session adds a larger one long before. */
const FULL = 0.85
const GROW_AT = 0.6

export interface KnownChunksMemory {
  readonly tables: readonly SharedArrayBuffer[]
}

export class KnownChunks {
  #tables: Int32Array[] = []
  /** On this thread only: ids whose copy turned out to be damaged. */
  readonly #distrusted = new Set<string>()

  constructor(memory: KnownChunksMemory) {
    this.adopt(memory)
  }

  static withRoomFor(chunks: number): KnownChunks {
    return new KnownChunks({ tables: [newTable(chunks)] })
  }

  /** For the other threads: the same tables, not a copy. */
  get memory(): KnownChunksMemory {
    return { tables: this.#tables.map((table) => table.buffer as SharedArrayBuffer) }
  }

  adopt(memory: KnownChunksMemory): void {
    this.#tables = memory.tables.map((table) => new Int32Array(table))
  }

  /** True when the chunk was not known before; then the caller stores it. */
  add(id: Buffer): boolean {
    if (this.#distrusted.size > 0 && this.#distrusted.delete(id.toString('latin1'))) return true
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
    const first = id.readInt32LE(0) || 1
    return this.#tables.some((table) => find(table, first, id.readInt32LE(4), id.readInt32LE(8), id.readInt32LE(12)) === 'there')
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
