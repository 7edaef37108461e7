/**
 * Brings what a file is besides its content in line with the recovery point. The order matters:
 *
 * 1. owner: changing it takes set-user-id bits and capabilities away;
 * 2. attributes without ACLs: `user.*` needs write permission, which the mode may take away;
 * 3. mode; 4. ACLs, which set the mode's group bits once more, to the same; 5. times.
 *
 * Inode flags are not here but in `applyFlags`: an immutable file can be given neither a name nor anything else.
 */
import { equalBytes } from '../../base/bytes.ts'
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  type FileStat,
  FS_FREEZING_FLAGS,
  FS_RESTORABLE_FLAGS,
  getInodeFlags,
  isPosixError,
  listXattrsAt,
  listXattrsFd,
  type Name,
  removeXattrAt,
  removeXattrFd,
  setInodeFlags,
  setTimesAt,
  setTimesFd,
  setXattrAt,
  setXattrFd,
  type Xattr,
} from '../../platform/index.ts'
import type { Misses, PlainMetadata } from './plan.ts'

/** An inode whose metadata can be set: by descriptor, or by folder and name for what must not be opened. */
export interface Subject {
  chown(uid: number, gid: number): void
  chmod(mode: number): void
  xattrs(): Xattr[]
  setXattr(name: Name, value: Uint8Array): void
  removeXattr(name: Name): void
  setTimes(sec: number, ns: number): void
}

export function byHandle(fd: number): Subject {
  return {
    chown: (uid, gid) => chownFd(fd, uid, gid),
    chmod: (mode) => chmodFd(fd, mode),
    xattrs: () => listXattrsFd(fd),
    setXattr: (name, value) => setXattrFd(fd, name, value),
    removeXattr: (name) => removeXattrFd(fd, name),
    setTimes: (sec, ns) => setTimesFd(fd, sec, ns),
  }
}

export function byName(dirfd: number, name: Name): Subject {
  return {
    chown: (uid, gid) => chownAt(dirfd, name, uid, gid),
    chmod: (mode) => chmodAt(dirfd, name, mode),
    xattrs: () => listXattrsAt(dirfd, name),
    setXattr: (attribute, value) => setXattrAt(dirfd, name, attribute, value),
    removeXattr: (attribute) => removeXattrAt(dirfd, name, attribute),
    setTimes: (sec, ns) => setTimesAt(dirfd, name, sec, ns),
  }
}

const NOT_CHANGED = 0xffffffff
const SET_USER_ID = 0o4000
const SET_GROUP_ID = 0o2000
const ACL = 'system.posix_acl_'

export interface MetadataOptions {
  /** As it is now. */
  readonly stat: FileStat
  /** Attributes that the recovery point does not have are taken off: for what was there before, or was born with ACLs of its folder. */
  readonly removesOthers: boolean
}

export function applyMetadata(subject: Subject, wanted: PlainMetadata, { stat, removesOthers }: MetadataOptions, misses: Misses): void {
  const { owns, groups, changed } = applyOwner(subject, wanted, stat, misses)
  const isAcl = ([name]: readonly [string, string]) => name.startsWith(ACL)
  const present = removesOthers ? removeOthers(subject, wanted, misses) : []
  setAttributes(
    subject,
    wanted.xattrs.filter((xattr) => !isAcl(xattr)),
    present,
    misses,
  )
  if (stat.kind !== 'symlink') {
    // A set-user-id program of another owner than it had would be a gift to nobody knows whom.
    const mode = wanted.mode & ~(owns ? 0 : SET_USER_ID) & ~(groups ? 0 : SET_GROUP_ID)
    if (mode !== wanted.mode) misses.mode++
    const acls = wanted.xattrs.filter(isAcl)
    if (changed || mode !== stat.mode) attempt(misses, 'mode', () => subject.chmod(mode))
    if (acls.length > 0) setAttributes(subject, acls, present, misses)
  }
  if (stat.mtimeSec !== wanted.mtimeSec || stat.mtimeNs !== wanted.mtimeNs) {
    attempt(misses, 'mode', () => subject.setTimes(wanted.mtimeSec, wanted.mtimeNs))
  }
}

function applyOwner(subject: Subject, { uid, gid }: PlainMetadata, stat: FileStat, misses: Misses) {
  if (stat.uid === uid && stat.gid === gid) return { owns: true, groups: true, changed: false }
  if (succeeds(() => subject.chown(uid, gid))) return { owns: true, groups: true, changed: true }
  misses.owner++
  // An ordinary user may still give it to one of the groups it is in.
  const groups = stat.gid === gid || succeeds(() => subject.chown(NOT_CHANGED, gid))
  return { owns: stat.uid === uid, groups, changed: groups && stat.gid !== gid }
}

function setAttributes(subject: Subject, wanted: PlainMetadata['xattrs'], present: readonly Xattr[], misses: Misses): void {
  let missed = false
  for (const [name, value] of wanted) {
    const bytes = Buffer.from(value, 'latin1')
    const there = present.find((xattr) => xattr.name.toString('latin1') === name)
    if (there && equalBytes(there.value, bytes)) continue
    // ENOSPC too: it is what ext4 says when the attributes do not fit into their block. A disk that is full shows with the next content.
    if (!succeeds(() => subject.setXattr(Buffer.from(name, 'latin1'), bytes))) missed = true
  }
  if (missed) misses.attributes++
}

/** Labels that security modules give by themselves stay. Returns what is left. */
function removeOthers(subject: Subject, wanted: PlainMetadata, misses: Misses): Xattr[] {
  const present = subject.xattrs()
  const others = present.filter((xattr) => {
    const name = xattr.name.toString('latin1')
    return !wanted.xattrs.some(([other]) => other === name) && (!name.startsWith('security.') || name === 'security.capability')
  })
  for (const { name } of others) attempt(misses, 'attributes', () => subject.removeXattr(name))
  return present.filter((xattr) => !others.includes(xattr))
}

/** For files and folders only. Without the privilege for immutable and append-only the other flags are still set. */
export function applyFlags(fd: number, flags: number, misses: Misses): void {
  if (succeeds(() => setInodeFlags(fd, flags))) return
  misses.flags++
  if ((flags & FS_FREEZING_FLAGS) !== 0) succeeds(() => setInodeFlags(fd, flags & ~FS_FREEZING_FLAGS))
}

export function restorableFlags(fd: number): number {
  return (getInodeFlags(fd) ?? 0) & FS_RESTORABLE_FLAGS
}

/** Takes immutable and append-only off; the flags that it had, undefined when there was nothing to take off or it may not be. */
export function unfreeze(fd: number): number | undefined {
  const flags = getInodeFlags(fd)
  if (flags === undefined || (flags & FS_FREEZING_FLAGS) === 0) return undefined
  return succeeds(() => setInodeFlags(fd, flags & ~FS_FREEZING_FLAGS)) ? flags : undefined
}

function attempt(misses: Misses, what: keyof Misses, act: () => void): void {
  if (!succeeds(act)) misses[what]++
}

function succeeds(act: () => unknown): boolean {
  try {
    act()
    return true
  } catch (error) {
    if (!isPosixError(error) || isPosixError(error, 'EIO')) throw error
    return false // counted by the caller: the item is there, and one warning says what is missing
  }
}
