/**
 * Chunk id → where it is. Made of segments, of which nothing is read but their heads until a chunk is asked for, and of the directories of packs that no
 * segment lists. A cache, never the truth.
 *
 * Every record has an ordinal, which stays the same for as long as the index is open and nothing is added: segments in their order, then added packs.
 */
import { SealedObjectError } from '../format/sealed-object.ts'
import type { PackRecord, SealedPack } from '../pack/pack-format.ts'
import { BlockCache } from './block-cache.ts'
import { PackRecords } from './pack-records.ts'
import { PackTable } from './pack-table.ts'
import { decodeIndexRecord, INDEX_RECORD_BYTES } from './segment.ts'
import type { SegmentFile } from './segment-file.ts'
import { SegmentTable } from './segment-table.ts'

export interface ChunkLocation {
  readonly pack: string
  readonly record: PackRecord
  /** Further copies, where there are any: a chunk whose pack was damaged is stored again, and both are listed. */
  readonly others?: readonly ChunkLocation[]
}

/** A segment, and where its chunks stand in it. */
export interface IndexPart {
  readonly file: SegmentFile
  readonly table: SegmentTable
}

/** Records that stand together, for those who go through all of them. */
export interface RecordBlock {
  /** Of the first. */
  readonly ordinal: number
  readonly count: number
  /** As in a segment: docs/format.md §8. Valid until the next block. */
  readonly records: Buffer
  /** The number in the index's `packs`, by the number in a record; undefined for packs that no segment lists. */
  packNumber(number: number): number | undefined
  /** The pack's name, by the number in a record. */
  pack(number: number): string
}

/** Asked when a chunk is not found: adds what segments do not list, or could not be read. True if there is something new. */
export type Completion = (index: ChunkIndex) => boolean

export interface IndexOptions {
  readonly complete?: Completion
  /** The packs with what is known of them; without it, all count as whole. */
  readonly packs?: (listed: PackTable) => PackTable
  /** `find` answers with a pack that can't be used rather than with nothing. */
  readonly tellsUnusable?: boolean
  /** Opened before over the same store: what it has read of segments that are still there is not read again. */
  readonly earlier?: ChunkIndex
  /** Asked besides: an index that several share, to which this one adds what is its own. `find`, `ids` and `packs` tell of it, the rest is of this one alone. */
  readonly below?: ChunkIndex
}

/** About 1400 blocks. */
const CACHE_BYTES = 67_108_864
const MOST_BLOCKS = 2 ** 32

export class ChunkIndex {
  /** Those that segments list. */
  readonly packs: PackTable
  readonly parts: readonly IndexPart[]
  /** First ordinal of each part. */
  readonly #starts: number[] = []
  readonly #listed: number = 0
  readonly #added = new PackRecords()
  readonly #cache = new BlockCache(CACHE_BYTES)
  readonly #complete: Completion | undefined
  readonly #tellsUnusable: boolean
  readonly #below: ChunkIndex | undefined

  constructor(segments: readonly SegmentFile[] = [], options: IndexOptions = {}) {
    const { packs, numbers } = PackTable.of(segments.map(({ head }) => head.packs))
    this.#below = options.below
    this.packs = this.#below?.packs ?? options.packs?.(packs) ?? packs
    this.#complete = options.complete
    this.#tellsUnusable = options.tellsUnusable ?? false
    const read = new Map(options.earlier?.parts.map(({ file, table }) => [file.name, table.memory]))
    this.parts = segments.map((file, i) => {
      const { count, perBlock, fences } = file.head
      const packsOf = numbers[i] as Uint32Array
      const known = read.get(file.name)
      const memory = known
        ? { ...known, packs: packsOf.buffer as SharedArrayBuffer }
        : SegmentTable.memoryFor(count, perBlock, fences, packsOf)
      return { file, table: new SegmentTable(memory, this.packs, (block) => readOrUndefined(file, block)) }
    })
    for (const { head } of segments) {
      this.#starts.push(this.#listed)
      this.#listed += head.count
    }
  }

  /** Records, of which a chunk that stands in several packs has several. */
  get size(): number {
    return this.#listed + this.#added.size
  }

  /** What it takes when all of it was asked for. */
  get memoryBytes(): number {
    const tables = this.parts.reduce((sum, { table }) => sum + table.memoryBytes, 0)
    return tables + this.packs.memoryBytes + this.#added.memoryBytes + this.#cache.bytes
  }

  /** Segments of which a block could not be read so far. */
  get damagedSegments(): string[] {
    return this.parts.filter(({ table }) => table.hasDamage).map(({ file }) => file.name)
  }

  /** `isUsable` is asked for each chunk. */
  addPack(pack: SealedPack, isUsable: (pack: string, id: Buffer) => boolean = () => true): void {
    this.#added.add(pack, isUsable)
  }

  /** Copies in packs that are there; to a reader, one in a pack that is not is better than none: it says what is wrong. */
  find(id: Buffer): ChunkLocation | undefined {
    return joined(this.#findHere(id), this.#below?.find(id))
  }

  #findHere(id: Buffer): ChunkLocation | undefined {
    const found = this.#find(id) ?? (this.#complete?.(this) ? this.#find(id) : undefined)
    return found ?? (this.#tellsUnusable ? this.#find(id, true) : undefined)
  }

  #find(id: Buffer, also = false): ChunkLocation | undefined {
    let first: ChunkLocation | undefined
    let others: ChunkLocation[] | undefined
    for (const ordinal of this.ordinalsOf(id)) {
      const location = this.#usableAt(ordinal, id, also)
      if (!location) continue
      if (!first) first = location
      else if ([first, ...(others ?? [])].some((one) => isSamePlace(one, location))) continue
      else if (others) others.push(location)
      else others = [location]
    }
    return first && others ? { ...first, others } : first
  }

  #usableAt(ordinal: number, id: Buffer, also: boolean): ChunkLocation | undefined {
    if (ordinal >= this.#listed) return this.#added.recordAt(ordinal - this.#listed)
    const { part, number } = this.#place(ordinal)
    if (!also && !this.packs.isUsable(part.table.packOf(number), id, 0)) return undefined
    const location = this.#listedAt(ordinal)
    // The table of a segment compares 17 bytes.
    return location?.record.id.equals(id) ? location : undefined
  }

  /** Of all records of a chunk, also of those in packs that can't be used. */
  ordinalsOf(id: Uint8Array): number[] {
    const found: number[] = []
    for (const [i, { table }] of this.parts.entries()) {
      for (const number of table.numbersOf(id)) found.push((this.#starts[i] as number) + number)
    }
    for (const number of this.#added.numbersOf(id)) found.push(this.#listed + number)
    return found
  }

  /** Undefined where its block can't be read. */
  recordAt(ordinal: number): { readonly pack: string; readonly record: PackRecord } | undefined {
    return ordinal >= this.#listed ? this.#added.recordAt(ordinal - this.#listed) : this.#listedAt(ordinal)
  }

  #listedAt(ordinal: number): { pack: string; record: PackRecord } | undefined {
    const { part, index, number } = this.#place(ordinal)
    const { perBlock } = part.file.head
    const block = Math.floor(number / perBlock)
    const records = this.#block(index, part, block)
    if (!records) return undefined
    const record = decodeIndexRecord(records, (number - block * perBlock) * INDEX_RECORD_BYTES)
    return { pack: this.packs.nameOf(part.table.packOf(number)), record }
  }

  #block(index: number, { file, table }: IndexPart, block: number): Buffer | undefined {
    const key = index * MOST_BLOCKS + block
    const cached = this.#cache.get(key)
    if (cached) return cached
    const records = readOrUndefined(file, block)
    if (!records) return undefined
    table.fill(block, records)
    this.#cache.add(key, records)
    return records
  }

  #place(ordinal: number): { part: IndexPart; index: number; number: number } {
    let index = this.#starts.length - 1
    while ((this.#starts[index] as number) > ordinal) index--
    return { part: this.parts[index] as IndexPart, index, number: ordinal - (this.#starts[index] as number) }
  }

  /** All records of segments, then of added packs, by ordinal. Blocks that can't be read are left out. One block is in memory at a time. */
  *blocks(): Generator<RecordBlock> {
    for (const [i, { file, table }] of this.parts.entries()) {
      const { perBlock, blockCount } = file.head
      for (let k = 0; k < blockCount; k++) {
        const records = readOrUndefined(file, k)
        if (!records) {
          table.load(k)
          continue
        }
        yield {
          ordinal: (this.#starts[i] as number) + k * perBlock,
          count: records.length / INDEX_RECORD_BYTES,
          records,
          packNumber: (number) => table.packNumber(number),
          pack: (number) => this.packs.nameOf(table.packNumber(number)),
        }
      }
    }
    for (const { first, pack, records } of this.#added.parts()) {
      const count = records.length / INDEX_RECORD_BYTES
      yield { ordinal: this.#listed + first, count, records, packNumber: () => undefined, pack: () => pack }
    }
  }

  /** Ids of what is usable, in no order; a chunk that stands in several packs comes several times. */
  *ids(): Generator<Buffer> {
    for (const [i, { file, table }] of this.parts.entries()) {
      for (let k = 0; k < file.head.blockCount; k++) {
        const records = this.#block(i, { file, table }, k)
        if (!records) continue
        for (let at = 0, n = k * file.head.perBlock; at < records.length; at += INDEX_RECORD_BYTES, n++) {
          if (this.packs.isUsable(table.packOf(n), records, at)) yield records.subarray(at, at + 32)
        }
      }
    }
    yield* this.addedIds()
    if (this.#below) yield* this.#below.ids()
  }

  *addedIds(): Generator<Buffer> {
    for (const number of this.#added.numbers()) yield this.#added.recordAt(number).record.id
  }

  *addedIdsIn(pack: string): Generator<Buffer> {
    for (const number of this.#added.numbers()) {
      const added = this.#added.recordAt(number)
      if (added.pack === pack) yield added.record.id
    }
  }

  /** All chunks of one pack. Looks through the whole index: for what happens rarely. */
  *idsIn(pack: string): Generator<Buffer> {
    for (const { records, pack: nameOf } of this.blocks()) {
      for (let at = 0; at < records.length; at += INDEX_RECORD_BYTES) {
        if (nameOf(records.readUIntLE(at + 32, 3)) === pack) yield Buffer.from(records.subarray(at, at + 32))
      }
    }
  }

  /** Names of the segments that have a block which can't be read: all of them are. */
  readAll(): string[] {
    for (const { file, table } of this.parts) for (let k = 0; k < file.head.blockCount; k++) table.load(k)
    return this.damagedSegments
  }

  close(): void {
    for (const { file } of this.parts) file.close()
  }
}

/** Copies of both; each once. */
function joined(a: ChunkLocation | undefined, b: ChunkLocation | undefined): ChunkLocation | undefined {
  if (!a || !b) return a ?? b
  const all = [a, ...(a.others ?? [])]
  const more = [b, ...(b.others ?? [])].filter((one) => !all.some((other) => isSamePlace(one, other)))
  const others = [...all.slice(1), ...more]
  return others.length > 0 ? { pack: a.pack, record: a.record, others } : a
}

function isSamePlace(a: ChunkLocation, b: ChunkLocation): boolean {
  return a.pack === b.pack && a.record.offset === b.record.offset
}

function readOrUndefined(file: SegmentFile, block: number): Buffer | undefined {
  try {
    return file.block(block)
  } catch (error) {
    if (error instanceof SealedObjectError) return undefined
    throw error
  }
}
