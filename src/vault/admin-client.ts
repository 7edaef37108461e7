/** What the command line asks of a vault service on the same machine: address and token come from the data folder, the rest goes over HTTP. */
import { join } from 'node:path'
import type { z } from 'zod'
import { toTimestamp } from '../base/clock.ts'
import { hasCode, isKind } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { type Disk, type DiskFile, systemDisk } from '../platform/index.ts'
import type { Redundancy, VaultDescription } from '../wire/index.ts'
import {
  createVaultShape,
  credentialsShape,
  exchange,
  readAnswer,
  serverNameShape,
  serverShape,
  vaultNameShape,
  vaultPaths,
  vaultShape,
} from '../wire/index.ts'
import { dataPaths, hasErrno, readText } from './data-folder.ts'
import { vaultError } from './errors.ts'
import { readShape } from './requests.ts'

/** VAULT_FOLDER_NOT_FOUND, VAULT_NOT_RUNNING, VAULT_EXISTS, VAULT_REQUEST_INVALID. */
export async function createVault(
  op: Operation,
  dataFolder: string,
  options: { readonly name: string; readonly redundancy?: Redundancy },
): Promise<VaultDescription> {
  const wanted = readShape(options, createVaultShape)
  return await ask(op, dataFolder, { target: vaultPaths.vaults, body: wanted, shape: vaultShape })
}

/**
 * Writes a new credentials file `NAME_DATE.VaultCredentials`, for the owner only, and returns its path. Voids those downloaded before.
 * VAULT_FOLDER_NOT_FOUND, VAULT_NOT_RUNNING, VAULT_NOT_FOUND, VAULT_FILE_UNWRITABLE.
 */
export async function downloadCredentials(
  op: Operation,
  dataFolder: string,
  options: { readonly name: string; readonly outFolder: string },
): Promise<string> {
  const name = readShape(options.name, vaultNameShape)
  const disk = systemDisk()
  // The file first: a folder that cannot be written to must not void the file that is in use.
  const { path, file } = await createCredentialsFile(disk, options.outFolder, `${name}_${toTimestamp(op.clock.nowMs()).slice(0, 10)}`)
  let isWritten = false
  try {
    const credentials = await ask(op, dataFolder, { target: vaultPaths.credentials(name), body: {}, shape: credentialsShape })
    await file.write(Buffer.from(`${JSON.stringify(credentials, null, 2)}\n`))
    await file.sync()
    isWritten = true
    return path
  } finally {
    await file.close()
    if (!isWritten) await disk.unlink(path)
  }
}

/** Frees the name of a server that is gone; what it stored stays. VAULT_NOT_FOUND, VAULT_SERVER_NOT_FOUND. */
export async function retireServer(
  op: Operation,
  dataFolder: string,
  options: { readonly vaultName: string; readonly serverName: string },
): Promise<void> {
  const vaultName = readShape(options.vaultName, vaultNameShape)
  const serverName = readShape(options.serverName, serverNameShape)
  await ask(op, dataFolder, { target: vaultPaths.retirement(vaultName, serverName), body: {}, shape: serverShape })
}

interface Question<T> {
  readonly target: string
  readonly body: unknown
  readonly shape: z.ZodType<T>
}

async function ask<T>(op: Operation, dataFolder: string, { target, body, shape }: Question<T>): Promise<T> {
  const disk = systemDisk()
  const paths = dataPaths(dataFolder)
  const url = (await readText(disk, paths.address))?.trim()
  const token = (await readText(disk, paths.adminToken))?.trim()
  if (url === undefined || token === undefined) {
    throw vaultError('VAULT_FOLDER_NOT_FOUND', `${paths.folder} is not the data folder of a vault service`, {
      context: { folder: paths.folder },
    })
  }
  const headers = () => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' })
  try {
    const request = { url, method: 'POST', target, headers, body: new TextEncoder().encode(JSON.stringify(body)), tries: 1 } as const
    return readAnswer(await exchange(op, fetch, request), url, shape)
  } catch (error) {
    const context = { folder: paths.folder, url }
    if (hasCode(error, 'VAULT_UNREACHABLE'))
      throw vaultError('VAULT_NOT_RUNNING', `no vault service runs on ${paths.folder}`, { cause: error, context })
    // Another program has the port now, and knows nothing of vaults.
    if (hasCode(error, 'VAULT_ANSWER_INVALID') || isKind(error, 'unauthenticated')) {
      throw vaultError('VAULT_NOT_RUNNING', `what answers at ${url} is not the vault service of ${paths.folder}`, { cause: error, context })
    }
    throw error
  }
}

async function createCredentialsFile(disk: Disk, folder: string, base: string): Promise<{ path: string; file: DiskFile }> {
  for (let n = 1; ; n++) {
    const path = join(folder, n === 1 ? `${base}.VaultCredentials` : `${base}-${n}.VaultCredentials`)
    try {
      return { path, file: await disk.createFile(path) }
    } catch (cause) {
      if (hasErrno(cause, 'EEXIST')) continue
      throw vaultError('VAULT_FILE_UNWRITABLE', `${path} cannot be made`, { cause, context: { path } })
    }
  }
}
