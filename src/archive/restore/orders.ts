/** Turns entries into orders for lanes: owners resolved on this machine, chunks resolved to where they are. */
import type { Accounts } from '../../platform/index.ts'
import { CHUNK_TYPE, type ChunkIndex, locate } from '../../repository/index.ts'
import type { Entry, Extent } from '../entry.ts'
import { nameOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import type { Overwrite } from '../reports.ts'
import { ChunkTableBuilder, FileTableBuilder } from './batch.ts'
import type { Folder } from './folders.ts'
import type { Batch, ChunkTable, FolderHandle, PlainMetadata } from './plan.ts'

/** By name where the name exists here, otherwise by number: a disk that moves to another machine keeps its people. */
export function plainMetadata(entry: Entry, accounts: Accounts): PlainMetadata {
  return {
    mode: entry.mode,
    uid: (entry.userName === undefined ? undefined : accounts.userId(entry.userName)) ?? entry.uid,
    gid: (entry.groupName === undefined ? undefined : accounts.groupId(entry.groupName)) ?? entry.gid,
    mtimeSec: entry.mtimeSec,
    mtimeNs: entry.mtimeNs,
    flags: entry.inodeFlags,
    xattrs: entry.xattrs.map(({ name, value }) => [name.toString('latin1'), value.toString('latin1')] as const),
  }
}

/** From here on a file is restored in parts, by all lanes at once; so is every file with a content list, of which nobody knows how long it is. */
const LARGE_BYTES = 33_554_432

export function isLarge(entry: Entry): boolean {
  return entry.sizeBytes >= LARGE_BYTES || entry.extents.some(({ kind }) => kind === 'list')
}

/** Extents with their chunks looked up, each chunk once. */
export class ExtentResolver {
  readonly #index: ChunkIndex
  readonly #table = new ChunkTableBuilder()
  readonly #numbers = new Map<string, number>()

  constructor(index: ChunkIndex) {
    this.#index = index
  }

  get extents(): number {
    return this.#table.extents
  }

  has(chunk: Buffer): boolean {
    return this.#numbers.has(chunk.toString('latin1'))
  }

  /** CHUNK_MISSING, TREE_DAMAGED. */
  add(extent: Exclude<Extent, { kind: 'list' }>): void {
    if (extent.kind === 'hole') this.#table.addExtent(-1, 0, extent.length)
    else this.#table.addExtent(this.#number(extent), extent.offset, extent.length)
  }

  dropExtents(from: number): void {
    this.#table.dropExtents(from)
  }

  #number({ chunk, offset, length }: Extract<Extent, { kind: 'data' }>): number {
    const id = chunk.toString('latin1')
    let number = this.#numbers.get(id)
    if (number === undefined) {
      const location = locate(this.#index, chunk)
      if (location.record.type !== CHUNK_TYPE.data) throw archiveError('TREE_DAMAGED', 'a part of it is no data')
      number = this.#table.addChunk(location)
      this.#numbers.set(id, number)
    }
    if (offset + length > this.#table.contentBytes(number)) {
      throw archiveError('TREE_DAMAGED', 'a part of it reaches past the end of its chunk')
    }
    return number
  }

  finish(): ChunkTable {
    return this.#table.finish()
  }
}

export function wrongTotal(total: number, sizeBytes: number) {
  return archiveError('TREE_DAMAGED', `its parts make ${total} bytes, its size is ${sizeBytes}`)
}

const BATCH_BYTES = 16_777_216
const BATCH_FILES = 512
const BATCH_EXTENTS = 16_384
/** How much further a batch goes on while its next file lies in a chunk that it has: otherwise another lane would read that chunk, too. */
const STRETCH = 3

export interface BatchFile {
  readonly entry: Entry
  readonly folder: Folder
}

/** Files that go to a lane together: consecutive ones, because neighbours share bundles. No more of them, of extents and folders than fit a small message. */
export class BatchBuilder {
  readonly files: BatchFile[] = []
  readonly #index: ChunkIndex
  readonly #rows = new FileTableBuilder()
  readonly #extents: ExtentResolver
  readonly #folders = new Map<Folder, number>()
  readonly #mostFolders: number
  #bytes = 0

  constructor(index: ChunkIndex, mostFolders: number) {
    this.#index = index
    this.#mostFolders = mostFolders
    this.#extents = new ExtentResolver(this.#index)
  }

  get folders(): Folder[] {
    return [...this.#folders.keys()]
  }

  /** To be sent before `next` is added. */
  isFullFor({ entry, folder }: BatchFile): boolean {
    if (!this.#folders.has(folder) && this.#folders.size >= this.#mostFolders) return true
    if (this.#isOver(STRETCH)) return true
    if (!this.#isOver(1)) return false
    const first = entry.extents.find(({ kind }) => kind === 'data')
    return first?.kind === 'data' && !this.#extents.has(first.chunk)
  }

  #isOver(times: number): boolean {
    return this.#bytes >= BATCH_BYTES * times || this.files.length >= BATCH_FILES * times || this.#extents.extents >= BATCH_EXTENTS * times
  }

  /** CHUNK_MISSING, TREE_DAMAGED: then the file is not part of the batch. */
  add(file: BatchFile, metadata: PlainMetadata, leads: boolean): void {
    const { entry, folder } = file
    const from = this.#extents.extents
    try {
      this.#resolve(entry)
    } catch (error) {
      this.#extents.dropExtents(from)
      throw error
    }
    const number = this.#folders.get(folder) ?? this.#folders.size
    this.#folders.set(folder, number)
    this.files.push(file)
    const { sizeBytes, links } = entry
    const order = { folder: number, metadata, sizeBytes, links, leads }
    this.#rows.add(order, nameOf(entry.path), { from, to: this.#extents.extents })
    this.#bytes += sizeBytes
  }

  #resolve(entry: Entry): void {
    let total = 0
    for (const extent of entry.extents) {
      total += extent.length
      if (extent.kind !== 'list') this.#extents.add(extent)
    }
    if (total !== entry.sizeBytes) throw wrongTotal(total, entry.sizeBytes)
  }

  finish(overwrite: Overwrite, folders: readonly FolderHandle[]): Batch {
    return { kind: 'files', overwrite, folders, ...this.#rows.finish(), ...this.#extents.finish() }
  }
}
