/**
 * Whose security what is restored gets: that of the recovery point, or that of the place it goes to. The latter is what the nearest folder
 * that was there before the restore says: its owner and group, its mode without write permission for others, its default ACL. Folders that were there stay as they are.
 */
import { type Accounts, getXattrFd, statFd } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import type { Security } from '../reports.ts'
import type { Folder, Folders } from './folders.ts'
import { plainMetadata } from './orders.ts'
import type { PlainMetadata } from './plan.ts'

/** `parent`: the folder on the target in which the entry lies or will lie. */
export type MetadataOf = (entry: Entry, folders: Folders, parent: Folder | undefined) => PlainMetadata

const DEFAULT_ACL = 'system.posix_acl_default'
const ACCESS_ACL = 'system.posix_acl_access'
const WRITE_OF_OTHERS = 0o022

interface PlaceSecurity {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly acl: string | undefined
}

export function metadataSource(security: Security, accounts: Accounts): MetadataOf {
  if (security === 'recovery-point') return (entry) => plainMetadata(entry, accounts)
  const places = new WeakMap<Folder, PlaceSecurity>()
  const placeOf = (folders: Folders, parent: Folder | undefined): PlaceSecurity => {
    let folder = parent ?? folders.root
    while (folder.isNew && folder.parent) folder = folder.parent
    const known = places.get(folder)
    if (known) return known
    const fd = folders.fd(folder)
    const { uid, gid, mode } = statFd(fd)
    const place = {
      uid,
      gid,
      mode: (folder.modeBefore ?? mode) & 0o777 & ~WRITE_OF_OTHERS,
      acl: getXattrFd(fd, DEFAULT_ACL)?.toString('latin1'),
    }
    places.set(folder, place)
    return place
  }
  return (entry, folders, parent) => {
    const { uid, gid, mode, acl } = placeOf(folders, parent)
    const plain = plainMetadata(entry, accounts)
    const isFolder = entry.kind === 'folder'
    const acls: [string, string][] =
      acl === undefined || entry.kind === 'symlink'
        ? []
        : [[ACCESS_ACL, acl], ...(isFolder ? [[DEFAULT_ACL, acl] as [string, string]] : [])]
    return {
      ...plain,
      uid,
      gid,
      // Set-user-ID and its kin are rights that the place did not give.
      mode: isFolder ? mode : mode & (0o666 | ((entry.mode & 0o111) === 0 ? 0 : 0o111)),
      flags: undefined,
      xattrs: [...plain.xattrs.filter(([name]) => name.startsWith('user.')), ...acls],
    }
  }
}
