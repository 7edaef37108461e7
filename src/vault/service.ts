/** One running vault service: start and stop, in the order that leaves nothing behind when something in between fails. */
import type { FastifyInstance } from 'fastify'
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import { createLocalDiskStore } from '../storage/index.ts'
import { publicKeyText, urlShape } from '../wire/index.ts'
import { localAddress, publicAddress, warnWithoutTls } from './address.ts'
import type { VaultContext } from './context.ts'
import {
  type DataPaths,
  dataPaths,
  hasErrno,
  lockFolder,
  makeFile,
  makeFolders,
  openAdminToken,
  openKey,
  readText,
  replaceFile,
} from './data-folder.ts'
import { openDatabase } from './database.ts'
import { vaultError } from './errors.ts'
import { makeHttp } from './http.ts'
import { ServerStores } from './server-stores.ts'

export interface VaultOptions {
  readonly dataFolder: string
  readonly host: string
  /** 0: the port of the last time, or any free one. */
  readonly port: number
  readonly disk: Disk
  /** How servers reach it, when that differs from where it listens: behind a proxy with TLS, say. */
  readonly publicUrl?: string
}

export interface RunningVault {
  /** As programs on this machine reach it: `http://127.0.0.1:41234`. */
  readonly address: string
  close(): Promise<void>
}

/** VAULT_BUSY, VAULT_PORT_IN_USE, VAULT_ADDRESS_INVALID, VAULT_DATA_INVALID, VAULT_DATA_NEWER. */
export async function startVault(op: Operation, options: VaultOptions): Promise<RunningVault> {
  const { disk, host } = options
  if (options.publicUrl !== undefined && !urlShape.safeParse(options.publicUrl).success) {
    throw vaultError('VAULT_ADDRESS_INVALID', `${options.publicUrl} is not an address`)
  }
  const warning = warnWithoutTls(host, options.publicUrl)
  if (warning) op.warn(warning)

  const paths = dataPaths(options.dataFolder)
  const started = new AsyncDisposableStack()
  try {
    await makeFolders(disk, paths.folder)
    const lock = await lockFolder(disk, paths)
    started.defer(() => lock.release())
    // SQLite gives its other files the mode of this one.
    if ((await disk.size(paths.database)) === undefined) await makeFile(disk, paths.database, '')
    const database = await openDatabase(paths.database)
    started.defer(() => database.destroy())
    const key = await openKey(op, disk, database, paths)
    await openAdminToken(op, disk, database, paths)

    let url = ''
    const stores = new ServerStores(paths.objects, async (folder) => {
      const store = await createLocalDiskStore(op, disk, folder)
      // Nobody else works on this folder, so all that lies there is what a crash left.
      await store.removeTemporary(op, () => false)
      return store
    })
    const context: VaultContext = { op, database, key, publicKey: publicKeyText(key), stores, url: () => url }
    const http = makeHttp(context)
    started.defer(() => http.close())
    const port = await listen(op, http, options, paths)
    url = options.publicUrl?.replace(/\/+$/, '') ?? publicAddress(host, port)
    const address = localAddress(host, port)
    await replaceFile(disk, paths.address, `${address}\n`)
    return { address, close: () => started.disposeAsync() }
  } catch (error) {
    await started.disposeAsync()
    throw error
  }
}

async function listen(op: Operation, http: FastifyInstance, { disk, host, port }: VaultOptions, paths: DataPaths): Promise<number> {
  const remembered = port === 0 ? await rememberedPort(disk, paths) : undefined
  if (remembered !== undefined) {
    try {
      return await listenOn(http, host, remembered)
    } catch (error) {
      if (!hasErrno(error, 'EADDRINUSE') && !hasErrno(error, 'EACCES')) throw listenError(error, host, remembered)
      const message = `port ${remembered} is taken, so the vault listens on another one; registered servers look for it there`
      op.warn({ code: 'VAULT_ADDRESS_CHANGED', message, item: `${host}:${remembered}` })
    }
  }
  try {
    return await listenOn(http, host, port)
  } catch (error) {
    throw listenError(error, host, port)
  }
}

async function listenOn(http: FastifyInstance, host: string, port: number): Promise<number> {
  await http.listen({ host, port })
  const address = http.server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

function listenError(error: unknown, host: string, port: number): unknown {
  const details = { cause: error, context: { host, port } }
  if (hasErrno(error, 'EADDRINUSE')) return vaultError('VAULT_PORT_IN_USE', `port ${port} of ${host} is taken`, details)
  const isAddress = ['EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN', 'ERR_SOCKET_BAD_PORT'].some((code) => hasErrno(error, code))
  return isAddress ? vaultError('VAULT_ADDRESS_INVALID', `the vault cannot listen on port ${port} of ${host}`, details) : error
}

/** Registered servers know the address; a restart should be found there. */
async function rememberedPort(disk: Disk, paths: DataPaths): Promise<number | undefined> {
  const port = Number(/:(\d{1,5})\s*$/.exec((await readText(disk, paths.address)) ?? '')?.[1])
  return port > 0 && port < 65_536 ? port : undefined
}
