/**
 * Names of one inode. The first that is restored leads: the others become links to it, once everything else is done. A link is only made to an inode
 * that this restore wrote or found to be equal, reached through a descriptor of it, so that nothing swapped in its place is linked instead.
 */
import type { Operation } from '../../base/operation.ts'
import {
  close,
  type FileStat,
  findStatAt,
  isPosixError,
  linkAt,
  O_NOFOLLOW,
  O_PATH,
  openat,
  statAt,
  statFd,
  tryUnlinkAt,
} from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import { nameOf } from '../entry.ts'
import type { Overwrite } from '../reports.ts'
import type { Folder } from './folders.ts'
import { temporaryName } from './naming.ts'
import { byDescriptor, byTemporaryName, place, skippedBecauseItExists } from './placing.ts'
import type { FolderHandle, PlacedInode } from './plan.ts'

export interface Leader {
  readonly folder: Folder
  readonly inode: PlacedInode
}

export interface LinkGroup {
  leader: Leader | undefined
}

export interface PendingLink {
  readonly group: LinkGroup
  readonly entry: Entry
  readonly folder: Folder
}

/**
 * Tells which entries are names of one inode: as it was when they were protected. Change time and size belong to the key: device numbers
 * change when a machine starts, and a point may hold entries of several starts.
 */
export class LinkGroups {
  readonly #groups = new Map<string, LinkGroup>()

  /** `isFirst`: nobody leads yet, this one may. Undefined when it has no other name. */
  of(entry: Entry): { readonly group: LinkGroup; readonly isFirst: boolean } | undefined {
    if (entry.links <= 1) return undefined
    const { dev, ino, kind, ctimeSec, ctimeNs, sizeBytes } = entry
    const key = `${dev}:${ino}:${kind}:${ctimeSec}.${ctimeNs}:${sizeBytes}`
    const known = this.#groups.get(key)
    if (known) return { group: known, isFirst: false }
    const group: LinkGroup = { leader: undefined }
    this.#groups.set(key, group)
    return { group, isFirst: true }
  }
}

/** `impossible`: the content has to be restored once more. Throws Skipped, or what the target answers. */
export function makeLink(
  op: Operation,
  entry: Entry,
  to: FolderHandle,
  from: { readonly fd: number; readonly inode: PlacedInode },
  overwrite: Overwrite,
): 'linked' | 'unchanged' | 'impossible' {
  const name = nameOf(entry.path)
  const there = findStatAt(to.fd, name)
  if (there && isInode(there, from.inode)) return 'unchanged'
  if (there && overwrite === 'never') throw skippedBecauseItExists()
  try {
    return entry.kind === 'file' ? linkFile(op, name, to, from, overwrite) : linkNode(op, name, to, from, overwrite)
  } catch (error) {
    // Another file system, too many links, or a kernel that does not let us link what is not ours.
    if (isPosixError(error, 'EXDEV', 'EMLINK', 'EPERM', 'EACCES', 'ENOENT')) return 'impossible'
    throw error
  }
}

type Source = { readonly fd: number; readonly inode: PlacedInode }

function linkFile(
  op: Operation,
  name: Buffer,
  to: FolderHandle,
  { fd: dirfd, inode }: Source,
  overwrite: Overwrite,
): 'linked' | 'impossible' {
  const fd = openat(dirfd, Buffer.from(inode.name, 'latin1'), O_PATH | O_NOFOLLOW)
  try {
    if (!isInode(statFd(fd), inode)) return 'impossible'
    place(byDescriptor(op, fd, to.fd), { ...to, isNew: false }, name, overwrite)
    return 'linked'
  } finally {
    close(fd)
  }
}

/** A descriptor of a symbolic link or a device is nothing to link from: linked by name, looked at, then named. */
function linkNode(
  op: Operation,
  name: Buffer,
  to: FolderHandle,
  { fd: dirfd, inode }: Source,
  overwrite: Overwrite,
): 'linked' | 'impossible' {
  const temporary = temporaryName(op)
  linkAt(dirfd, Buffer.from(inode.name, 'latin1'), to.fd, temporary)
  try {
    if (!isInode(statAt(to.fd, temporary), inode)) return 'impossible'
    place(byTemporaryName(to.fd, temporary), { ...to, isNew: false }, name, overwrite)
    return 'linked'
  } finally {
    tryUnlinkAt(to.fd, temporary)
  }
}

function isInode(stat: FileStat, inode: PlacedInode): boolean {
  return stat.dev === inode.dev && stat.ino === inode.ino
}
