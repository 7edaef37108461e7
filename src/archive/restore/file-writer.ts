/** One file on the target, from nothing to its name: content at its offsets, holes left as holes, metadata, then the name, then inode flags. */
import type { Operation } from '../../base/operation.ts'
import { close, type FileStat, FS_RESTORABLE_FLAGS, startWriteback, statFd, truncateFd, writeFully } from '../../platform/index.ts'
import type { Overwrite } from '../reports.ts'
import { applyFlags, applyMetadata, byHandle } from './metadata.ts'
import { createFile, place, type Unnamed } from './placing.ts'
import type { FileOrder, FolderHandle, Misses, PlacedInode } from './plan.ts'

/** From here on it pays to tell the kernel that the content may go to the disk. */
export const EARLY_BYTES = 1_048_576

/**
 * What new files of one folder are born with, by folder and mode: owner, group and what becomes of the mode depend on the folder and on us alone, so one
 * look serves all of them.
 */
export type Births = Map<number, FileStat>

const PERMISSIONS = 0o777

/** A call for each file is spared where it is born with its mode. Attributes need the owner's write permission, and ACLs of the folder change the mode. */
function modeOfBirth({ metadata }: FileOrder, folder: FolderHandle): number | undefined {
  return metadata.xattrs.length > 0 || folder.inherits ? undefined : metadata.mode & PERMISSIONS
}

export class FileWriter {
  readonly #order: FileOrder
  readonly #folder: FolderHandle
  readonly #births: Births | undefined
  readonly fd: number
  readonly #unnamed: Unnamed
  #position = 0
  #writtenTo = 0

  constructor(op: Operation, order: FileOrder, folder: FolderHandle, births?: Births) {
    this.#order = order
    this.#folder = folder
    this.#births = births
    const { fd, unnamed } = createFile(op, folder.fd, modeOfBirth(order, folder))
    this.fd = fd
    this.#unnamed = unnamed
  }

  /** For a file that others write by its descriptor: it has its length from the beginning. */
  setLength(): void {
    truncateFd(this.fd, this.#order.sizeBytes)
    this.#writtenTo = this.#order.sizeBytes
  }

  hole(length: number): void {
    this.#position += length
  }

  write(content: Buffer, offset: number, length: number): void {
    writeFully(this.fd, content, offset, length, this.#position)
    this.#position += length
    this.#writtenTo = this.#position
  }

  /** Metadata and name. The inode is told because hard links may be made to it. */
  finish(overwrite: Overwrite, misses: Misses): PlacedInode | undefined {
    const { metadata, leads, sizeBytes } = this.#order
    if (this.#writtenTo < sizeBytes) truncateFd(this.fd, sizeBytes)
    if (this.#position >= EARLY_BYTES) startWriteback(this.fd, 0, this.#position)
    const stat = this.#statOfBirth()
    applyMetadata(byHandle(this.fd), metadata, { stat: { ...stat, mtimeSec: Number.NaN }, removesOthers: this.#folder.inherits }, misses)
    const name = place(this.#unnamed, this.#folder, Buffer.from(this.#order.name, 'latin1'), overwrite)
    const { flags } = metadata
    if (flags !== undefined && !leads && ((flags & FS_RESTORABLE_FLAGS) !== 0 || this.#folder.inherits)) applyFlags(this.fd, flags, misses)
    return leads ? { name: name.toString('latin1'), dev: stat.dev, ino: stat.ino } : undefined
  }

  #statOfBirth(): FileStat {
    const { leads, folder } = this.#order
    const key = folder * (PERMISSIONS + 2) + (modeOfBirth(this.#order, this.#folder) ?? PERMISSIONS + 1)
    const known = leads ? undefined : this.#births?.get(key)
    if (known) return known
    const stat = statFd(this.fd)
    this.#births?.set(key, stat)
    return stat
  }

  /** Always called, finished or not: what has no name yet is gone with it. */
  close(): void {
    try {
      this.#unnamed.discard()
    } finally {
      close(this.fd)
    }
  }
}
