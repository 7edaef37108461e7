/**
 * The packs that the segments of an index list, each once, with what is known of it now. Lies in shared memory: what one thread finds out about a
 * pack, all know.
 *
 * A writer looks at a pack the first time that a chunk of it is asked for, not at all of them when it begins: one that is missing, or has another
 * size than listed, holds nothing that counts as stored. A reader takes every pack for whole until reading tells otherwise.
 */
import type { ImmediateReads } from '../../storage/index.ts'
import { type DamageList, isListed } from '../damaged-chunks.ts'
import { packName } from '../pack/pack-format.ts'
import { PACK_ROW_BYTES } from './segment.ts'

const UNKNOWN = 0
const WHOLE = 1
const UNUSABLE = 2

export interface PackTableMemory {
  /** 36 bytes each, as in a segment: SHA-256, size (u32). */
  readonly rows: SharedArrayBuffer
  readonly states: SharedArrayBuffer
  /** Chunks that do not count although their pack does. */
  readonly damage: DamageList
}

export class PackTable {
  readonly memory: PackTableMemory
  readonly #rows: Buffer
  readonly #states: Uint8Array
  readonly #immediate: ImmediateReads | undefined
  readonly #names: (string | undefined)[] = []
  readonly #slots: Int32Array

  private constructor(memory: PackTableMemory, immediate: ImmediateReads | undefined, slots: Int32Array) {
    this.memory = memory
    this.#rows = Buffer.from(memory.rows)
    this.#states = new Uint8Array(memory.states)
    this.#immediate = immediate
    this.#slots = slots
  }

  /** From the pack tables of segments; also gives, for each of them, the numbers that its packs have here. */
  static of(tables: readonly Buffer[]): { packs: PackTable; numbers: Uint32Array[] } {
    const most = tables.reduce((sum, table) => sum + table.length / PACK_ROW_BYTES, 0)
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(16, most * 2))))
    let rows = Buffer.alloc(Math.max(1, most) * PACK_ROW_BYTES)
    let count = 0
    const numbers = tables.map((table) => {
      const mapped = new Uint32Array(new SharedArrayBuffer((table.length / PACK_ROW_BYTES) * 4))
      for (let n = 0; n < mapped.length; n++) {
        const at = n * PACK_ROW_BYTES
        const slot = slotOf(slots, rows, table, at)
        if (slots[slot] === 0) {
          table.copy(rows, count * PACK_ROW_BYTES, at, at + PACK_ROW_BYTES)
          slots[slot] = ++count
        }
        mapped[n] = (slots[slot] as number) - 1
      }
      return mapped
    })
    rows = rows.subarray(0, count * PACK_ROW_BYTES)
    const shared = new SharedArrayBuffer(rows.length)
    Buffer.from(shared).set(rows)
    const states = new SharedArrayBuffer(count)
    new Uint8Array(states).fill(WHOLE)
    return { packs: new PackTable({ rows: shared, states, damage: new Map() }, undefined, slots), numbers }
  }

  /** In another thread. What asks by name is not for it. */
  static adopt(memory: PackTableMemory, immediate: ImmediateReads | undefined): PackTable {
    return new PackTable(memory, immediate, new Int32Array(1))
  }

  /**
   * For a writer: of those packs that are not there, by their number, nothing counts. The sizes of the others are looked at when they matter, where that
   * can be done at once; elsewhere the caller has compared them.
   */
  checked(immediate: ImmediateReads | undefined, isThere: Uint8Array, damage: DamageList): PackTable {
    const table = new PackTable({ ...this.memory, damage }, immediate, this.#slots)
    for (let n = 0; n < this.size; n++) table.#states[n] = isThere[n] !== 1 ? UNUSABLE : immediate ? UNKNOWN : WHOLE
    for (const [pack, chunks] of damage) if (chunks === 'all') table.setUnusable(pack)
    return table
  }

  get size(): number {
    return this.#states.length
  }

  get memoryBytes(): number {
    return this.#rows.length + this.#states.length + this.#slots.byteLength
  }

  nameOf(number: number): string {
    this.#names[number] ??= this.#hexOf(number)
    return this.#names[number]
  }

  #hexOf(number: number): string {
    return this.#rows.toString('hex', number * PACK_ROW_BYTES, number * PACK_ROW_BYTES + 32)
  }

  sizeBytesOf(number: number): number {
    return this.#rows.readUInt32LE(number * PACK_ROW_BYTES + 32)
  }

  /** Undefined when no segment lists it. */
  numberOf(pack: string): number | undefined {
    const id = Buffer.from(pack, 'hex')
    if (id.length !== 32) return undefined
    const value = this.#slots[slotOf(this.#slots, this.#rows, id, 0)] as number
    return value === 0 ? undefined : value - 1
  }

  has(pack: string): boolean {
    return this.numberOf(pack) !== undefined
  }

  /** With the size that each should have. */
  *entries(): Generator<[pack: string, sizeBytes: number]> {
    for (let n = 0; n < this.size; n++) yield [this.nameOf(n), this.sizeBytesOf(n)]
  }

  /** Whether what the pack is listed to hold counts; `id` for those packs of which only parts do not. */
  isUsable(number: number, id: Uint8Array, at: number): boolean {
    const state = this.#states[number]
    if (state === UNUSABLE || (state === UNKNOWN && !this.#look(number))) return false
    if (this.memory.damage.size === 0) return true
    return !isListed(this.memory.damage, this.nameOf(number), Buffer.from(id.buffer, id.byteOffset + at, 32))
  }

  /** From now on, in all threads, nothing that this pack holds counts as stored. */
  setUnusable(pack: string): void {
    const number = this.numberOf(pack)
    if (number !== undefined) this.#states[number] = UNUSABLE
  }

  /** Looks at every pack that was not looked at so far. */
  areAllUsable(): boolean {
    let are = this.memory.damage.size === 0
    for (let n = 0; n < this.size; n++) are = (this.#states[n] === WHOLE || (this.#states[n] === UNKNOWN && this.#look(n))) && are
    return are
  }

  #look(number: number): boolean {
    const isWhole = this.#immediate?.head(packName(this.#hexOf(number)))?.sizeBytes === this.sizeBytesOf(number)
    // Another thread may have said meanwhile that it is unusable: that stays so.
    Atomics.compareExchange(this.#states, number, UNKNOWN, isWhole ? WHOLE : UNUSABLE)
    return isWhole && this.#states[number] === WHOLE
  }
}

/** The slot that holds the pack whose SHA-256 stands at `at`, or the empty one where it belongs. */
function slotOf(slots: Int32Array, rows: Buffer, ids: Buffer, at: number): number {
  const mask = slots.length - 1
  for (let slot = ids.readUInt32LE(at) & mask; ; slot = (slot + 1) & mask) {
    const value = slots[slot] as number
    if (value === 0) return slot
    const row = (value - 1) * PACK_ROW_BYTES
    if (rows.compare(ids, at, at + 32, row, row + 32) === 0) return slot
  }
}
