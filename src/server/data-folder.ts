/**
 * The data folder of a backup server. `catalog.db` what it remembers · `keys/` what unlocks pools and seals secrets · `tls/` certificate and key ·
 * `setup-secret` until the first account is made · `address` where it listens · `LOCK` held while it runs. All readable by the owner only.
 */
import { dirname, join, resolve } from 'node:path'
import type { Disk, DiskLock } from '../platform/index.ts'
import { serverError } from './errors.ts'

export interface DataPaths {
  readonly folder: string
  readonly lock: string
  readonly catalog: string
  readonly keys: string
  readonly catalogKey: string
  readonly tls: string
  readonly certificate: string
  readonly certificateKey: string
  readonly setupSecret: string
  readonly address: string
}

export function dataPaths(dataFolder: string): DataPaths {
  const folder = resolve(dataFolder)
  const at = (...names: string[]) => join(folder, ...names)
  return {
    folder,
    lock: at('LOCK'),
    catalog: at('catalog.db'),
    keys: at('keys'),
    catalogKey: at('keys', 'catalog.key'),
    tls: at('tls'),
    certificate: at('tls', 'certificate.pem'),
    certificateKey: at('tls', 'key.pem'),
    setupSecret: at('setup-secret'),
    address: at('address'),
  }
}

/** The folder and what holds it; parents are made as needed. */
export async function makeFolders(disk: Disk, path: string): Promise<void> {
  try {
    await disk.makeFolder(path)
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') || dirname(path) === path) throw error
    await makeFolders(disk, dirname(path))
    await disk.makeFolder(path)
  }
  await disk.syncFolder(dirname(path))
}

/** SERVER_BUSY when another one has it. */
export async function lockFolder(disk: Disk, { folder, lock }: DataPaths): Promise<DiskLock> {
  const held = await disk.lock(lock)
  if (!held) throw serverError('SERVER_BUSY', `another backup server runs on ${folder}`, { context: { folder } })
  return held
}

/** Whole or not at all, and durable. */
export async function replaceFile(disk: Disk, path: string, content: string | Uint8Array): Promise<void> {
  const fresh = `${path}.new`
  if ((await disk.size(fresh)) !== undefined) await disk.unlink(fresh)
  await makeFile(disk, fresh, content)
  await disk.rename(fresh, path)
  await disk.syncFolder(dirname(path))
}

/** EEXIST if there is one. */
export async function makeFile(disk: Disk, path: string, content: string | Uint8Array): Promise<void> {
  const file = await disk.createFile(path)
  try {
    await file.write(Buffer.from(content))
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Fine when there is none. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  if ((await disk.size(path)) === undefined) return
  await disk.unlink(path)
  await disk.syncFolder(dirname(path))
}

export async function readText(disk: Disk, path: string): Promise<string | undefined> {
  if ((await disk.size(path)) === undefined) return undefined
  return (await disk.read(path)).toString('utf8')
}

export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
