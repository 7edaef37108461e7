/**
 * The index as a prune needs it: all records of all segments, once, in their order, each with a number; the numbers of a chunk's records; and, seldom, a whole
 * record. Everything is read when it is opened. What is kept of it in memory is a third of what a writer keeps: no more than nine bytes a record.
 */
import { SealedObjectError } from '../format/sealed-object.ts'
import { BlockCache } from '../index/block-cache.ts'
import type { ChunkLocation, RecordBlock } from '../index/chunk-index.ts'
import { PackTable } from '../index/pack-table.ts'
import { decodeIndexRecord, INDEX_RECORD_BYTES } from '../index/segment.ts'
import type { SegmentFile } from '../index/segment-file.ts'
import { CHUNK_TYPE } from '../keys/hierarchy.ts'
import { Bitmap } from './bitmap.ts'
import { pruneError } from './errors.ts'
import { IdTable } from './id-table.ts'

/** Of blocks of which whole records were asked for. */
const CACHE_BYTES = 8_388_608
const MOST_BLOCKS = 2 ** 32

interface Part {
  readonly file: SegmentFile
  /** The ordinal of its first record. */
  readonly start: number
  /** The PackTable's number of a pack, by its number in the segment. */
  readonly packs: Uint32Array
  readonly ids: IdTable
}

export class SurveyIndex {
  /** Number of records. */
  readonly size: number
  readonly packs: PackTable
  /** Tree pages and content lists: what a walk has to read. */
  readonly trees: Bitmap
  #parts: readonly Part[]
  readonly #cache = new BlockCache(CACHE_BYTES)

  /** PRUNE_UNREADABLE. The files are closed with it, or when it can't be made. */
  constructor(files: readonly SegmentFile[]) {
    const { packs, numbers } = PackTable.of(files.map(({ head }) => head.packs))
    this.packs = packs
    let start = 0
    this.#parts = files.map((file, i) => {
      const part = { file, start, packs: numbers[i] as Uint32Array, ids: new IdTable(file.head.count) }
      start += file.head.count
      return part
    })
    this.size = start
    this.trees = new Bitmap(start)
    try {
      for (const part of this.#parts) this.#read(part)
    } catch (error) {
      this.close()
      throw error
    }
  }

  #read({ file, start, ids }: Part): void {
    let ordinal = start
    for (let k = 0; k < file.head.blockCount; k++) {
      const records = readOrFail(file, k)
      ids.addBlock(records)
      for (let at = 45; at < records.length; at += INDEX_RECORD_BYTES, ordinal++) {
        if (((records[at] as number) & 15) !== CHUNK_TYPE.data) this.trees.set(ordinal)
      }
    }
    ids.finish()
  }

  get segments(): string[] {
    return this.#parts.map(({ file }) => file.name)
  }

  /** The first ordinal of each segment. */
  get starts(): number[] {
    return this.#parts.map(({ start }) => start)
  }

  /** Of all records of a chunk. Also of one whose id merely begins alike, of those that no segment lists: never is one taken for absent that is there. */
  ordinalsOf(id: Uint8Array): number[] {
    const found: number[] = []
    let hasAlike = false
    for (const { ids, start } of this.#parts) {
      ids.find(id, start, found)
      hasAlike ||= ids.hasAlike
    }
    return hasAlike ? this.exactly(found, id) : found
  }

  /** Of these ordinals, those of that very chunk. Reads blocks. */
  exactly(ordinals: readonly number[], id: Uint8Array): number[] {
    return ordinals.filter((ordinal) => this.#recordAt(ordinal).record.id.equals(id))
  }

  find(id: Buffer): ChunkLocation | undefined {
    const copies: ChunkLocation[] = []
    for (const ordinal of this.ordinalsOf(id)) {
      const location = this.#recordAt(ordinal)
      const isKnown = copies.some(({ pack, record }) => pack === location.pack && record.offset === location.record.offset)
      if (!isKnown && location.record.id.equals(id)) copies.push(location)
    }
    const [first, ...others] = copies
    return first && others.length > 0 ? { ...first, others } : first
  }

  #recordAt(ordinal: number): ChunkLocation {
    let index = this.#parts.length - 1
    while ((this.#parts[index] as Part).start > ordinal) index--
    const { file, start, packs } = this.#parts[index] as Part
    const number = ordinal - start
    const block = Math.floor(number / file.head.perBlock)
    const key = index * MOST_BLOCKS + block
    let records = this.#cache.get(key)
    if (!records) {
      records = readOrFail(file, block)
      this.#cache.add(key, records)
    }
    const at = (number - block * file.head.perBlock) * INDEX_RECORD_BYTES
    return { pack: this.packs.nameOf(packs[records.readUIntLE(at + 32, 3)] as number), record: decodeIndexRecord(records, at) }
  }

  /** All records, a block at a time. PRUNE_UNREADABLE where one can't be read that could before: what it lists would count for nothing. */
  *blocks(): Generator<RecordBlock> {
    for (const { file, start, packs } of this.#parts) {
      const packNumber = (number: number) => packs[number] as number
      const pack = (number: number) => this.packs.nameOf(packNumber(number))
      for (let k = 0; k < file.head.blockCount; k++) {
        const records = readOrFail(file, k)
        yield { ordinal: start + k * file.head.perBlock, count: records.length / INDEX_RECORD_BYTES, records, packNumber, pack }
      }
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

  /** Nothing is found in it any more, and the memory of its ids is given back. Fine to repeat. */
  close(): void {
    for (const { file } of this.#parts) file.close()
    this.#parts = []
  }
}

function readOrFail(file: SegmentFile, block: number): Buffer {
  try {
    return file.block(block)
  } catch (error) {
    if (error instanceof SealedObjectError) throw unreadableSegment(file.name, error)
    throw error
  }
}

export function unreadableSegment(name: string, cause?: unknown): Error {
  return pruneError('PRUNE_UNREADABLE', `the index segment ${name} can not be read`, { cause, context: { object: name } })
}
