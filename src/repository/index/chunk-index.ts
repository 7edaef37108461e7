/**
 * Chunk id → where it is. Built from segments (and from directories of packs that no segment lists); a cache, never the truth.
 * All records lie in sorted buffers as they came; one open-addressing table of record numbers finds them.
 */
import type { ChunkType } from '../keys/hierarchy.ts'
import type { Compression, PackRecord, SealedPack } from '../pack/pack-format.ts'
import { INDEX_RECORD_BYTES, type IndexSegment } from './segment.ts'

export interface ChunkLocation {
  readonly pack: string
  readonly record: PackRecord
  /** Further copies, where there are any: a chunk whose pack was damaged is stored again, and both are listed. */
  readonly others?: readonly ChunkLocation[]
}

interface Part {
  readonly packs: readonly string[]
  readonly records: Buffer
}

export class ChunkIndex {
  readonly #parts: Part[] = []
  /** First record number of each part. */
  readonly #starts: number[] = []
  #count = 0
  #table = new Int32Array(16)

  get size(): number {
    return this.#count
  }

  /** `isUsable` is asked for each pack, and for each chunk of those that are. */
  addSegment(segment: IndexSegment, isUsable: (pack: string, id?: Buffer) => boolean = () => true): void {
    this.#addPart({ packs: segment.packs.map((pack) => pack.sha256), records: segment.records }, isUsable)
  }

  addPack(pack: SealedPack, isUsable: (pack: string, id?: Buffer) => boolean = () => true): void {
    const records = Buffer.alloc(pack.records.length * INDEX_RECORD_BYTES)
    pack.records.forEach((record, i) => {
      const at = i * INDEX_RECORD_BYTES
      records.set(record.id, at)
      records.writeUInt32LE(record.offset, at + 35)
      records.writeUIntLE(record.storedBytes, at + 39, 3)
      records.writeUIntLE(record.contentBytes, at + 42, 3)
      records[at + 45] = record.type | (record.compression << 4)
    })
    this.#addPart({ packs: [pack.sha256], records }, isUsable)
  }

  #addPart(part: Part, isUsable: (pack: string, id?: Buffer) => boolean): void {
    const usable = part.packs.map((pack) => isUsable(pack))
    const start = this.#count
    this.#parts.push(part)
    this.#starts.push(start)
    this.#count += part.records.length / INDEX_RECORD_BYTES
    if (this.#count * 2 > this.#table.length) this.#rebuild()
    for (let number = start; number < this.#count; number++) {
      const at = (number - start) * INDEX_RECORD_BYTES
      const pack = part.records.readUIntLE(at + 32, 3)
      if (usable[pack] && isUsable(part.packs[pack] as string, part.records.subarray(at, at + 32))) this.#insert(number, part.records, at)
    }
  }

  #rebuild(): void {
    const old = this.#table
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(this.#count * 3)))
    for (const value of old) {
      if (value === 0) continue
      const { records, at } = this.#locate(value - 1)
      this.#insert(value - 1, records, at)
    }
  }

  #insert(number: number, records: Buffer, at: number): void {
    const mask = this.#table.length - 1
    let slot = records.readUInt32LE(at) & mask
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask
    this.#table[slot] = number + 1
  }

  #locate(number: number): { part: Part; records: Buffer; at: number } {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] as number) <= number) low = middle
      else high = middle - 1
    }
    const part = this.#parts[low] as Part
    return { part, records: part.records, at: (number - (this.#starts[low] as number)) * INDEX_RECORD_BYTES }
  }

  find(id: Buffer): ChunkLocation | undefined {
    let first: ChunkLocation | undefined
    let others: ChunkLocation[] | undefined
    const mask = this.#table.length - 1
    for (let slot = id.readUInt32LE(0) & mask; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const { part, records, at } = this.#locate((this.#table[slot] as number) - 1)
      if (records.compare(id, 0, 32, at, at + 32) !== 0) continue
      const location = { pack: part.packs[records.readUIntLE(at + 32, 3)] as string, record: decodeIndexRecord(records, at) }
      if (!first) first = location
      else if (others) others.push(location)
      else others = [location]
    }
    return first && others ? { ...first, others } : first
  }

  /** All chunks of one pack. Looks through the whole index: for what happens rarely. */
  *idsIn(pack: string): Generator<Buffer> {
    for (const id of this.ids()) {
      const location = this.find(id)
      if (location?.pack === pack || location?.others?.some((other) => other.pack === pack)) yield id
    }
  }

  /** Ids only, in no order; a chunk that stands in several packs comes several times. */
  *ids(): Generator<Buffer> {
    for (const value of this.#table) {
      if (value === 0) continue
      const { records, at } = this.#locate(value - 1)
      yield records.subarray(at, at + 32)
    }
  }
}

export function decodeIndexRecord(records: Buffer, at: number): PackRecord {
  const kinds = records[at + 45] as number
  return {
    id: records.subarray(at, at + 32),
    offset: records.readUInt32LE(at + 35),
    storedBytes: records.readUIntLE(at + 39, 3),
    contentBytes: records.readUIntLE(at + 42, 3),
    type: (kinds & 15) as ChunkType,
    compression: (kinds >> 4) as Compression,
  }
}
