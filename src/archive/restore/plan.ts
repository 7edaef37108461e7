/**
 * What crosses from the main thread to a lane and back: plain data only, its bulk in a few packed arrays of exactly their size (an object for each file
 * would cost more than the file). Descriptors are integers of the whole process; main keeps them open until the answer.
 */
import type { PlainError } from '../../base/errors.ts'
import type { Overwrite } from '../reports.ts'

export interface PlainMetadata {
  readonly mode: number
  /** Of this machine: names are resolved already. */
  readonly uid: number
  readonly gid: number
  readonly mtimeSec: number
  readonly mtimeNs: number
  readonly flags: number | undefined
  /** Name and value, each in latin1. */
  readonly xattrs: readonly (readonly [string, string])[]
}

export interface FolderHandle {
  readonly fd: number
  /** This restore made it, so what is in it is ours. */
  readonly isNew: boolean
  /** What is made in it gets ACLs or inode flags from it, which have to be taken off again. */
  readonly inherits: boolean
}

export interface FileOrder {
  /** Number in the batch's folders. */
  readonly folder: number
  readonly name: string
  readonly metadata: PlainMetadata
  readonly sizeBytes: number
  readonly links: number
  /** Hard links will be made to it: tell its inode, and leave inode flags for later (an immutable file takes no links). */
  readonly leads: boolean
}

/** Rows of numbers and bytes; batch.ts writes and reads them. Bounded: docs of BatchBuilder. */
export interface ChunkTable {
  /** Three numbers an extent: chunk (its row, −1 a hole), offset in the chunk, length. */
  readonly extents: Float64Array
  /** 32 bytes a chunk. */
  readonly ids: Uint8Array
  /** Content's bytes, first row and number of rows in `copies`: at least one; the others serve when the first is damaged. */
  readonly chunks: Float64Array
  /** Number of the pack, offset, stored bytes, compression. */
  readonly copies: Float64Array
  readonly packs: readonly string[]
}

export interface Batch extends ChunkTable {
  readonly kind: 'files'
  readonly overwrite: Overwrite
  readonly folders: readonly FolderHandle[]
  readonly files: Float64Array
  readonly names: Uint8Array
  /** Number of the file, and its attributes: few have any. */
  readonly xattrs: readonly (readonly [number, PlainMetadata['xattrs']])[]
}

/** A part of one large file, in which several lanes write at once. */
export interface Part extends ChunkTable {
  readonly kind: 'part'
  /** Of the first extent in the file. */
  readonly position: number
  /** Undefined: only to be compared. */
  readonly fd: number | undefined
  /** A file that may hold the same bytes at the same places. The same as `fd` when that one began as a clone of it. */
  readonly old: number | undefined
}

/** An inode on the target that holds what the recovery point says, under its last known name. */
export interface PlacedInode {
  readonly name: string
  readonly dev: number
  readonly ino: number
}

export type Outcome =
  | { readonly kind: 'restored' | 'unchanged'; readonly inode?: PlacedInode }
  | { readonly kind: 'skipped' | 'failed'; readonly error: PlainError }

/** How many items are there without something that could not be set. */
export interface Misses {
  owner: number
  mode: number
  attributes: number
  flags: number
}

export function noMisses(): Misses {
  return { owner: 0, mode: 0, attributes: 0, flags: 0 }
}

export interface BatchResult {
  /** One for each file, in order. */
  readonly outcomes: readonly Outcome[] | 'all restored'
  readonly misses: Misses
  readonly bytesWritten: number
}

export interface PartResult {
  /** Of content; holes are none. */
  readonly bytesWritten: number
  /** Bytes that `old` had already. */
  readonly bytesSame: number
  /** Something has to be, or was, written. */
  readonly differs: boolean
}
