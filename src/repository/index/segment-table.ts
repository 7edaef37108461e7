/**
 * Where a chunk stands in one segment, or that it does not: in memory that threads share, filled block by block by whichever thread asks first.
 *
 * Of each record it has 20 bytes: 17 of the id and the number of the pack. Ids are keyed hashes, so two that agree by chance are not to be expected in any lifetime;
 * and whoever holds the id key and looks for two contents whose ids agree in so much has 2⁶⁸ of them to try. Ids are spread evenly, so a look-up guesses where it must be, among the blocks and then in one, and walks from there.
 * Two threads that load the same block write the same bytes; it counts only once its state says so, which is written last.
 */
import type { PackTable } from './pack-table.ts'
import { INDEX_RECORD_BYTES } from './segment.ts'

export interface SegmentTableMemory {
  readonly count: number
  readonly perBlock: number
  /** The first four bytes of the first id of each block, as numbers that sort like them. */
  readonly fences: SharedArrayBuffer
  /** The same of each record, and four words more: three of the id, then a byte of it and the number of its pack. */
  readonly firsts: SharedArrayBuffer
  readonly rests: SharedArrayBuffer
  /** Of each block. */
  readonly states: SharedArrayBuffer
  /** The pack's number in the PackTable, by its number in the segment. */
  readonly packs: SharedArrayBuffer
}

const REST_WORDS = 4
const ABSENT = 0
const LOADED = 1
const DAMAGED = 2
/** So far a guess is walked from before it is given up for a search by halves. */
const NEAR = 8

/** Gives a block's records; undefined when they can't be had. */
export type BlockSource = (block: number) => Buffer | undefined

export class SegmentTable {
  readonly memory: SegmentTableMemory
  readonly #read: BlockSource
  readonly #fences: Uint32Array
  readonly #firsts: Uint32Array
  readonly #rests: Uint32Array
  readonly #states: Int32Array
  readonly #packs: Uint32Array
  readonly #table: PackTable

  constructor(memory: SegmentTableMemory, table: PackTable, read: BlockSource) {
    this.memory = memory
    this.#table = table
    this.#read = read
    this.#fences = new Uint32Array(memory.fences)
    this.#firsts = new Uint32Array(memory.firsts)
    this.#rests = new Uint32Array(memory.rests)
    this.#states = new Int32Array(memory.states)
    this.#packs = new Uint32Array(memory.packs)
  }

  static memoryFor(count: number, perBlock: number, fenceIds: Buffer, packs: Uint32Array): SegmentTableMemory {
    const blocks = fenceIds.length / 32
    const fences = new SharedArrayBuffer(blocks * 4)
    const firsts = new Uint32Array(fences)
    for (let k = 0; k < blocks; k++) firsts[k] = fenceIds.readUInt32BE(k * 32)
    return {
      count,
      perBlock,
      fences,
      // Memory that nobody has written to is not there yet: what is never asked for costs nothing.
      firsts: new SharedArrayBuffer(count * 4),
      rests: new SharedArrayBuffer(count * REST_WORDS * 4),
      states: new SharedArrayBuffer(blocks * 4),
      packs: packs.buffer as SharedArrayBuffer,
    }
  }

  get hasDamage(): boolean {
    return this.#states.includes(DAMAGED)
  }

  get memoryBytes(): number {
    const { count, fences, states, packs } = this.memory
    return count * (4 + REST_WORDS * 4) + fences.byteLength + states.byteLength + packs.byteLength
  }

  /** Whether a usable pack holds the chunk whose id stands at `at`. */
  has(id: Uint8Array, at: number): boolean {
    return this.#find(id, at, true, undefined) >= 0
  }

  /** The numbers of all records of that chunk, in whatever pack. */
  numbersOf(id: Uint8Array): number[] {
    const found: number[] = []
    this.#find(id, 0, false, found)
    return found
  }

  /** The PackTable's number of the pack that holds a record; its block has been loaded. */
  packOf(number: number): number {
    return this.#packs[(this.#rests[number * REST_WORDS + 3] as number) & 0xffffff] as number
  }

  /** The PackTable's number of a pack, by its number in the segment. */
  packNumber(row: number): number {
    return this.#packs[row] as number
  }

  /** False when the block can't be read. */
  load(block: number): boolean {
    return Atomics.load(this.#states, block) === LOADED || this.#load(block)
  }

  #find(id: Uint8Array, at: number, usable: boolean, all: number[] | undefined): number {
    const fences = this.#fences
    if (fences.length === 0) return -1
    const first = wordAt(id, at)
    for (let block = this.#blockOf(first); block >= 0; block--) {
      if (Atomics.load(this.#states, block) === LOADED || this.#load(block)) {
        const found = this.#findIn(block, first, id, at, usable, all)
        if (found >= 0) return found
      }
      // Only if this block begins with such an id, the one before may end with one.
      if (fences[block] !== first) break
    }
    return -1
  }

  /** The last block that begins at or before; -1 when none does. */
  #blockOf(first: number): number {
    const fences = this.#fences
    const last = fences.length - 1
    const [lowest, highest] = [fences[0] as number, fences[last] as number]
    if (first < lowest) return -1
    if (first >= highest) return last
    let block = Math.floor(((first - lowest) / (highest - lowest)) * last)
    for (let steps = 0; steps < NEAR; steps++) {
      if ((fences[block] as number) > first) block--
      else if ((fences[block + 1] as number) <= first) block++
      else return block
    }
    let low = 0
    let high = last
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((fences[middle] as number) <= first) low = middle
      else high = middle - 1
    }
    return low
  }

  #findIn(block: number, first: number, id: Uint8Array, at: number, usable: boolean, all: number[] | undefined): number {
    const firsts = this.#firsts
    const start = block * this.memory.perBlock
    const end = Math.min(start + this.memory.perBlock, this.memory.count)
    // Fences stay in the processor's cache; the first and the last record of the block would each have to be fetched.
    const low = this.#fences[block] as number
    const high = block + 1 < this.#fences.length ? (this.#fences[block + 1] as number) : (firsts[end - 1] as number)
    let n = high === low ? start : Math.min(end - 1, start + Math.floor(((first - low) / (high - low)) * (end - start)))
    while (n < end && (firsts[n] as number) < first) n++
    while (n > start && (firsts[n - 1] as number) >= first) n--
    if (firsts[n] !== first) return -1
    const second = wordAt(id, at + 4)
    const third = wordAt(id, at + 8)
    const fourth = wordAt(id, at + 12)
    const fifth = id[at + 16] as number
    for (; n < end && firsts[n] === first; n++) {
      const rest = n * REST_WORDS
      if (this.#rests[rest] !== second || this.#rests[rest + 1] !== third || this.#rests[rest + 2] !== fourth) continue
      const last = this.#rests[rest + 3] as number
      if (last >>> 24 !== fifth) continue
      if (usable && !this.#table.isUsable(this.#packs[last & 0xffffff] as number, id, at)) continue
      if (!all) return n
      all.push(n)
    }
    return -1
  }

  #load(block: number): boolean {
    if (Atomics.load(this.#states, block) !== ABSENT) return false
    const records = this.#read(block)
    if (records) this.fill(block, records)
    else Atomics.store(this.#states, block, DAMAGED)
    return records !== undefined
  }

  fill(block: number, records: Buffer): void {
    const count = records.length / INDEX_RECORD_BYTES
    let n = block * this.memory.perBlock
    for (let i = 0, at = 0; i < count; i++, n++, at += INDEX_RECORD_BYTES) {
      const rest = n * REST_WORDS
      this.#firsts[n] = wordAt(records, at)
      this.#rests[rest] = wordAt(records, at + 4)
      this.#rests[rest + 1] = wordAt(records, at + 8)
      this.#rests[rest + 2] = wordAt(records, at + 12)
      // Byte 16 of the id, then the pack's number, which begins at byte 32 and is little-endian.
      const pack = (records[at + 32] as number) | ((records[at + 33] as number) << 8) | ((records[at + 34] as number) << 16)
      this.#rests[rest + 3] = (((records[at + 16] as number) << 24) | pack) >>> 0
    }
    Atomics.store(this.#states, block, LOADED)
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}
