/** The packed arrays of batches: rows are written on the main thread and read, one at a time, by a lane. */
import { CHUNK_TYPE, type ChunkLocation } from '../../repository/index.ts'
import type { Batch, ChunkTable, FileOrder, PlainMetadata } from './plan.ts'

const ID_BYTES = 32
export const EXTENT_NUMBERS = 3
const CHUNK_NUMBERS = 3
const COPY_NUMBERS = 4
const FILE_NUMBERS = 13
const NO_FLAGS = -1

export class ChunkTableBuilder {
  readonly #extents: number[] = []
  readonly #ids: Buffer[] = []
  readonly #chunks: number[] = []
  readonly #copies: number[] = []
  readonly #packs: string[] = []
  readonly #packNumbers = new Map<string, number>()

  get extents(): number {
    return this.#extents.length / EXTENT_NUMBERS
  }

  get chunks(): number {
    return this.#ids.length
  }

  contentBytes(chunk: number): number {
    return this.#chunks[chunk * CHUNK_NUMBERS] as number
  }

  addExtent(chunk: number, offset: number, length: number): void {
    this.#extents.push(chunk, offset, length)
  }

  /** Takes back what was added since there were so many. */
  dropExtents(from: number): void {
    this.#extents.length = from * EXTENT_NUMBERS
  }

  /** Its row. */
  addChunk(location: ChunkLocation): number {
    const { record } = location
    const copies = [location, ...(location.others ?? [])].filter(
      (copy) => copy.record.type === record.type && copy.record.contentBytes === record.contentBytes,
    )
    this.#chunks.push(record.contentBytes, this.#copies.length / COPY_NUMBERS, copies.length)
    for (const { pack, record: spot } of copies) {
      this.#copies.push(this.#packNumber(pack), spot.offset, spot.storedBytes, spot.compression)
    }
    return this.#ids.push(record.id) - 1
  }

  #packNumber(pack: string): number {
    const known = this.#packNumbers.get(pack)
    if (known !== undefined) return known
    const number = this.#packs.push(pack) - 1
    this.#packNumbers.set(pack, number)
    return number
  }

  finish(): ChunkTable {
    return {
      extents: new Float64Array(this.#extents),
      ids: joined(this.#ids),
      chunks: new Float64Array(this.#chunks),
      copies: new Float64Array(this.#copies),
      packs: this.#packs,
    }
  }
}

/** In memory of its own: a message copies the whole memory that a view is of. */
function joined(parts: readonly Buffer[]): Uint8Array {
  const all = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) at += part.copy(all, at)
  return all
}

export class FileTableBuilder {
  readonly #files: number[] = []
  readonly #names: Buffer[] = []
  readonly #xattrs: [number, PlainMetadata['xattrs']][] = []
  #nameBytes = 0

  add(order: Omit<FileOrder, 'name'>, name: Buffer, extents: { readonly from: number; readonly to: number }): void {
    const { metadata } = order
    if (metadata.xattrs.length > 0) this.#xattrs.push([this.#names.length, metadata.xattrs])
    this.#files.push(order.folder, metadata.mode, metadata.uid, metadata.gid, metadata.mtimeSec, metadata.mtimeNs)
    this.#files.push(metadata.flags ?? NO_FLAGS, order.sizeBytes, order.links, order.leads ? 1 : 0)
    this.#nameBytes += name.length
    this.#files.push(this.#nameBytes, extents.from, extents.to)
    this.#names.push(name)
  }

  finish(): Pick<Batch, 'files' | 'names' | 'xattrs'> {
    return { files: new Float64Array(this.#files), names: joined(this.#names), xattrs: this.#xattrs }
  }
}

export function fileCount({ files }: Pick<Batch, 'files'>): number {
  return files.length / FILE_NUMBERS
}

/** Rows of its extents. */
export function extentsOf({ files }: Pick<Batch, 'files'>, file: number): { from: number; to: number } {
  const at = file * FILE_NUMBERS
  return { from: files[at + 11] as number, to: files[at + 12] as number }
}

const NO_XATTRS: PlainMetadata['xattrs'] = []

export function orderOf(batch: Pick<Batch, 'files' | 'names' | 'xattrs'>, file: number): FileOrder {
  const { files, names, xattrs } = batch
  const at = file * FILE_NUMBERS
  const number = (column: number) => files[at + column] as number
  const nameStart = file === 0 ? 0 : (files[at - FILE_NUMBERS + 10] as number)
  const name = Buffer.from(names.buffer, names.byteOffset + nameStart, number(10) - nameStart)
  return {
    folder: number(0),
    name: name.toString('latin1'),
    metadata: {
      mode: number(1),
      uid: number(2),
      gid: number(3),
      mtimeSec: number(4),
      mtimeNs: number(5),
      flags: number(6) === NO_FLAGS ? undefined : number(6),
      xattrs: xattrs.length === 0 ? NO_XATTRS : (xattrs.find(([owner]) => owner === file)?.[1] ?? NO_XATTRS),
    },
    sizeBytes: number(7),
    links: number(8),
    leads: number(9) === 1,
  }
}

export function contentBytesOf({ chunks }: Pick<ChunkTable, 'chunks'>, chunk: number): number {
  return chunks[chunk * CHUNK_NUMBERS] as number
}

export function idOf({ ids }: Pick<ChunkTable, 'ids'>, chunk: number): Buffer {
  return Buffer.from(ids.buffer, ids.byteOffset + chunk * ID_BYTES, ID_BYTES)
}

export function locationOf(table: Omit<ChunkTable, 'extents'>, chunk: number): ChunkLocation {
  const id = idOf(table, chunk)
  const [contentBytes = 0, first = 0, count = 0] = table.chunks.subarray(chunk * CHUNK_NUMBERS)
  const copies = Array.from({ length: count }, (_, i): ChunkLocation => {
    const [pack = 0, offset = 0, storedBytes = 0, compression = 0] = table.copies.subarray((first + i) * COPY_NUMBERS)
    const record = { id, offset, storedBytes, contentBytes, type: CHUNK_TYPE.data, compression: compression as 0 | 1 }
    return { pack: table.packs[pack] as string, record }
  })
  const [location, ...others] = copies as [ChunkLocation, ...ChunkLocation[]]
  return others.length === 0 ? location : { ...location, others }
}
