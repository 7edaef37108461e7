/**
 * Gives a finished inode its name, by the overwrite policy. Until then it is nameless or has a temporary name, so that nothing half
 * written is ever seen. What is there is only replaced in one step, and a folder that holds anything never.
 */
import type { Operation } from '../../base/operation.ts'
import {
  close,
  type FileStat,
  findStatAt,
  isPosixError,
  linkAt,
  linkFd,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  openat,
  PosixError,
  readFolder,
  renameAt,
  tryUnlinkAt,
  unlinkAt,
} from '../../platform/index.ts'
import { archiveError } from '../errors.ts'
import type { Overwrite } from '../reports.ts'
import { unfreeze } from './metadata.ts'
import { copyName, temporaryName } from './naming.ts'
import type { FolderHandle } from './plan.ts'

/** Thrown for what the policy leaves alone: reported as skipped, not as failed. */
export class Skipped extends Error {
  readonly reason: Error

  constructor(reason: Error) {
    super(reason.message)
    this.reason = reason
  }
}

export function skippedBecauseItExists(): Skipped {
  return new Skipped(archiveError('TARGET_EXISTS', 'something of this name is there already'))
}

/** An inode without its final name. */
export interface Unnamed {
  /** EEXIST when the name is taken. */
  nameAs(name: Buffer): void
  /** Over whatever is there but a folder. */
  replace(name: Buffer): void
  /** Fine after it was named, too. */
  discard(): void
}

/** One that is only known by its descriptor: made by O_TMPFILE, or to be linked once more. */
export function byDescriptor(op: Operation, fd: number, dirfd: number): Unnamed {
  return {
    nameAs: (name) => linkFd(fd, dirfd, name),
    replace(name) {
      const temporary = temporaryName(op)
      linkFd(fd, dirfd, temporary)
      try {
        renameAt(dirfd, temporary, dirfd, name)
      } finally {
        // Still there when the rename failed, or did nothing because both names were of one inode.
        tryUnlinkAt(dirfd, temporary)
      }
    },
    discard() {},
  }
}

export function byTemporaryName(dirfd: number, temporary: string): Unnamed {
  return {
    nameAs(name) {
      try {
        renameAt(dirfd, temporary, dirfd, name, { noReplace: true })
      } catch (error) {
        if (!isPosixError(error, 'EINVAL', 'ENOSYS')) throw error
        // A file system that knows no such rename: link says EEXIST too.
        linkAt(dirfd, temporary, dirfd, name)
        unlinkAt(dirfd, temporary)
      }
    },
    replace: (name) => renameAt(dirfd, temporary, dirfd, name),
    discard: () => {
      tryUnlinkAt(dirfd, temporary)
    },
  }
}

const PRIVATE_MODE = 0o600

/** A new empty file, open for writing. It is born with the mode, as far as the umask lets it, only where nobody can come to it without a name. */
export function createFile(op: Operation, dirfd: number, mode = PRIVATE_MODE): { fd: number; unnamed: Unnamed } {
  try {
    const fd = openat(dirfd, '.', O_TMPFILE | O_RDWR, mode)
    return { fd, unnamed: byDescriptor(op, fd, dirfd) }
  } catch (error) {
    // What file systems without nameless files answer (NFS, vfat, old overlays).
    if (!isPosixError(error, 'ENOTSUP', 'EISDIR', 'EINVAL', 'ENOENT')) throw error
    const temporary = temporaryName(op)
    const fd = openat(dirfd, temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, PRIVATE_MODE)
    return { fd, unnamed: byTemporaryName(dirfd, temporary) }
  }
}

const MOST_COPIES = 10_000
/** How often something may appear or vanish under our hands before the item counts as failed. */
const MOST_TURNS = 8

/** Returns the name that it got. Throws Skipped, PosixError, or TARGET_EXISTS for a folder that holds something. */
export function place(unnamed: Unnamed, folder: FolderHandle, name: Buffer, overwrite: Overwrite): Buffer {
  let isThere = !folder.isNew && findStatAt(folder.fd, name) !== undefined
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    if (!isThere) {
      if (nameUnlessTaken(unnamed, name)) return name
    }
    if (overwrite === 'never') throw skippedBecauseItExists()
    if (overwrite === 'copy') return placeCopy(unnamed, name)
    makeReplaceable(folder.fd, name)
    try {
      unnamed.replace(name)
      return name
    } catch (error) {
      if (!isPosixError(error, 'EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY')) throw error
      isThere = findStatAt(folder.fd, name) !== undefined
    }
  }
  throw new PosixError('rename', 16) // EBUSY: somebody else keeps changing it
}

function placeCopy(unnamed: Unnamed, name: Buffer): Buffer {
  for (let n = 1; n < MOST_COPIES; n++) {
    const copy = copyName(name, n)
    if (nameUnlessTaken(unnamed, copy)) return copy
  }
  throw skippedBecauseItExists()
}

function nameUnlessTaken(unnamed: Unnamed, name: Buffer): boolean {
  try {
    unnamed.nameAs(name)
    return true
  } catch (error) {
    if (isPosixError(error, 'EEXIST')) return false
    throw error
  }
}

/** Takes away what would stand against replacing: an empty folder, or flags that forbid it. */
export function makeReplaceable(dirfd: number, name: Buffer): void {
  const there = findStatAt(dirfd, name)
  if (there?.kind === 'folder') {
    refuseFilledFolder(dirfd, name)
    unlinkAt(dirfd, name, { folder: true })
  } else if (there?.kind === 'file') {
    const fd = tryOpen(dirfd, name)
    if (fd === undefined) return
    try {
      unfreeze(fd)
    } finally {
      close(fd)
    }
  }
}

/** Nothing that is not in the recovery point is ever deleted. */
export function refuseFilledFolder(dirfd: number, name: Buffer): void {
  const fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    if (readFolder(fd).length > 0) {
      throw archiveError('TARGET_EXISTS', 'a folder that is not empty stands where it must go', {
        hint: 'Move the folder away, or choose --overwrite copy.',
      })
    }
  } finally {
    close(fd)
  }
}

function tryOpen(dirfd: number, name: Buffer): number | undefined {
  try {
    return openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (isPosixError(error)) return undefined // not even readable: then replacing it says what is wrong
    throw error
  }
}

/** An open descriptor of exactly the inode that was looked at; undefined when it is another one by now. */
export function openSame(
  dirfd: number,
  name: Buffer,
  stat: Pick<FileStat, 'dev' | 'ino'>,
  statOf: (fd: number) => FileStat,
): number | undefined {
  const fd = tryOpen(dirfd, name)
  if (fd === undefined) return undefined
  const now = statOf(fd)
  if (now.dev === stat.dev && now.ino === stat.ino) return fd
  close(fd)
  return undefined
}
