/** Turns entries into orders for lanes: owners resolved on this machine, chunks resolved to where they are. */
import type { Operation } from '../../base/operation.ts'
import type { Accounts } from '../../platform/index.ts'
import { CHUNK_TYPE, type ChunkIndex, type ChunkLocation, locate } from '../../repository/index.ts'
import type { Entry, Extent } from '../entry.ts'
import { nameOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import type { Overwrite } from '../reports.ts'
import type { TreeReader } from '../tree/tree-reader.ts'
import type { Folder } from './folders.ts'
import type { Batch, ChunkCopy, ChunkPlace, FileOrder, FolderHandle, PlainMetadata } from './plan.ts'

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

const BATCH_BYTES = 16_777_216
const BATCH_FILES = 512

export interface BatchFile {
  readonly entry: Entry
  readonly folder: Folder
}

/** Files that go to a lane together: consecutive ones, because neighbours share bundles. */
export class BatchBuilder {
  readonly files: BatchFile[] = []
  readonly #orders: FileOrder[] = []
  readonly #folders = new Map<Folder, number>()
  readonly #chunks: ChunkPlace[] = []
  readonly #numbers = new Map<string, number>()
  readonly #mostFolders: number
  #bytes = 0

  constructor(mostFolders: number) {
    this.#mostFolders = mostFolders
  }

  get folders(): Folder[] {
    return [...this.#folders.keys()]
  }

  get isFull(): boolean {
    return this.#bytes >= BATCH_BYTES || this.files.length >= BATCH_FILES || this.#folders.size >= this.#mostFolders
  }

  /** CHUNK_MISSING, TREE_DAMAGED: then the file is not part of the batch. */
  async add(op: Operation, tree: TreeReader, index: ChunkIndex, file: BatchFile, metadata: PlainMetadata, leads: boolean): Promise<void> {
    const { entry, folder } = file
    const extents = await this.#resolve(op, tree, index, entry)
    const number = this.#folders.get(folder) ?? this.#folders.size
    this.#folders.set(folder, number)
    this.files.push(file)
    this.#orders.push({
      folder: number,
      name: nameOf(entry.path).toString('latin1'),
      metadata,
      sizeBytes: entry.sizeBytes,
      links: entry.links,
      extents,
      leads,
    })
    this.#bytes += entry.sizeBytes
  }

  async #resolve(op: Operation, tree: TreeReader, index: ChunkIndex, entry: Entry): Promise<number[]> {
    const extents: number[] = []
    let total = 0
    const take = (extent: Extent) => {
      total += extent.length
      if (extent.kind === 'hole') extents.push(-1, 0, extent.length)
      else if (extent.kind === 'data') extents.push(this.#number(index, extent), extent.offset, extent.length)
    }
    if (!entry.extents.some(({ kind }) => kind === 'list')) for (const extent of entry.extents) take(extent)
    else for await (const extent of tree.content(op, entry.extents)) take(extent)
    if (total !== entry.sizeBytes) throw archiveError('TREE_DAMAGED', `its parts make ${total} bytes, its size is ${entry.sizeBytes}`)
    return extents
  }

  #number(index: ChunkIndex, { chunk, offset, length }: Extract<Extent, { kind: 'data' }>): number {
    const id = chunk.toString('latin1')
    let number = this.#numbers.get(id)
    if (number === undefined) {
      number = this.#chunks.push(placeOf(id, locate(index, chunk))) - 1
      this.#numbers.set(id, number)
    }
    const { contentBytes } = this.#chunks[number] as ChunkPlace
    if (offset + length > contentBytes) throw archiveError('TREE_DAMAGED', 'a part of it reaches past the end of its chunk')
    return number
  }

  finish(overwrite: Overwrite, folders: readonly FolderHandle[]): Batch {
    return { overwrite, folders, files: this.#orders, chunks: this.#chunks }
  }
}

function placeOf(id: string, location: ChunkLocation): ChunkPlace {
  const { contentBytes, type } = location.record
  if (type !== CHUNK_TYPE.data) throw archiveError('TREE_DAMAGED', 'a part of it is no data')
  const copies = [location, ...(location.others ?? [])].filter(({ record }) => record.type === type && record.contentBytes === contentBytes)
  return { id, contentBytes, copies: copies.map(copyOf) }
}

function copyOf({ pack, record: { offset, storedBytes, compression } }: ChunkLocation): ChunkCopy {
  return { pack, offset, storedBytes, compression }
}
