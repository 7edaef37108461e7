/**
 * Makes sure that a folder will still be there after a crash before anything is published in it: an object in a folder whose own entry was
 * lost is lost with it. That a folder exists proves nothing, as who made it may have crashed before its parent was synced; so every
 * folder is settled once by each store that uses it.
 */
import { dirname, join } from 'node:path'
import type { Disk } from '../platform/index.ts'
import { codeOf } from './disk-errors.ts'

/** The folder part of an object's name; `''` is the root. */
export function parentOf(name: string): string {
  const slash = name.lastIndexOf('/')
  return slash < 0 ? '' : name.slice(0, slash)
}

export class DurableFolders {
  readonly #disk: Disk
  readonly #root: string
  readonly #sync: (folder: string) => Promise<void>
  readonly #settled = new Map<string, Promise<void>>()

  /** `sync` makes the entries of a folder durable; its failures mean more to the store than those of making one. */
  constructor(disk: Disk, root: string, sync: (folder: string) => Promise<void>) {
    this.#disk = disk
    this.#root = root
    this.#sync = sync
  }

  /** `folder` and all between it and the root are there durably; the root itself is never made. Concurrent calls share the work. */
  ensure(folder: string): Promise<void> {
    if (folder === '') return Promise.resolve()
    const before = this.#settled.get(folder)
    if (before) return before
    const work = this.#settle(folder)
    this.#settled.set(folder, work)
    work.catch(() => this.#settled.delete(folder))
    return work
  }

  async #settle(folder: string): Promise<void> {
    const parent = parentOf(folder)
    await this.ensure(parent)
    await this.#disk.makeFolder(join(this.#root, folder))
    // What is in the parent now is durable after its sync: one sync settles all 256 folders of packs.
    const siblings = await this.#disk.readFolder(join(this.#root, parent))
    await this.#sync(parent)
    for (const { name, isFolder } of siblings) {
      const sibling = parent === '' ? name : `${parent}/${name}`
      if (isFolder && !this.#settled.has(sibling)) this.#settled.set(sibling, Promise.resolve())
    }
  }
}

/** Makes a folder and what is missing above it, each entry durable before the next is made. */
export async function makeDurableFolder(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path)
  const wasThere = await exists(disk, path)
  if (!wasThere) {
    if (parent !== path && !(await exists(disk, parent))) await makeDurableFolder(disk, parent)
    await disk.makeFolder(path)
  }
  try {
    await disk.syncFolder(parent)
  } catch (error) {
    // A folder that an administrator made for us may lie in one that we cannot open; making that durable was theirs to do.
    if (!wasThere || (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM')) throw error
  }
}

async function exists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.readFolder(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    // It is there, but unreadable: an ancestor need not be readable, and for the store itself the next step will fail.
    if (codeOf(error) === 'EACCES') return true
    throw error
  }
}
