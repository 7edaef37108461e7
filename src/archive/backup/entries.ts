/** Entries from what the walk and the lanes saw, and the rule by which an entry of the previous recovery point is taken over unread. */
import type { Accounts, FileStat, Xattr } from '../../platform/index.ts'
import { getInodeFlags, listXattrsAt, listXattrsFd, readLinkAt } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import { areSameExtents } from './expected-chunks.ts'
import { isFresh, type LaneResult } from './lane.ts'
import type { WalkItem } from './walk.ts'

/** Nothing about it changed: every change of content or metadata moves the change time, which no program can set back. */
export function isUnchanged(before: Entry | undefined, stat: FileStat, when: 'read before' | 'read now' = 'read before'): before is Entry {
  return (
    before !== undefined &&
    (when === 'read now' || !before.unsettled) &&
    before.kind === stat.kind &&
    before.ino === stat.ino &&
    before.ctimeSec === stat.ctimeSec &&
    before.ctimeNs === stat.ctimeNs &&
    before.mtimeSec === stat.mtimeSec &&
    before.mtimeNs === stat.mtimeNs &&
    (stat.kind !== 'file' || before.sizeBytes === stat.sizeBytes)
  )
}

/**
 * A folder that is only on the way to what was chosen is kept as it was unless its owner, mode or attributes differ: its times move with what others do
 * in it, and would make a page of every recovery point new.
 */
export function isSameWay(before: Entry | undefined, now: Entry): before is Entry {
  return (
    before?.ancestor === true &&
    now.ancestor &&
    before.kind === now.kind &&
    before.mode === now.mode &&
    before.uid === now.uid &&
    before.gid === now.gid &&
    before.userName === now.userName &&
    before.groupName === now.groupName &&
    before.inodeFlags === now.inodeFlags &&
    areSameXattrs(before.xattrs, now.xattrs)
  )
}

function areSameXattrs(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  return a.length === b.length && a.every(({ name, value }, i) => name.equals(b[i]?.name as Buffer) && value.equals(b[i]?.value as Buffer))
}

/** Two files' entries that would be stored as the same bytes. */
export function isSameFile(a: Entry, b: Entry): boolean {
  return (
    a.kind === 'file' &&
    b.kind === 'file' &&
    a.unsettled === b.unsettled &&
    a.sparse === b.sparse &&
    a.ancestor === b.ancestor &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.userName === b.userName &&
    a.groupName === b.groupName &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNs === b.ctimeNs &&
    a.bornSec === b.bornSec &&
    a.bornNs === b.bornNs &&
    a.dev === b.dev &&
    a.ino === b.ino &&
    a.links === b.links &&
    a.sizeBytes === b.sizeBytes &&
    a.inodeFlags === b.inodeFlags &&
    areSameXattrs(a.xattrs, b.xattrs) &&
    areSameExtents(a.extents, b.extents) &&
    a.path.equals(b.path)
  )
}

/** Fields that the walk alone knows. Sizes of anything but files say nothing and are left out. */
function common(item: WalkItem, stat: FileStat, accounts: Accounts) {
  return {
    path: item.path,
    kind: stat.kind,
    ancestor: item.ancestor,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    userName: accounts.userName(stat.uid),
    groupName: accounts.groupName(stat.gid),
    mtimeSec: stat.mtimeSec,
    mtimeNs: stat.mtimeNs,
    ctimeSec: stat.ctimeSec,
    ctimeNs: stat.ctimeNs,
    bornSec: stat.bornSec,
    bornNs: stat.bornNs,
    // A lane reads where it is read, not where it is recorded.
    dev: item.stat.dev,
    ino: stat.ino,
    links: stat.links,
    major: stat.rdevMajor,
    minor: stat.rdevMinor,
  }
}

/** The walk's own entries: folders, links, devices. Throws PosixError when it vanished or may not be read. */
export function entryOfNode(item: WalkItem, accounts: Accounts, nowMs: number): Entry {
  const { stat } = item
  const target = stat.kind === 'symlink' ? readLinkAt(item.folder.fd, item.name) : undefined
  let xattrs: Xattr[]
  let inodeFlags: number | undefined
  if (item.opened) {
    xattrs = listXattrsFd(item.opened.fd)
    inodeFlags = getInodeFlags(item.opened.fd)
  } else {
    xattrs = listXattrsAt(item.folder.fd, item.name)
  }
  return {
    ...common(item, stat, accounts),
    unsettled: isFresh(stat, nowMs),
    sparse: false,
    sizeBytes: 0,
    inodeFlags,
    xattrs,
    extents: [],
    target,
  }
}

export function entryOfFile(item: WalkItem, result: Extract<LaneResult, { ok: true }>, accounts: Accounts): Entry {
  return {
    ...common(item, result.stat, accounts),
    unsettled: result.unsettled,
    sparse: result.sparse,
    sizeBytes: result.sizeBytes,
    inodeFlags: result.inodeFlags,
    xattrs: result.xattrs,
    extents: result.extents,
    target: undefined,
  }
}

/** Another name of a file whose content was read under its first one. */
export function entryOfLink(item: WalkItem, first: Entry): Entry {
  return { ...first, path: item.path, ancestor: false }
}

/** Read again, and found as it was. */
export function sameTimes(a: Entry, b: Entry): boolean {
  return (
    a.sizeBytes === b.sizeBytes &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNs === b.ctimeNs
  )
}
