/** Restores what is neither file nor folder: symbolic links, FIFOs, devices. Made under a temporary name, completed, then named. */
import type { Operation } from '../../base/operation.ts'
import {
  type FileStat,
  findStatAt,
  isPosixError,
  makeNodeAt,
  readLinkAt,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  statAt,
  symlinkAt,
} from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import { archiveError } from '../errors.ts'
import type { Overwrite } from '../reports.ts'
import { applyMetadata, byName } from './metadata.ts'
import { temporaryName } from './naming.ts'
import { byTemporaryName, place, refuseFilledFolder, Skipped, skippedBecauseItExists } from './placing.ts'
import type { FolderHandle, Misses, PlacedInode, PlainMetadata } from './plan.ts'

export interface SpecialOrder {
  readonly folder: FolderHandle
  readonly name: Buffer
  readonly entry: Entry
  readonly metadata: PlainMetadata
  readonly overwrite: Overwrite
}

export type SpecialOutcome = { readonly kind: 'restored' | 'unchanged'; readonly inode: PlacedInode }

/** Undefined when it has to be made. Throws Skipped. */
export function existingSpecial({ folder, name, entry, overwrite }: Omit<SpecialOrder, 'metadata'>): FileStat | undefined {
  const stat = findStatAt(folder.fd, name)
  if (!stat || overwrite === 'copy') return undefined
  if (overwrite === 'never') throw skippedBecauseItExists()
  if (stat.kind === 'folder') refuseFilledFolder(folder.fd, name)
  return overwrite === 'if-changed' && isEqual(folder.fd, name, entry, stat) ? stat : undefined
}

function isEqual(dirfd: number, name: Buffer, entry: Entry, stat: FileStat): boolean {
  if (stat.kind !== entry.kind || stat.links > Math.max(1, entry.links)) return false
  if (entry.kind === 'symlink') return readLinkAt(dirfd, name).equals(entry.target ?? Buffer.alloc(0))
  return entry.kind === 'fifo' || (stat.rdevMajor === entry.major && stat.rdevMinor === entry.minor)
}

export function restoreSpecial(op: Operation, order: SpecialOrder, misses: Misses): SpecialOutcome {
  const { folder, name, metadata, overwrite, entry } = order
  const there = folder.isNew ? undefined : existingSpecial(order)
  if (there) {
    applyMetadata(byName(folder.fd, name), metadata, { stat: there, removesOthers: entry.kind !== 'symlink' }, misses)
    return { kind: 'unchanged', inode: { name: name.toString('latin1'), dev: there.dev, ino: there.ino } }
  }
  const temporary = temporaryName(op)
  const unnamed = byTemporaryName(folder.fd, temporary)
  try {
    makeNode(folder.fd, temporary, entry)
    const stat = statAt(folder.fd, temporary)
    const options = { stat: { ...stat, mtimeSec: Number.NaN }, removesOthers: folder.inherits && entry.kind !== 'symlink' }
    applyMetadata(byName(folder.fd, temporary), metadata, options, misses)
    const placed = place(unnamed, folder, name, overwrite)
    return { kind: 'restored', inode: { name: placed.toString('latin1'), dev: stat.dev, ino: stat.ino } }
  } catch (error) {
    unnamed.discard()
    throw error
  }
}

function makeNode(dirfd: number, name: string, entry: Entry): void {
  try {
    if (entry.kind === 'symlink') symlinkAt(entry.target ?? Buffer.alloc(0), dirfd, name)
    else if (entry.kind === 'fifo') makeNodeAt(dirfd, name, S_IFIFO | 0o600)
    else makeNodeAt(dirfd, name, (entry.kind === 'block-device' ? S_IFBLK : S_IFCHR) | 0o600, entry.major, entry.minor)
  } catch (error) {
    if (entry.kind !== 'symlink' && isPosixError(error, 'EPERM')) {
      throw new Skipped(archiveError('METADATA_PARTIAL', `a ${entry.kind.replace('-', ' ')} can not be made here`, { cause: error }))
    }
    throw error
  }
}
