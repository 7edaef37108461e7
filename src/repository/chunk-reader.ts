/**
 * Reads chunks by where they are: sorted by pack and offset, neighbours in one read, every byte checked.
 * Works in a worker thread with nothing but a store and keys.
 */
import type { Operation } from '../base/operation.ts'
import type { ObjectStore } from '../storage/index.ts'
import { repositoryError } from './errors.ts'
import type { ChunkIndex, ChunkLocation } from './index/chunk-index.ts'
import type { RepositoryKeys } from './keys/hierarchy.ts'
import { PACK_HEADER_BYTES } from './pack/pack-format.ts'
import { decodePackHeader, type OpenedEntry, openEntry, type PackHeader, readPackHeader } from './pack/pack-reader.ts'
import { getPack } from './pack/pack-source.ts'

/** One read is at most this long, and bridges gaps up to `BRIDGED_BYTES`. */
const READ_BYTES = 8_388_608
const BRIDGED_BYTES = 131_072

export class ChunkReader {
  readonly #store: ObjectStore
  readonly #keys: RepositoryKeys
  readonly #headers = new Map<string, PackHeader>()

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#store = store
    this.#keys = keys
  }

  /** From the first copy that is whole. */
  async read(op: Operation, location: ChunkLocation): Promise<Buffer> {
    return (await this.open(op, location)).content
  }

  /** Like `read`, with the bytes as they were stored: for copies into another repository. */
  async open(op: Operation, location: ChunkLocation): Promise<OpenedEntry> {
    let failure: Error | undefined
    for (const copy of [location, ...(location.others ?? [])]) {
      try {
        return await this.#readCopy(op, copy)
      } catch (error) {
        if (!isDamage(error)) throw error
        failure ??= error
      }
    }
    throw failure
  }

  async #readCopy(op: Operation, { pack, record }: ChunkLocation): Promise<OpenedEntry> {
    const header = await this.#header(op, pack)
    const sealed = await getPack(op, this.#store, pack, { offset: record.offset, length: record.storedBytes })
    return openEntry(this.#keys, pack, header, record, sealed)
  }

  /**
   * Yields each location with its content, in an order of its own; damage of one chunk is yielded as an error in place of its content,
   * so that the others still come. Faults of the medium throw.
   */
  async *readMany(
    op: Operation,
    locations: readonly ChunkLocation[],
  ): AsyncGenerator<{ location: ChunkLocation; content: Buffer | Error }> {
    for await (const { location, opened } of this.openMany(op, locations)) {
      yield { location, content: opened instanceof Error ? opened : opened.content }
    }
  }

  /** Like `readMany`, with the bytes as they were stored. */
  async *openMany(
    op: Operation,
    locations: readonly ChunkLocation[],
  ): AsyncGenerator<{ location: ChunkLocation; opened: OpenedEntry | Error }> {
    for (const run of planReads(locations)) {
      op.check()
      for await (const { location, opened } of this.#readRun(op, run)) {
        yield { location, opened: opened instanceof Error && location.others ? await this.#readOther(op, location, opened) : opened }
      }
    }
  }

  async #readOther(op: Operation, location: ChunkLocation, failure: Error): Promise<OpenedEntry | Error> {
    const [copy, ...others] = location.others ?? []
    if (!copy) return failure
    try {
      return await this.open(op, { ...copy, others })
    } catch (error) {
      if (isDamage(error)) return failure
      throw error
    }
  }

  async *#readRun(op: Operation, run: ReadRun): AsyncGenerator<{ location: ChunkLocation; opened: OpenedEntry | Error }> {
    let bytes: Buffer | undefined
    let header: PackHeader | undefined
    let failure: Error | undefined
    try {
      const fromStart = run.offset === PACK_HEADER_BYTES && !this.#headers.has(run.pack)
      const offset = fromStart ? 0 : run.offset
      const read = await getPack(op, this.#store, run.pack, { offset, length: run.end - offset })
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
      yield { location, opened: this.#open(header, location, bytes.subarray(at, at + location.record.storedBytes)) }
    }
  }

  #open(header: PackHeader, location: ChunkLocation, sealed: Buffer): OpenedEntry | Error {
    try {
      return openEntry(this.#keys, location.pack, header, location.record, sealed)
    } catch (error) {
      if (isDamage(error)) return error
      throw error
    }
  }

  async #header(op: Operation, pack: string): Promise<PackHeader> {
    const cached = this.#headers.get(pack)
    return cached ?? this.#remember(pack, await readPackHeader(op, this.#store, this.#keys, pack))
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
export function planReads(locations: readonly ChunkLocation[]): ReadRun[] {
  const sorted = [...locations].sort((a, b) => (a.pack < b.pack ? -1 : a.pack > b.pack ? 1 : a.record.offset - b.record.offset))
  const runs: ReadRun[] = []
  let run: ReadRun | undefined
  for (const location of sorted) {
    const { offset, storedBytes } = location.record
    const end = offset + storedBytes
    if (run && run.pack === location.pack && offset < run.end) continue
    if (run && run.pack === location.pack && offset - run.end <= BRIDGED_BYTES && end - run.offset <= READ_BYTES) {
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
