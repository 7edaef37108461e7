/** Decides about a file whose name is taken, before any content is read for it. */

import { toPlainError } from '../../base/errors.ts'
import { close, type FileStat, FS_FREEZING_FLAGS, FS_RESTORABLE_FLAGS, findStatAt, statFd } from '../../platform/index.ts'
import type { Overwrite } from '../reports.ts'
import { applyFlags, applyMetadata, byHandle, restorableFlags, unfreeze } from './metadata.ts'
import { openSame, refuseFilledFolder, skippedBecauseItExists } from './placing.ts'
import type { FileOrder, FolderHandle, Misses, Outcome, PlainMetadata } from './plan.ts'

/** Undefined when the content has to be written. With `changes` false nothing is touched. */
export function existingOutcome(
  folder: FolderHandle,
  order: FileOrder,
  overwrite: Overwrite,
  misses: Misses,
  changes = true,
): Outcome | undefined {
  const name = Buffer.from(order.name, 'latin1')
  const stat = findStatAt(folder.fd, name)
  if (!stat || overwrite === 'copy') return undefined
  if (overwrite === 'never') return { kind: 'skipped', error: toPlainError(skippedBecauseItExists().reason) }
  if (stat.kind === 'folder') refuseFilledFolder(folder.fd, name)
  if (overwrite !== 'if-changed' || !looksEqual(stat, order)) return undefined
  if (changes && !alignMetadata(folder.fd, name, stat, order, misses)) return undefined
  return { kind: 'unchanged', ...(order.leads ? { inode: { name: order.name, dev: stat.dev, ino: stat.ino } } : {}) }
}

/**
 * Same kind, size and modification time. A file with more names than it should have is replaced instead: to change the metadata of an inode that
 * somebody linked here from elsewhere would change it there, too.
 */
function looksEqual(stat: FileStat, order: FileOrder): boolean {
  const { metadata, sizeBytes } = order
  return (
    stat.kind === 'file' &&
    stat.sizeBytes === sizeBytes &&
    stat.mtimeSec === metadata.mtimeSec &&
    stat.mtimeNs === metadata.mtimeNs &&
    isOnlyOurs(stat, order)
  )
}

export function isOnlyOurs(stat: FileStat, { links }: Pick<FileOrder, 'links'>): boolean {
  return stat.links <= Math.max(1, links)
}

/** False when it can not be opened, or is another file by now. */
export function alignMetadata(dirfd: number, name: Buffer, stat: FileStat, order: FileOrder, misses: Misses): boolean {
  const fd = openSame(dirfd, name, stat, statFd)
  if (fd === undefined) return false
  try {
    alignInPlace(fd, stat, order.metadata, misses, order.leads)
    return true
  } finally {
    close(fd)
  }
}

/** For an open file or folder that was there before. Leaves flags that forbid links for later where links will come. */
export function alignInPlace(fd: number, stat: FileStat, metadata: PlainMetadata, misses: Misses, flagsLater = false): void {
  const flags = restorableFlags(fd)
  if ((flags & FS_FREEZING_FLAGS) !== 0) unfreeze(fd)
  applyMetadata(byHandle(fd), metadata, { stat, removesOthers: true }, misses)
  if (flagsLater || metadata.flags === undefined) return
  if ((metadata.flags & FS_RESTORABLE_FLAGS) !== flags || (flags & FS_FREEZING_FLAGS) !== 0) applyFlags(fd, metadata.flags, misses)
}
