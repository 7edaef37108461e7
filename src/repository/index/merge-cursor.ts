/** Walks through the records of one segment in their order, for merging: one block in memory at a time. */
import { SealedObjectError } from '../format/sealed-object.ts'
import { INDEX_RECORD_BYTES } from './segment.ts'
import type { SegmentFile } from './segment-file.ts'

/** A block of this segment can't be read: its records have to come from the packs. */
export class SegmentDamage extends Error {
  readonly segment: SegmentFile

  constructor(segment: SegmentFile, why: string) {
    super(`${segment.name}: ${why}`)
    this.segment = segment
  }
}

export class MergeCursor {
  records: Buffer = Buffer.alloc(0)
  /** Of the current record in `records`. */
  at = 0
  /** The first six bytes of the current id, as a number that sorts like them; infinite at the end. */
  key = 0
  readonly #file: SegmentFile
  /** The pack's number in what is being made, by the number here; -1 for records that are left out. */
  readonly #numbers: Int32Array
  #block = -1

  constructor(file: SegmentFile, numbers: Int32Array) {
    this.#file = file
    this.#numbers = numbers
    this.#settle()
  }

  /** Of the pack of the current record. */
  get pack(): number {
    return this.#numbers[this.records.readUIntLE(this.at + 32, 3)] as number
  }

  advance(): void {
    this.at += INDEX_RECORD_BYTES
    this.#settle()
  }

  /** On to the next record that counts, here or in the blocks that follow. */
  #settle(): void {
    for (;;) {
      if (this.at >= this.records.length) {
        this.#block++
        if (this.#block >= this.#file.head.blockCount) {
          this.key = Number.POSITIVE_INFINITY
          return
        }
        this.records = this.#read(this.#block)
        this.at = 0
      }
      if (this.pack >= 0) {
        this.key = this.records.readUIntBE(this.at, 6)
        return
      }
      this.at += INDEX_RECORD_BYTES
    }
  }

  #read(block: number): Buffer {
    try {
      return this.#file.block(block)
    } catch (error) {
      if (error instanceof SealedObjectError) throw new SegmentDamage(this.#file, error.message)
      throw error
    }
  }
}

/** Of two current records, by id. */
export function compareCursors(a: MergeCursor, b: MergeCursor): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.records.compare(b.records, b.at, b.at + 32, a.at, a.at + 32)
}
