/** One file on the target, from nothing to its name: content at its offsets, holes left as holes, metadata, then the name, then inode flags. */
import type { Operation } from '../../base/operation.ts'
import { close, FS_RESTORABLE_FLAGS, statFd, truncateFd, writeFully } from '../../platform/index.ts'
import type { Overwrite } from '../reports.ts'
import { applyFlags, applyMetadata, byHandle } from './metadata.ts'
import { createFile, place, type Unnamed } from './placing.ts'
import type { FileOrder, FolderHandle, Misses, PlacedInode } from './plan.ts'

export class FileWriter {
  readonly #order: FileOrder
  readonly #folder: FolderHandle
  readonly #fd: number
  readonly #unnamed: Unnamed
  #position = 0
  #writtenTo = 0

  constructor(op: Operation, order: FileOrder, folder: FolderHandle) {
    this.#order = order
    this.#folder = folder
    const { fd, unnamed } = createFile(op, folder.fd)
    this.#fd = fd
    this.#unnamed = unnamed
  }

  hole(length: number): void {
    this.#position += length
  }

  write(content: Buffer, offset: number, length: number): void {
    writeFully(this.#fd, content, offset, length, this.#position)
    this.#position += length
    this.#writtenTo = this.#position
  }

  /** Metadata and name. The inode is told because hard links may be made to it. */
  finish(overwrite: Overwrite, misses: Misses): PlacedInode {
    if (this.#writtenTo < this.#order.sizeBytes) truncateFd(this.#fd, this.#order.sizeBytes)
    const stat = statFd(this.#fd)
    const { metadata, leads } = this.#order
    applyMetadata(byHandle(this.#fd), metadata, { stat: { ...stat, mtimeSec: Number.NaN }, removesOthers: this.#folder.inherits }, misses)
    const name = place(this.#unnamed, this.#folder, Buffer.from(this.#order.name, 'latin1'), overwrite)
    const { flags } = metadata
    if (flags !== undefined && !leads && ((flags & FS_RESTORABLE_FLAGS) !== 0 || this.#folder.inherits)) applyFlags(this.#fd, flags, misses)
    return { name: name.toString('latin1'), dev: stat.dev, ino: stat.ino }
  }

  /** Always called, finished or not: what has no name yet is gone with it. */
  close(): void {
    try {
      this.#unnamed.discard()
    } finally {
      close(this.#fd)
    }
  }
}
