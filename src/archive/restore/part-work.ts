/**
 * One part of a large file: what the old file has at the same place is kept, the rest is read from the repository and written at its offset. The old
 * bytes count as little as any others: a range is the same only if it has the id of the chunk, or equals its checked content.
 */
import type { Operation } from '../../base/operation.ts'
import { punchHole, readFully, startWriteback, writeFully } from '../../platform/index.ts'
import type { ChunkReader } from '../../repository/index.ts'
import { contentBytesOf, EXTENT_NUMBERS, idOf } from './batch.ts'
import type { Part, PartResult } from './plan.ts'
import type { WindowContents } from './window-contents.ts'
import { planWindows } from './windows.ts'

const ZEROS = Buffer.alloc(65_536)
/** A longer hole is made without a look: to read it would take longer. (Where a file system says that they are is not to be trusted.) */
const MOST_LOOKED_AT = 1_073_741_824

export class PartWork {
  readonly #part: Part
  readonly #reader: ChunkReader
  /** By row: where the extent begins in the file. */
  readonly #positions: Float64Array
  readonly #rows: number
  /** Rows that are as they should be. */
  readonly #done = new Set<number>()
  #old: Buffer
  #bytesWritten = 0
  #bytesSame = 0
  #differs = false

  /** `room` is used for what is read from the old file, and given back larger if need be. */
  constructor(part: Part, reader: ChunkReader, room: Buffer) {
    this.#part = part
    this.#reader = reader
    this.#old = room
    this.#rows = part.extents.length / EXTENT_NUMBERS
    this.#positions = new Float64Array(this.#rows)
    let position = part.position
    for (let row = 0; row < this.#rows; row++) {
      this.#positions[row] = position
      position += this.#extent(row).length
    }
  }

  get room(): Buffer {
    return this.#old
  }

  #extent(row: number): { chunk: number; offset: number; length: number } {
    const [chunk = -1, offset = 0, length = 0] = this.#part.extents.subarray(row * EXTENT_NUMBERS)
    return { chunk, offset, length }
  }

  async run(op: Operation, contents: WindowContents): Promise<PartResult> {
    this.#keepWhatIsThere(op)
    if (this.#part.fd !== undefined || !this.#differs) await this.#fromRepository(op, contents)
    return { bytesWritten: this.#bytesWritten, bytesSame: this.#bytesSame, differs: this.#differs }
  }

  /** Holes, and whole chunks: for these nothing has to be read from the repository. */
  #keepWhatIsThere(op: Operation): void {
    const { fd, old } = this.#part
    for (let row = 0; row < this.#rows; row++) {
      op.check()
      const { chunk, offset, length } = this.#extent(row)
      if (chunk < 0) this.#hole(row, length)
      else if (old !== undefined && this.#isWhole(chunk, offset, length)) {
        const there = this.#readOld(row, length)
        if (there && this.#reader.isContent(idOf(this.#part, chunk), there)) this.#same(row, there)
        else this.#differs = true
      }
      if (fd === undefined && this.#differs) return
    }
  }

  #isWhole(chunk: number, offset: number, length: number): boolean {
    return offset === 0 && length === contentBytesOf(this.#part, chunk)
  }

  #hole(row: number, length: number): void {
    this.#done.add(row)
    const { fd, old } = this.#part
    // A new file has nothing there.
    if (old === undefined || (fd !== undefined && fd !== old)) return
    if (length <= MOST_LOOKED_AT && this.#isZero(row, length)) {
      this.#bytesSame += length
      return
    }
    this.#differs = true
    if (fd === undefined) return
    const position = this.#positions[row] as number
    if (punchHole(fd, position, length)) return
    for (let at = 0; at < length; at += ZEROS.length) writeFully(fd, ZEROS, 0, Math.min(ZEROS.length, length - at), position + at)
  }

  #isZero(row: number, length: number): boolean {
    const { old } = this.#part
    const position = this.#positions[row] as number
    this.#makeRoom(ZEROS.length)
    for (let at = 0; at < length; at += ZEROS.length) {
      const wanted = Math.min(ZEROS.length, length - at)
      const got = readFully(old as number, this.#old, 0, wanted, position + at)
      if (got < wanted || this.#old.compare(ZEROS, 0, wanted, 0, wanted) !== 0) return false
    }
    return true
  }

  #makeRoom(bytes: number): void {
    if (this.#old.length < bytes) this.#old = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)))
  }

  /** Undefined when the old file ends before. Valid until the next call. */
  #readOld(row: number, length: number): Buffer | undefined {
    this.#makeRoom(length)
    const got = readFully(this.#part.old as number, this.#old, 0, length, this.#positions[row] as number)
    return got === length ? this.#old.subarray(0, length) : undefined
  }

  #same(row: number, bytes: Buffer): void {
    const { fd, old } = this.#part
    this.#done.add(row)
    this.#bytesSame += bytes.length
    if (fd !== undefined && fd !== old) this.#write(row, bytes)
  }

  #write(row: number, bytes: Buffer): void {
    const { fd } = this.#part
    if (fd === undefined) return
    writeFully(fd, bytes, 0, bytes.length, this.#positions[row] as number)
    this.#bytesWritten += bytes.length
  }

  async #fromRepository(op: Operation, contents: WindowContents): Promise<void> {
    const { fd, old } = this.#part
    const work = {
      table: this.#part,
      files: [0],
      extentsOf: () => ({ from: 0, to: this.#rows }),
      isDropped: () => fd === undefined && this.#differs,
      isThere: (row: number) => this.#done.has(row),
    }
    for (const window of planWindows(work)) {
      op.check()
      const contentOf = await contents.read(op, this.#part, window.chunks)
      for (const { from, to } of window.pieces) {
        for (let row = from; row < to; row++) {
          if (this.#done.has(row)) continue
          const { chunk, offset, length } = this.#extent(row)
          const content = contentOf(chunk)
          if (!Buffer.isBuffer(content)) throw content
          const bytes = content.subarray(offset, offset + length)
          // A whole chunk was compared already.
          const there = old === undefined || this.#isWhole(chunk, offset, length) ? undefined : this.#readOld(row, length)
          if (there?.equals(bytes)) this.#same(row, bytes)
          else {
            this.#differs = true
            this.#write(row, bytes)
          }
        }
        op.check()
      }
      this.#startWriteback(window.pieces)
    }
  }

  #startWriteback(pieces: readonly { readonly from: number; readonly to: number }[]): void {
    const { fd } = this.#part
    const [first, last] = [pieces[0], pieces.at(-1)]
    if (fd === undefined || !first || !last || last.to <= first.from) return
    const start = this.#positions[first.from] as number
    const end = (this.#positions[last.to - 1] as number) + this.#extent(last.to - 1).length
    startWriteback(fd, start, end - start)
  }
}
