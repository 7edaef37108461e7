/**
 * Small reads of packs over a line on which each takes long: what lies around them is fetched too, since the pages of a tree lie side by side and are read one after the
 * other. Long reads go through as they are. What comes is checked by its readers like any bytes of a store.
 */
import type { Operation } from '../base/operation.ts'
import type { ByteRange, ObjectInfo, ObjectStore } from './object-store.ts'

/** Reads that are longer bring enough for one journey. */
const SMALL_BYTES = 262_144
const BLOCK_BYTES = 1_048_576
const MOST_BLOCKS = 24
const IS_PACK = /\.pack$/

export class ReadAhead implements ObjectStore {
  readonly description: string
  readonly checksChunks: boolean
  readonly isNarrow: boolean
  readonly #store: ObjectStore
  readonly #sizes = new Map<string, Promise<number | undefined>>()
  /** Least recently used first. */
  readonly #blocks = new Map<string, Promise<Buffer>>()

  constructor(store: ObjectStore) {
    this.description = store.description
    this.checksChunks = store.checksChunks ?? false
    this.isNarrow = store.isNarrow ?? false
    this.#store = store
  }

  put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    return this.#store.put(op, name, bytes)
  }

  head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    return this.#store.head(op, name)
  }

  list(op: Operation, prefix: string): AsyncIterable<ObjectInfo> {
    return this.#store.list(op, prefix)
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    if (!range || range.length === 0 || range.length > SMALL_BYTES || !IS_PACK.test(name)) return this.#store.get(op, name, range)
    const size = await this.#sizeOf(op, name)
    const end = range.offset + range.length
    // Its own answer says what is wrong.
    if (size === undefined || end > size) return this.#store.get(op, name, range)
    const first = Math.floor(range.offset / BLOCK_BYTES)
    const start = first * BLOCK_BYTES
    const block = await this.#block(op, name, first, size)
    if (end <= start + BLOCK_BYTES) return Buffer.from(block.subarray(range.offset - start, end - start))
    const next = await this.#block(op, name, first + 1, size)
    return Buffer.concat([block.subarray(range.offset - start), next.subarray(0, end - start - BLOCK_BYTES)])
  }

  /** A pack does not change, but for one that is not there yet. */
  #sizeOf(op: Operation, name: string): Promise<number | undefined> {
    return remembered(this.#sizes, name, async () => {
      const size = (await this.#store.head(op, name))?.sizeBytes
      if (size === undefined) this.#sizes.delete(name)
      return size
    })
  }

  #block(op: Operation, name: string, number: number, size: number): Promise<Buffer> {
    const key = `${number} ${name}`
    const block = remembered(this.#blocks, key, () => {
      const offset = number * BLOCK_BYTES
      return this.#store.get(op, name, { offset, length: Math.min(BLOCK_BYTES, size - offset) })
    })
    this.#blocks.delete(key)
    this.#blocks.set(key, block)
    if (this.#blocks.size > MOST_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value as string)
    return block
  }
}

/** Asked once, also by many at a time; what failed is asked again. */
function remembered<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const found = known.get(key)
  if (found) return found
  const asked = ask().catch((error: unknown) => {
    known.delete(key)
    throw error
  })
  known.set(key, asked)
  return asked
}
