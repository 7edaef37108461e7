/**
 * The content of the chunks of one window, in memory that is used again for the one after the next: what a lane allocates does not grow with what it
 * restores, and nothing is left to the garbage collector. A chunk that the next window needs too is not read again: batches go on where the one before
 * ended, often inside the same bundle.
 */
import type { Operation } from '../../base/operation.ts'
import type { ChunkLocation, ChunkReader, Rooms } from '../../repository/index.ts'
import { archiveError } from '../errors.ts'
import { contentBytesOf, idOf, locationOf } from './batch.ts'
import type { ChunkTable } from './plan.ts'

/** Memory grows by such steps: few, so that it soon has the size that it keeps. */
const STEP_BYTES = 1_048_576
/** Whole cache lines. */
const ALIGNED_BYTES = 64

export class WindowContents {
  readonly #reader: ChunkReader
  #held = new Map<string, Buffer | Error>()
  #window = new Arena()
  #before = new Arena()
  #sealed: Buffer = Buffer.alloc(0)
  readonly #rooms: Rooms = {
    content: (bytes) => this.#window.take(bytes),
    sealed: (bytes) => {
      if (this.#sealed.length < bytes) this.#sealed = Buffer.allocUnsafeSlow(roundedUp(bytes))
      return this.#sealed
    },
  }

  constructor(reader: ChunkReader) {
    this.#reader = reader
  }

  /** What comes back is valid until the next call. */
  async read(op: Operation, table: ChunkTable, numbers: ReadonlySet<number>): Promise<(number: number) => Buffer | Error> {
    const before = this.#held
    this.#held = new Map()
    ;[this.#window, this.#before] = [this.#before, this.#window]
    let bytes = 0
    for (const number of numbers) bytes += aligned(contentBytesOf(table, number))
    this.#window.empty(bytes)
    const wanted: ChunkLocation[] = []
    for (const number of numbers) {
      const key = idOf(table, number).toString('latin1')
      const there = before.get(key)
      if (there) this.#held.set(key, Buffer.isBuffer(there) ? this.#keep(there) : there)
      else wanted.push(locationOf(table, number))
    }
    for await (const { location, content } of this.#reader.readMany(op, wanted, this.#rooms)) {
      this.#held.set(location.record.id.toString('latin1'), content)
    }
    return (number) => {
      const id = idOf(table, number)
      return this.#held.get(id.toString('latin1')) ?? archiveError('TREE_DAMAGED', `chunk ${id.toString('hex').slice(0, 12)}… was not read`)
    }
  }

  /** Its memory is that of the window after this one. */
  #keep(content: Buffer): Buffer {
    const room = this.#window.take(content.length).subarray(0, content.length)
    content.copy(room)
    return room
  }
}

/** Memory that is given out piece by piece, and taken back all at once. */
class Arena {
  #memory: Buffer = Buffer.alloc(0)
  #used = 0

  /** What was given out is void. */
  empty(bytes: number): void {
    if (this.#memory.length < bytes) this.#memory = Buffer.allocUnsafeSlow(roundedUp(bytes))
    this.#used = 0
  }

  /** More than was said comes from elsewhere: a damaged chunk may claim anything. */
  take(bytes: number): Buffer {
    const start = this.#used
    const end = start + aligned(bytes)
    if (end > this.#memory.length) return Buffer.allocUnsafeSlow(bytes)
    this.#used = end
    return this.#memory.subarray(start, start + bytes)
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNED_BYTES) * ALIGNED_BYTES
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
}
