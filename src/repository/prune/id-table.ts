/**
 * The ids of one segment as a prune keeps them in memory, to find the numbers of a chunk's records: eight bytes of each, and where those begin that have the
 * same first bits. Ten million take 85 MB; a table for writers, which holds the packs too, takes twice that.
 *
 * At least 64 bits are compared, and 80 where there are many records. Of two ids in the segment that agree in these the table knows, because they stand
 * side by side when it is made.
 */
import { invariant } from '../../base/errors.ts'
import { INDEX_RECORD_BYTES } from '../index/segment.ts'

/** On average. */
const IDS_A_BUCKET = 8
const MOST_BITS = 24
const ID_BYTES = 32

export class IdTable {
  readonly #starts: Uint32Array
  readonly #words: Uint32Array
  readonly #shift: number
  /** Of the first byte that is kept. */
  readonly #from: number
  #count = 0
  /** The first bucket that has no start yet. */
  #next = 0
  #last = Buffer.alloc(0)
  /** Different ids begin alike: what is found has to be compared with all of an id. */
  hasAlike = false

  constructor(size: number) {
    const bits = Math.min(MOST_BITS, Math.max(1, Math.ceil(Math.log2(Math.max(1, size / IDS_A_BUCKET)))))
    this.#shift = 32 - bits
    this.#from = bits >> 3
    this.#starts = new Uint32Array(2 ** bits + 1)
    this.#words = new Uint32Array(size * 2)
  }

  /** Blocks in their order, all of them; then `finish`. */
  addBlock(records: Buffer): void {
    for (let at = 0; at < records.length; at += INDEX_RECORD_BYTES) {
      const n = this.#count++
      const bucket = wordAt(records, at) >>> this.#shift
      invariant(bucket >= this.#next - 1, 'the records of a segment are sorted by id')
      while (this.#next <= bucket) this.#starts[this.#next++] = n
      const first = wordAt(records, at + this.#from)
      const second = wordAt(records, at + this.#from + 4)
      this.#words[n * 2] = first
      this.#words[n * 2 + 1] = second
      if (n > 0 && this.#words[n * 2 - 2] === first && this.#words[n * 2 - 1] === second) this.#compare(records, at)
    }
    const last = records.length - INDEX_RECORD_BYTES
    if (last >= 0) this.#last = Buffer.from(records.subarray(last, last + ID_BYTES))
  }

  finish(): void {
    this.#starts.fill(this.#count, this.#next)
  }

  #compare(records: Buffer, at: number): void {
    const before = at === 0 ? this.#last : records.subarray(at - INDEX_RECORD_BYTES, at - INDEX_RECORD_BYTES + ID_BYTES)
    this.hasAlike ||= records.compare(before, 0, ID_BYTES, at, at + ID_BYTES) !== 0
  }

  /** Adds the numbers of records that begin like this id, each with `first` added to it. */
  find(id: Uint8Array, first: number, found: number[]): void {
    const bucket = wordAt(id, 0) >>> this.#shift
    const end = this.#starts[bucket + 1] as number
    const one = wordAt(id, this.#from)
    const two = wordAt(id, this.#from + 4)
    for (let n = this.#starts[bucket] as number; n < end; n++) {
      if (this.#words[n * 2] === one && this.#words[n * 2 + 1] === two) found.push(first + n)
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}
