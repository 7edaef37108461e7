/**
 * The content of the chunks of one window, in memory that is used again for the next: what a lane allocates does not grow with what it restores.
 * A chunk that the next window needs too stays: batches go on where the one before ended, often inside the same bundle.
 */
import type { Operation } from '../../base/operation.ts'
import type { ChunkLocation, ChunkReader } from '../../repository/index.ts'
import { archiveError } from '../errors.ts'
import { idOf, locationOf } from './batch.ts'
import type { ChunkTable } from './plan.ts'
import { WINDOW_BYTES } from './windows.ts'

const LEAST_BYTES = 65_536

interface Held {
  readonly content: Buffer | Error
  /** To be used again; undefined when the content is in memory of its own. */
  readonly room: Buffer | undefined
}

export class WindowContents {
  readonly #reader: ChunkReader
  readonly #spare: Buffer[] = []
  #spareBytes = 0
  #held = new Map<string, Held>()
  #asked: Buffer | undefined

  constructor(reader: ChunkReader) {
    this.#reader = reader
  }

  /** What comes back is valid until the next call. */
  async read(op: Operation, table: ChunkTable, numbers: ReadonlySet<number>): Promise<(number: number) => Buffer | Error> {
    const next = new Map<string, Held>()
    const wanted: ChunkLocation[] = []
    for (const number of numbers) {
      const key = idOf(table, number).toString('latin1')
      const there = this.#held.get(key)
      if (there) next.set(key, there)
      else wanted.push(locationOf(table, number))
    }
    // What this window does not need is let go before anything new is read.
    for (const [key, { room }] of this.#held) if (room && !next.has(key)) this.#give(room)
    this.#held = next
    for await (const { location, content } of this.#reader.readMany(op, wanted, (bytes) => this.#take(bytes))) {
      const isOurs = Buffer.isBuffer(content) && content.buffer === this.#asked?.buffer
      if (!isOurs && this.#asked) this.#give(this.#asked)
      next.set(location.record.id.toString('latin1'), { content, room: isOurs ? this.#asked : undefined })
      this.#asked = undefined
    }
    return (number) => {
      const id = idOf(table, number)
      return (
        next.get(id.toString('latin1'))?.content ?? archiveError('TREE_DAMAGED', `chunk ${id.toString('hex').slice(0, 12)}… was not read`)
      )
    }
  }

  /** The smallest that will do: sizes are powers of two, so that few stand for all. */
  #take(bytes: number): Buffer {
    if (this.#asked) this.#give(this.#asked)
    let best = -1
    this.#spare.forEach((room, i) => {
      if (room.length >= bytes && (best < 0 || room.length < (this.#spare[best] as Buffer).length)) best = i
    })
    const found = best >= 0 ? (this.#spare.splice(best, 1)[0] as Buffer) : undefined
    if (found) this.#spareBytes -= found.length
    this.#asked = found ?? Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes))))
    return this.#asked
  }

  #give(room: Buffer): void {
    if (this.#spareBytes + room.length > WINDOW_BYTES) return
    this.#spare.push(room)
    this.#spareBytes += room.length
  }
}
