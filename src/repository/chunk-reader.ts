/**
 * Reads chunks by where they are: sorted by pack and offset, neighbours in one read, every byte checked.
 * Works in a worker thread with nothing but a store and keys.
 */
import { equalBytes } from '../base/bytes.ts'
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { ObjectStore, OpenObject } from '../storage/index.ts'
import { repositoryError } from './errors.ts'
import type { ChunkIndex, ChunkLocation } from './index/chunk-index.ts'
import { MovedChunks } from './index/moved-chunks.ts'
import { CHUNK_TYPE, chunkId, type RepositoryKeys } from './keys/hierarchy.ts'
import { PACK_HEADER_BYTES } from './pack/pack-format.ts'
import { decodePackHeader, type OpenedEntry, openEntry, type PackHeader, type RoomFor } from './pack/pack-reader.ts'
import { getPack, openPackNow } from './pack/pack-source.ts'

/** One read is at most this long, and bridges gaps up to `BRIDGED_BYTES`. */
const READ_BYTES = 8_388_608
/** Where answers come at once, a longer read only takes more memory. */
const IMMEDIATE_READ_BYTES = 2_097_152
const BRIDGED_BYTES = 131_072
/** Packs that are held open, where the store answers at once. Reads go through them in order, so a few are enough. */
const MOST_OPEN = 8

/** Memory of the caller's, used again and again: what is allocated for every read keeps the garbage collector busy. */
export interface Rooms {
  /** For the content of one chunk. */
  readonly content: RoomFor
  /** For bytes as they are in packs: done with when the next are asked for. */
  readonly sealed: RoomFor
}

export class ChunkReader {
  readonly #store: ObjectStore
  readonly #keys: RepositoryKeys
  readonly #headers = new Map<string, PackHeader>()
  /** Least recently used first. */
  readonly #opened = new Map<string, OpenObject>()
  readonly #moved: MovedChunks

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#store = store
    this.#keys = keys
    this.#moved = new MovedChunks(store, keys)
  }

  /** From the first copy that is whole. */
  async read(op: Operation, location: ChunkLocation): Promise<Buffer> {
    return (await this.open(op, location)).content
  }

  /** Like `read`, with the bytes as they were stored: for copies into another repository. */
  async open(op: Operation, location: ChunkLocation): Promise<OpenedEntry> {
    let failure: Error | undefined
    const tried = new Set<string>()
    for (let next: ChunkLocation | undefined = location; next; ) {
      let isMissing = false
      for (const copy of [next, ...(next.others ?? [])]) {
        try {
          return await this.#readCopy(op, copy)
        } catch (error) {
          if (!isDamage(error)) throw error
          failure ??= error
          isMissing ||= hasCode(error, 'PACK_MISSING')
          tried.add(copy.pack)
        }
      }
      // A prune may have written it anew, and that again.
      next = isMissing ? await this.#moved.find(op, location.record.id, tried) : undefined
    }
    throw failure
  }

  async #readCopy(op: Operation, { pack, record }: ChunkLocation): Promise<OpenedEntry> {
    const header = await this.#header(op, pack)
    const sealed = await this.#read(op, pack, record.offset, record.storedBytes)
    return openEntry(this.#keys, pack, header, record, sealed)
  }

  /**
   * Yields each location with its content, in an order of its own; damage of one chunk is yielded as an error in place of its content,
   * so that the others still come. Faults of the medium throw. With `rooms` content is written into what they give, but for what had to be read again.
   */
  async *readMany(
    op: Operation,
    locations: readonly ChunkLocation[],
    rooms?: Rooms,
  ): AsyncGenerator<{ location: ChunkLocation; content: Buffer | Error }> {
    for await (const { location, opened } of this.#openAll(op, locations, rooms)) {
      yield { location, content: opened instanceof Error ? opened : opened.content }
    }
  }

  /** Like `readMany`, with the bytes as they were stored. */
  openMany(op: Operation, locations: readonly ChunkLocation[]): AsyncGenerator<{ location: ChunkLocation; opened: OpenedEntry | Error }> {
    return this.#openAll(op, locations, undefined)
  }

  async *#openAll(
    op: Operation,
    locations: readonly ChunkLocation[],
    rooms: Rooms | undefined,
  ): AsyncGenerator<{ location: ChunkLocation; opened: OpenedEntry | Error }> {
    for (const run of planReads(locations, this.#store.immediate ? IMMEDIATE_READ_BYTES : READ_BYTES)) {
      op.check()
      for await (const { location, opened } of this.#readRun(op, run, rooms)) {
        yield { location, opened: opened instanceof Error ? await this.#readOther(op, location, opened) : opened }
      }
    }
  }

  async #readOther(op: Operation, location: ChunkLocation, failure: Error): Promise<OpenedEntry | Error> {
    if (!location.others && !hasCode(failure, 'PACK_MISSING')) return failure
    try {
      return await this.open(op, location)
    } catch (error) {
      if (isDamage(error)) return failure
      throw error
    }
  }

  async *#readRun(
    op: Operation,
    run: ReadRun,
    rooms: Rooms | undefined,
  ): AsyncGenerator<{ location: ChunkLocation; opened: OpenedEntry | Error }> {
    let bytes: Buffer | undefined
    let header: PackHeader | undefined
    let failure: Error | undefined
    try {
      const fromStart = run.offset === PACK_HEADER_BYTES && !this.#headers.has(run.pack)
      const offset = fromStart ? 0 : run.offset
      const read = await this.#read(op, run.pack, offset, run.end - offset, rooms?.sealed)
      if (fromStart) this.#remember(run.pack, decodePackHeader(this.#keys, run.pack, read))
      bytes = read.subarray(run.offset - offset)
      header = await this.#header(op, run.pack)
    } catch (error) {
      if (!isDamage(error)) throw error
      failure = error
    }
    for (const location of run.locations) {
      if (!bytes || !header) {
        yield { location, opened: failure ?? new Error('unreachable') }
        continue
      }
      const at = location.record.offset - run.offset
      yield { location, opened: this.#open(header, location, bytes.subarray(at, at + location.record.storedBytes), rooms?.content) }
    }
  }

  #open(header: PackHeader, location: ChunkLocation, sealed: Buffer, roomFor: RoomFor | undefined): OpenedEntry | Error {
    try {
      return openEntry(this.#keys, location.pack, header, location.record, sealed, roomFor)
    } catch (error) {
      if (isDamage(error)) return error
      throw error
    }
  }

  async #header(op: Operation, pack: string): Promise<PackHeader> {
    const cached = this.#headers.get(pack)
    return cached ?? this.#remember(pack, decodePackHeader(this.#keys, pack, await this.#read(op, pack, 0, PACK_HEADER_BYTES)))
  }

  /** By what answers at once, if the store has it: to ask a thread pool and wait costs more than the bytes do. */
  async #read(op: Operation, pack: string, offset: number, length: number, roomFor?: RoomFor): Promise<Buffer> {
    const { immediate } = this.#store
    if (!immediate) return getPack(op, this.#store, pack, { offset, length })
    op.check()
    let object = this.#opened.get(pack)
    if (object) this.#opened.delete(pack)
    else object = openPackNow(immediate, pack)
    this.#opened.set(pack, object)
    if (this.#opened.size > MOST_OPEN) {
      const [oldest, unused] = this.#opened.entries().next().value as [string, OpenObject]
      this.#opened.delete(oldest)
      unused.close()
    }
    return object.read(offset, length, roomFor?.(length))
  }

  /** Whether bytes from elsewhere are the content of a data chunk. */
  isContent(id: Buffer, bytes: Uint8Array): boolean {
    return equalBytes(chunkId(this.#keys, CHUNK_TYPE.data, bytes), id)
  }

  /** Lets go of what it holds open; it may go on to be used. */
  close(): void {
    for (const object of this.#opened.values()) object.close()
    this.#opened.clear()
  }

  #remember(pack: string, header: PackHeader): PackHeader {
    if (this.#headers.size > 4096) this.#headers.clear()
    // A copy: the header would keep the whole read alive.
    const kept = { ...header, bytes: Buffer.from(header.bytes) }
    this.#headers.set(pack, kept)
    return kept
  }
}

interface ReadRun {
  readonly pack: string
  readonly offset: number
  end: number
  readonly locations: ChunkLocation[]
}

/** Pure: sorted by pack and offset, coalesced. A chunk that is asked for twice is read once. */
export function planReads(locations: readonly ChunkLocation[], mostBytes = READ_BYTES): ReadRun[] {
  const sorted = [...locations].sort((a, b) => (a.pack < b.pack ? -1 : a.pack > b.pack ? 1 : a.record.offset - b.record.offset))
  const runs: ReadRun[] = []
  let run: ReadRun | undefined
  for (const location of sorted) {
    const { offset, storedBytes } = location.record
    const end = offset + storedBytes
    if (run && run.pack === location.pack && offset < run.end) continue
    if (run && run.pack === location.pack && offset - run.end <= BRIDGED_BYTES && end - run.offset <= mostBytes) {
      run.end = end
      run.locations.push(location)
    } else {
      run = { pack: location.pack, offset, end, locations: [location] }
      runs.push(run)
    }
  }
  return runs
}

/** CHUNK_MISSING when no index entry is known. */
export function locate(index: ChunkIndex, id: Buffer): ChunkLocation {
  const location = index.find(id)
  if (location) return location
  const hex = id.toString('hex')
  throw repositoryError('CHUNK_MISSING', `chunk ${hex.slice(0, 12)}… is in no pack`, { context: { chunk: hex } })
}

function isDamage(error: unknown): error is Error {
  return error instanceof Error && 'kind' in error && error.kind === 'corrupt'
}
