/**
 * The data folder of a vault service. `vault.db` metadata · `vault-key.pem` what signs credentials files · `admin-token` what the command line
 * shows · `address` where the service listens · `LOCK` held while it runs · `objects/<vault>/<server>/` the objects. All readable by the owner only.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import type { Operation } from '../base/operation.ts'
import type { Disk, DiskLock } from '../platform/index.ts'
import { makeSigningKey, publicKeyText, sha256Hex } from '../wire/index.ts'
import { makeToken } from './credentials.ts'
import type { Database } from './database.ts'
import { vaultError } from './errors.ts'
import { adminTokenSha256, findSetting, saveSetting } from './settings.ts'

export interface DataPaths {
  readonly folder: string
  readonly lock: string
  readonly database: string
  readonly key: string
  readonly adminToken: string
  readonly address: string
  readonly objects: string
}

export function dataPaths(dataFolder: string): DataPaths {
  const folder = resolve(dataFolder)
  const at = (name: string) => join(folder, name)
  return {
    folder,
    lock: at('LOCK'),
    database: at('vault.db'),
    key: at('vault-key.pem'),
    adminToken: at('admin-token'),
    address: at('address'),
    objects: at('objects'),
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

/** VAULT_BUSY when another service has it. */
export async function lockFolder(disk: Disk, { folder, lock }: DataPaths): Promise<DiskLock> {
  const held = await disk.lock(lock)
  if (!held) throw vaultError('VAULT_BUSY', `another vault service runs on ${folder}`, { context: { folder } })
  return held
}

/** Made at the first start. A key that is lost or changed is not replaced in silence: every credentials file would be foreign. */
export async function openKey(op: Operation, disk: Disk, database: Database, paths: DataPaths): Promise<KeyObject> {
  const expected = await findSetting(database, 'public-key')
  const pem = await readText(disk, paths.key)
  if (pem === undefined && expected !== undefined) throw vaultError('VAULT_DATA_INVALID', `${paths.key} is gone`)
  const key = pem === undefined ? makeSigningKey(op.random) : readKey(pem, paths.key)
  if (expected !== undefined && publicKeyText(key) !== expected)
    throw vaultError('VAULT_DATA_INVALID', `${paths.key} is not the key of this vault`)
  if (pem === undefined) await replaceFile(disk, paths.key, key.export({ format: 'pem', type: 'pkcs8' }).toString())
  if (expected === undefined) await saveSetting(database, 'public-key', publicKeyText(key))
  return key
}

function readKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw vaultError('VAULT_DATA_INVALID', `${path} is not a key`, { cause })
  }
}

/** Kept over restarts; a new one if the file was lost or does not fit the database. */
export async function openAdminToken(op: Operation, disk: Disk, database: Database, paths: DataPaths): Promise<void> {
  const token = (await readText(disk, paths.adminToken))?.trim()
  if (token !== undefined && sha256Hex(token) === (await adminTokenSha256(database))) return
  const made = makeToken({ op })
  await replaceFile(disk, paths.adminToken, `${made}\n`)
  await saveSetting(database, 'admin-token-sha256', sha256Hex(made))
}

/** Whole or not at all, and durable. */
export async function replaceFile(disk: Disk, path: string, text: string): Promise<void> {
  const fresh = `${path}.new`
  if ((await disk.size(fresh)) !== undefined) await disk.unlink(fresh)
  await makeFile(disk, fresh, text)
  await disk.rename(fresh, path)
  await disk.syncFolder(dirname(path))
}

/** EEXIST if there is one. */
export async function makeFile(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.createFile(path)
  try {
    await file.write(Buffer.from(text))
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function readText(disk: Disk, path: string): Promise<string | undefined> {
  if ((await disk.size(path)) === undefined) return undefined
  return (await disk.read(path)).toString('utf8')
}

export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
