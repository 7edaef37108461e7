/** The objects below a folder in order of their names. */
import { join } from 'node:path'
import type { Operation } from '../base/operation.ts'
import type { Disk, DiskEntry } from '../platform/index.ts'
import { isAbsent, toStorageError } from './disk-errors.ts'
import { parentOf } from './durable-folders.ts'
import type { ObjectInfo } from './object-store.ts'
import { checkObjectPrefix, isObjectName } from './object-store.ts'

/** How many files are asked for their size at once. */
const AT_ONCE = 64

/**
 * Files whose names are no objects' names (LOCK, tmp, quarantine, `lost+found`, what others put there) are left out. A folder that
 * cannot be read throws: a partial list would read like missing objects.
 */
export async function* walkObjects(op: Operation, disk: Disk, root: string, prefix: string): AsyncGenerator<ObjectInfo> {
  checkObjectPrefix(prefix)
  const folder = parentOf(prefix)
  let entries: DiskEntry[]
  try {
    entries = await disk.readFolder(join(root, folder))
  } catch (error) {
    if (!isAbsent(error) || folder === '') throw toStorageError(error, `list ${folder || root}`)
    // No such folder: nothing in it. But when the root is gone (a disk that is not mounted), emptiness would be a lie.
    await readFolder(disk, root, '')
    return
  }
  yield* walk(op, disk, root, folder, entries, prefix)
}

async function readFolder(disk: Disk, root: string, folder: string): Promise<DiskEntry[]> {
  try {
    return await disk.readFolder(join(root, folder))
  } catch (error) {
    throw toStorageError(error, `list ${folder || root}`)
  }
}

async function* walk(
  op: Operation,
  disk: Disk,
  root: string,
  folder: string,
  entries: readonly DiskEntry[],
  prefix: string,
): AsyncGenerator<ObjectInfo> {
  const found = entries
    .map((entry) => ({ name: folder === '' ? entry.name : `${folder}/${entry.name}`, isFolder: entry.isFolder }))
    .filter(({ name, isFolder }) => isObjectName(name) && (name.startsWith(prefix) || (isFolder && `${name}/`.startsWith(prefix))))
    // A folder stands where its objects stand: `a-b` before `a/c`, because `-` comes before `/`.
    .map((entry) => ({ ...entry, key: entry.isFolder ? `${entry.name}/` : entry.name }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  for (let at = 0; at < found.length; at += AT_ONCE) {
    op.check()
    const batch = found.slice(at, at + AT_ONCE)
    const sizes = await Promise.all(batch.map((entry) => (entry.isFolder ? undefined : sizeOf(disk, root, entry.name))))
    for (const [n, { name, isFolder }] of batch.entries()) {
      const sizeBytes = sizes[n]
      if (isFolder) yield* walk(op, disk, root, name, await readFolder(disk, root, name), prefix)
      // Undefined: removed since the folder was read.
      else if (sizeBytes !== undefined) yield { name, sizeBytes }
    }
  }
}

async function sizeOf(disk: Disk, root: string, name: string): Promise<number | undefined> {
  try {
    return await disk.size(join(root, name))
  } catch (error) {
    throw toStorageError(error, `look at ${name}`)
  }
}

/** The names alone, at once: an entry that is no folder counts as an object without a look at it. */
export function namesBelow(disk: Disk, root: string, prefix: string): string[] {
  checkObjectPrefix(prefix)
  const folder = parentOf(prefix)
  const names: string[] = []
  try {
    collect(disk, root, folder, disk.readFolderSync(join(root, folder)), prefix, names)
  } catch (error) {
    if (!isAbsent(error)) throw toStorageError(error, `list ${folder || root}`)
    // As above: no such folder, unless the root is gone.
    if (folder === '') throw toStorageError(error, `list ${root}`)
    try {
      disk.readFolderSync(root)
    } catch (failure) {
      throw toStorageError(failure, `list ${root}`)
    }
  }
  return names.sort()
}

function collect(disk: Disk, root: string, folder: string, entries: readonly DiskEntry[], prefix: string, names: string[]): void {
  for (const { name: entry, isFolder } of entries) {
    const name = folder === '' ? entry : `${folder}/${entry}`
    if (!isObjectName(name) || !(name.startsWith(prefix) || (isFolder && `${name}/`.startsWith(prefix)))) continue
    if (!isFolder) names.push(name)
    else collect(disk, root, name, readFolderSync(disk, root, name), prefix, names)
  }
}

function readFolderSync(disk: Disk, root: string, folder: string): DiskEntry[] {
  try {
    return disk.readFolderSync(join(root, folder))
  } catch (error) {
    throw toStorageError(error, `list ${folder}`)
  }
}
