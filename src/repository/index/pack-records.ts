/** Chunk id → where it is, for packs that no segment lists yet: all records lie in memory; one open-addressing table of their numbers finds them. */
import type { PackRecord, SealedPack } from '../pack/pack-format.ts'
import { decodeIndexRecord, encodeRecords, INDEX_RECORD_BYTES } from './segment.ts'

interface Part {
  readonly pack: string
  readonly records: Buffer
}

export class PackRecords {
  readonly #parts: Part[] = []
  /** First record number of each part. */
  readonly #starts: number[] = []
  #count = 0
  #table = new Int32Array(16)

  get size(): number {
    return this.#count
  }

  get memoryBytes(): number {
    return this.#count * INDEX_RECORD_BYTES + this.#table.byteLength
  }

  /** `isUsable` is asked for each chunk. */
  add(pack: SealedPack, isUsable: (pack: string, id: Buffer) => boolean): void {
    const records = encodeRecords([pack])
    const start = this.#count
    this.#parts.push({ pack: pack.sha256, records })
    this.#starts.push(start)
    this.#count += pack.records.length
    if (this.#count * 2 > this.#table.length) this.#rebuild()
    for (let number = start; number < this.#count; number++) {
      const at = (number - start) * INDEX_RECORD_BYTES
      if (isUsable(pack.sha256, records.subarray(at, at + 32))) this.#insert(number, records, at)
    }
  }

  #rebuild(): void {
    const old = this.#table
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(this.#count * 3)))
    for (const value of old) {
      if (value === 0) continue
      const { records, at } = this.#place(value - 1)
      this.#insert(value - 1, records, at)
    }
  }

  #insert(number: number, records: Buffer, at: number): void {
    const mask = this.#table.length - 1
    let slot = records.readUInt32LE(at) & mask
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask
    this.#table[slot] = number + 1
  }

  #place(number: number): { pack: string; records: Buffer; at: number } {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] as number) <= number) low = middle
      else high = middle - 1
    }
    const { pack, records } = this.#parts[low] as Part
    return { pack, records, at: (number - (this.#starts[low] as number)) * INDEX_RECORD_BYTES }
  }

  numbersOf(id: Uint8Array): number[] {
    const found: number[] = []
    if (this.#count === 0) return found
    const mask = this.#table.length - 1
    const first = ((id[0] as number) | ((id[1] as number) << 8) | ((id[2] as number) << 16) | ((id[3] as number) << 24)) >>> 0
    for (let slot = first & mask; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const number = (this.#table[slot] as number) - 1
      const { records, at } = this.#place(number)
      if (records.compare(id, 0, 32, at, at + 32) === 0) found.push(number)
    }
    return found
  }

  recordAt(number: number): { pack: string; record: PackRecord } {
    const { pack, records, at } = this.#place(number)
    return { pack, record: decodeIndexRecord(records, at) }
  }

  *parts(): Generator<{ first: number; pack: string; records: Buffer }> {
    for (const [i, part] of this.#parts.entries()) yield { first: this.#starts[i] as number, ...part }
  }

  /** Usable ones, in no order. */
  *numbers(): Generator<number> {
    for (const value of this.#table) if (value !== 0) yield value - 1
  }
}
