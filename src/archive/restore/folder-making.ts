/** Makes folders, goes into those that are there, and gives them their own metadata at the end. What stands in the way is the overwrite policy's matter. */
import {
  chmodAt,
  chmodFd,
  close,
  effectiveUserId,
  type FileStat,
  FS_FREEZING_FLAGS,
  FS_RESTORABLE_FLAGS,
  FS_TOPDIR_FL,
  findStatAt,
  getXattrFd,
  isPosixError,
  makeFolderAt,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  openat,
  PosixError,
  removeXattrFd,
  statFd,
  tryUnlinkAt,
} from '../../platform/index.ts'
import type { Overwrite } from '../reports.ts'
import { alignInPlace } from './existing.ts'
import type { Folder, Folders } from './folders.ts'
import { applyFlags, applyMetadata, byHandle, restorableFlags, unfreeze } from './metadata.ts'
import { copyName } from './naming.ts'
import { makeReplaceable, skippedBecauseItExists } from './placing.ts'
import { type Misses, noMisses, type PlainMetadata } from './plan.ts'

const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
const MOST_TURNS = 64
const ACLS = ['system.posix_acl_default', 'system.posix_acl_access'] as const

/** Returns false for a dry run's folder that would be made. Throws Skipped, or what the target answers. */
export function enterFolder(folders: Folders, folder: Folder, parent: Folder, overwrite: Overwrite, dryRun: boolean): boolean {
  if (parent.state === 'absent') return false
  const dirfd = folders.fd(parent)
  const wanted = folder.name
  let copies = 0
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    if (parent.isNew && turn === 0 && make(folders, folder, parent, dirfd)) return true
    const seen = open(folder, dirfd, dryRun)
    if (typeof seen === 'number') {
      adoptExisting(folders, folder, seen, dryRun)
      return true
    }
    if (seen === 'nothing') {
      if (dryRun) return false
      if (make(folders, folder, parent, dirfd)) return true
    } else if (overwrite === 'never') throw skippedBecauseItExists()
    else if (overwrite === 'copy') folder.name = copyName(wanted, ++copies)
    else if (dryRun) return false
    else {
      makeReplaceable(dirfd, folder.name)
      tryUnlinkAt(dirfd, folder.name)
    }
  }
  throw new PosixError('mkdirat', 16) // EBUSY: somebody else keeps changing it
}

/** A symbolic link counts as something else: it is never followed. */
function open(folder: Folder, dirfd: number, dryRun: boolean): number | 'nothing' | 'something else' {
  for (let turn = 0; ; turn++) {
    try {
      return openat(dirfd, folder.name, FOLDER)
    } catch (error) {
      if (isPosixError(error, 'ENOENT')) return 'nothing'
      if (isPosixError(error, 'ENOTDIR', 'ELOOP')) return 'something else'
      if (!isPosixError(error, 'EACCES') || dryRun || turn > 0) throw error
      // Our own folder that we may not read: another restore gave it this mode.
      const stat = findStatAt(dirfd, folder.name)
      if (stat?.kind !== 'folder' || stat.uid !== effectiveUserId()) throw error
      chmodAt(dirfd, folder.name, stat.mode | 0o700)
      folder.modeBefore = stat.mode
    }
  }
}

/** False when the name is taken. Only the owner may go in until it is finished. */
function make(folders: Folders, folder: Folder, parent: Folder, dirfd: number): boolean {
  try {
    makeFolderAt(dirfd, folder.name, 0o700)
  } catch (error) {
    if (isPosixError(error, 'EEXIST')) return false
    throw error
  }
  const fd = open(folder, dirfd, false)
  if (typeof fd !== 'number') throw new PosixError('openat', 16) // EBUSY: somebody put something else there at once
  folder.isNew = true
  folder.modeBefore = undefined
  try {
    if (parent.inherits) {
      for (const name of ACLS) if (getXattrFd(fd, name)) removeXattrFd(fd, name)
      folder.inherits = restorableFlags(fd) !== 0
    }
    if ((statFd(fd).mode & 0o700) !== 0o700) chmodFd(fd, 0o700)
  } catch (error) {
    close(fd)
    throw error
  }
  folders.adopt(folder, fd)
  return true
}

/** Also for the target itself. Takes off what would keep us from working in it; `finishFolder` sets it again. */
export function adoptExisting(folders: Folders, folder: Folder, fd: number, dryRun: boolean): void {
  folders.adopt(folder, fd)
  prepareExisting(folders, folder, fd, dryRun)
}

export function prepareExisting(folders: Folders, folder: Folder, fd: number, dryRun: boolean): void {
  if (dryRun) return
  const stat = statFd(fd)
  const inherited = restorableFlags(fd) & ~FS_FREEZING_FLAGS & ~FS_TOPDIR_FL
  folder.inherits = inherited !== 0 || getXattrFd(fd, ACLS[0]) !== undefined
  folder.flagsBefore = unfreeze(fd)
  const isOurs = effectiveUserId() !== 0 && stat.uid === effectiveUserId()
  if (isOurs && (stat.mode & 0o300) !== 0o300) {
    chmodFd(fd, stat.mode | 0o700)
    folder.modeBefore ??= stat.mode
  }
  if (folder.flagsBefore !== undefined || folder.modeBefore !== undefined) folders.altered.add(folder)
}

/** Everything below it is done. Folders on the way that were there before, and all under `never` and `copy`, stay as they were. */
export function finishFolder(folder: Folder, fd: number, metadata: PlainMetadata | undefined, overwrite: Overwrite, misses: Misses): void {
  const aligns = overwrite === 'if-changed' || overwrite === 'always'
  if (metadata && folder.isNew) {
    // Folders on the way were not chosen: that an ordinary user can't give them back to root is nothing to tell.
    const told = folder.entry?.ancestor ? noMisses() : misses
    applyMetadata(byHandle(fd), metadata, { stat: statFd(fd), removesOthers: false }, told)
    const { flags } = metadata
    if (flags !== undefined && ((flags & FS_RESTORABLE_FLAGS) !== 0 || folder.parent?.inherits)) applyFlags(fd, flags, told)
  } else if (metadata && aligns && !folder.entry?.ancestor) {
    const stat: FileStat = statFd(fd)
    alignInPlace(fd, stat, metadata, misses)
    if (metadata.flags === undefined && folder.flagsBefore !== undefined) applyFlags(fd, folder.flagsBefore, misses)
  } else {
    if (folder.modeBefore !== undefined) chmodFd(fd, folder.modeBefore)
    if (folder.flagsBefore !== undefined) applyFlags(fd, folder.flagsBefore, misses)
  }
}
