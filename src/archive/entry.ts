/** One entry of a recovery point: what a name in a folder was. Shapes of docs/format.md §9.2; how they are stored is tree/page-codec.ts. */
import type { FileKind, Xattr } from '../platform/index.ts'

/** A piece of a file's content. Lengths are bytes of the file and add up to its size. */
export type Extent =
  | { readonly kind: 'hole'; readonly length: number }
  | { readonly kind: 'data'; readonly chunk: Buffer; readonly offset: number; readonly length: number }
  | { readonly kind: 'list'; readonly chunk: Buffer; readonly length: number }

export interface Entry {
  /** Absolute, without its first slash; bytes in no particular encoding. */
  readonly path: Buffer
  readonly kind: FileKind
  /** It changed while it was read, or so shortly before that times can't tell: the next backup reads it again. */
  readonly unsettled: boolean
  readonly sparse: boolean
  /** Only on the way to what was chosen. */
  readonly ancestor: boolean
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly userName: string | undefined
  readonly groupName: string | undefined
  readonly mtimeSec: number
  readonly mtimeNs: number
  readonly ctimeSec: number
  readonly ctimeNs: number
  readonly bornSec: number | undefined
  readonly bornNs: number
  readonly dev: number
  readonly ino: number
  readonly links: number
  readonly sizeBytes: number
  readonly inodeFlags: number | undefined
  readonly xattrs: readonly Xattr[]
  /** Files only. */
  readonly extents: readonly Extent[]
  /** Symbolic links only. */
  readonly target: Buffer | undefined
  /** Devices only. */
  readonly major: number
  readonly minor: number
}

const SLASH = 0x2f

/** The order of trees: byte strings in which `/` counts as 0x00, so that a folder stands directly before what it contains. */
export function comparePaths(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    if (x !== y) return (x === SLASH ? 0 : x) - (y === SLASH ? 0 : y)
  }
  return a.length - b.length
}

/** True for the folder itself and all below it. The empty path contains everything. */
export function isWithin(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 0) return true
  if (path.length < folder.length || path.compare(folder, 0, folder.length, 0, folder.length) !== 0) return false
  return path.length === folder.length || path[folder.length] === SLASH
}

export function parentOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf(SLASH)
  return slash < 0 ? path.subarray(0, 0) : path.subarray(0, slash)
}

export function nameOf(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(SLASH) + 1)
}

export function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, SLASH_BYTES, name])
}

const SLASH_BYTES = Buffer.from('/')

/** With its first slash; the empty path stays empty. */
export function absolutePath(path: Buffer): Buffer {
  return path.length === 0 ? path : Buffer.concat([SLASH_BYTES, path])
}
