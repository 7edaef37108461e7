/** One running backup server: start and stop, in the order that leaves nothing behind when something in between fails. */
import type { FastifyInstance } from 'fastify'
import { baseError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import { openCatalog } from '../catalog/index.ts'
import type { Disk } from '../platform/index.ts'
import { auditRoutes } from './audit/routes.ts'
import { accountRoutes } from './auth/account-routes.ts'
import { approvalRoutes } from './auth/approvals/routes.ts'
import { secondPersonSetting } from './auth/approvals/setting.ts'
import { directoryRoutes } from './auth/directory/routes.ts'
import { directorySetting } from './auth/directory/setting.ts'
import { type PasswordCosts, Passwords } from './auth/passwords.ts'
import { sessionRoutes } from './auth/session-routes.ts'
import { openSetup, setupRoutes } from './auth/setup.ts'
import { keepTidy } from './auth/tidy.ts'
import { tokenRoutes } from './auth/token-routes.ts'
import type { ServerContext } from './context.ts'
import { type DataPaths, dataPaths, hasErrno, lockFolder, makeFile, makeFolders, removeFile, replaceFile } from './data-folder.ts'
import { serverError } from './errors.ts'
import { makeApp } from './http/app.ts'
import { type GivenCertificate, openCertificate } from './http/certificate.ts'
import { EventHub } from './http/event-hub.ts'
import { countOnScrape } from './http/gauges.ts'
import { makeMetrics } from './http/metrics.ts'
import type { Route } from './http/route.ts'
import { systemRoutes } from './http/system-routes.ts'
import type { MakePart, ServerPart } from './part.ts'
import { Sealer } from './secrets.ts'
import { generalSetting } from './settings/general.ts'
import { settingRoutes } from './settings/routes.ts'
import type { SettingDefinition } from './settings/setting.ts'

export interface ServerOptions {
  readonly dataFolder: string
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly disk: Disk
  readonly version: string
  readonly certificate?: GivenCertificate | undefined
  readonly parts?: readonly MakePart[] | undefined
  /** Other than usual only where a test makes many accounts. */
  readonly passwordCosts?: PasswordCosts | undefined
}

export interface RunningServer {
  /** `https://127.0.0.1:41234`. */
  readonly address: string
  /** SHA-256 of the certificate. */
  readonly fingerprint: string
  /** To be shown once; undefined when the first account was made. */
  readonly setupSecret: string | undefined
  readonly context: ServerContext
  readonly routes: readonly Route[]
  close(): Promise<void>
}

/** SERVER_BUSY, SERVER_PORT_IN_USE, SERVER_ADDRESS_INVALID, SERVER_CERTIFICATE_INVALID, SERVER_DATA_INVALID, DATABASE_INVALID, DATABASE_NEWER. */
export async function startServer(outer: Operation, options: ServerOptions): Promise<RunningServer> {
  const { disk } = options
  const paths = dataPaths(options.dataFolder)
  const started = new AsyncDisposableStack()
  const stop = new AbortController()
  const signal = AbortSignal.any([outer.signal, stop.signal])
  const check = () => {
    if (signal.aborted) throw baseError('CANCELLED', 'the server stops')
  }
  const op: Operation = { ...outer, signal, check }
  try {
    await makeFolders(disk, paths.folder)
    const lock = await lockFolder(disk, paths)
    started.defer(() => lock.release())
    for (const folder of [paths.keys, paths.tls]) await makeFolders(disk, folder)
    // SQLite gives its other files the mode of this one.
    if ((await disk.size(paths.catalog)) === undefined) await makeFile(disk, paths.catalog, '')
    const catalog = await openCatalog(op, paths.catalog)
    started.defer(() => catalog.close())
    const sealer = new Sealer(await openCatalogKey(op, disk, paths), op.random)
    const tls = await openCertificate(op, disk, paths, options.certificate)
    const setupSecret = await openSetup({ catalog, op }, disk, paths)

    const events = new EventHub(randomHex(op.random, 4))
    const context: ServerContext = { op, catalog, sealer, events, metrics: makeMetrics(options.version), version: options.version }
    countOnScrape(context)
    const passwords = new Passwords(op.random, options.passwordCosts)
    await passwords.prepare()
    const parts: ServerPart[] = []
    for (const make of options.parts ?? []) {
      const part = await make(context)
      parts.push(part)
      started.defer(async () => await part.close?.())
    }
    const isReady = async () => (await Promise.all(parts.map(async (part) => (await part.isReady?.()) ?? []))).flat()
    const settings: SettingDefinition[] = [
      generalSetting,
      directorySetting,
      secondPersonSetting,
      ...parts.flatMap((part) => part.settings ?? []),
    ]
    const routes: Route[] = [
      ...systemRoutes(context, isReady),
      ...setupRoutes(context, passwords, () => removeFile(disk, paths.setupSecret)),
      ...sessionRoutes(context, passwords),
      ...accountRoutes(context, passwords),
      ...tokenRoutes(context),
      ...directoryRoutes(context),
      ...approvalRoutes(context, () => routes),
      ...auditRoutes(context),
      ...settingRoutes(context, settings),
      ...parts.flatMap((part) => part.routes ?? []),
    ]
    const app = await makeApp(context, { routes, ...tls })
    started.defer(() => app.close())
    // First, so that streams end and the app does not wait for them.
    started.defer(() => stop.abort())
    const address = await listen(app, options)
    await replaceFile(disk, paths.address, `${address}\n`)
    for (const part of parts) await part.started?.()
    const tidying = keepTidy(context)
    tidying.catch((error: unknown) => op.warn({ code: 'INTERNAL', message: `tidying up failed: ${String(error)}` }))
    return { address, fingerprint: tls.fingerprint, setupSecret, context, routes, close: () => started.disposeAsync() }
  } catch (error) {
    await started.disposeAsync()
    throw error
  }
}

const CATALOG_KEY_BYTES = 32

async function openCatalogKey(op: Operation, disk: Disk, { catalogKey }: DataPaths): Promise<Uint8Array> {
  if ((await disk.size(catalogKey)) === undefined) await replaceFile(disk, catalogKey, op.random.bytes(CATALOG_KEY_BYTES))
  const key = await disk.read(catalogKey)
  if (key.length !== CATALOG_KEY_BYTES) throw serverError('SERVER_DATA_INVALID', `${catalogKey} is not a key`)
  return key
}

async function listen(app: FastifyInstance, { host, port }: ServerOptions): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    const details = { cause, context: { host, port } }
    if (hasErrno(cause, 'EADDRINUSE')) throw serverError('SERVER_PORT_IN_USE', `port ${port} of ${host} is taken`, details)
    const isAddress = ['EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN', 'ERR_SOCKET_BAD_PORT'].some((code) => hasErrno(cause, code))
    throw isAddress ? serverError('SERVER_ADDRESS_INVALID', `the server cannot listen on port ${port} of ${host}`, details) : cause
  }
  const bound = app.server.address()
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `https://${name.includes(':') ? `[${name}]` : name}:${boundPort}`
}
