/**
 * What crosses from the main thread to a lane and back: plain data only, with bytes as latin1 strings (a Buffer would drag the
 * whole memory that it is a view of through the copy). Descriptors are integers of the whole process; main keeps them open until the answer.
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
  /** Three numbers each: chunk (number in the batch's chunks, −1 a hole), offset in the chunk, length. */
  readonly extents: readonly number[]
  /** Hard links will be made to it: tell its inode, and leave inode flags for later (an immutable file takes no links). */
  readonly leads: boolean
}

export interface ChunkPlace {
  readonly id: string
  readonly contentBytes: number
  /** At least one; the others serve when the first is damaged. */
  readonly copies: readonly ChunkCopy[]
}

export interface ChunkCopy {
  readonly pack: string
  readonly offset: number
  readonly storedBytes: number
  readonly compression: 0 | 1
}

export interface Batch {
  readonly overwrite: Overwrite
  readonly folders: readonly FolderHandle[]
  readonly files: readonly FileOrder[]
  readonly chunks: readonly ChunkPlace[]
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
  readonly outcomes: readonly Outcome[]
  readonly misses: Misses
}
