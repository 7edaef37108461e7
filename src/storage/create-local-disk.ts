/** A new local store: every folder that will hold objects is made and durable before the first object is (docs/format.md §13). */
import { join } from 'node:path'
import { TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import { toStorageError } from './disk-errors.ts'
import { makeDurableFolder } from './durable-folders.ts'
import { LocalDiskStore } from './local-disk.ts'

const FOLDERS = ['tmp', 'quarantine', 'packs', 'index', 'points', 'keys', 'epoch', 'conf']

/** Fine to repeat: completes what a crash left half made, and touches no object. */
export async function createLocalDiskStore(
  op: Operation,
  disk: Disk,
  root: string,
  options: { readonly tag?: string } = {},
): Promise<LocalDiskStore> {
  op.check()
  try {
    await makeDurableFolder(disk, root)
    await makeAll(disk, root, FOLDERS)
    await makeAll(
      disk,
      join(root, 'packs'),
      Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0')),
    )
  } catch (error) {
    if (error instanceof TerpError) throw error
    throw toStorageError(error, `make ${root}`)
  }
  return new LocalDiskStore(disk, root, options)
}

/** The new folders themselves hold nothing yet; what must last is their entries in `parent`. */
async function makeAll(disk: Disk, parent: string, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => disk.makeFolder(join(parent, name))))
  await disk.syncFolder(parent)
}
