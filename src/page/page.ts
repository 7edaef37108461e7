/** The page's web server. It reads and changes nothing; what it shows is read anew for every request, but for the index of a recovery point. */
import { Readable } from 'node:stream'
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import { browseFolder, type Entry, findEntry, type OpenedPoint, openPoint, readFileContent } from '../archive/index.ts'
import { asTerpError, type TerpError, toPlainError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Repository } from '../repository/index.ts'
import { pageError } from './errors.ts'
import { dispositionOf } from './format.ts'
import { guard, makeToken } from './guard.ts'
import { STYLE } from './style.ts'
import { errorPage, folderPage, pointsPage } from './views.ts'

export interface PageOptions {
  readonly repository: Repository
  /** The second copy: only asked which recovery points it has. */
  readonly vault?: Repository
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

export interface RunningPage {
  /** With the token: whoever has it may look. */
  readonly address: string
  close(): Promise<void>
}

/** PAGE_PORT_IN_USE, PAGE_ADDRESS_INVALID. */
export async function startPage(op: Operation, options: PageOptions): Promise<RunningPage> {
  const token = makeToken(op.random)
  const http = makePage(op, options, token)
  try {
    await http.listen({ host: options.host, port: options.port })
  } catch (error) {
    await http.close()
    throw listenError(error, options)
  }
  const address = http.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  return { address: `http://${options.host}:${port}/?token=${token}`, close: () => http.close() }
}

function listenError(error: unknown, { host, port }: PageOptions): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const details = { cause: error, context: { host, port } }
  if (code === 'EADDRINUSE') return pageError('PAGE_PORT_IN_USE', `port ${port} of ${host} is taken`, details)
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    return pageError('PAGE_ADDRESS_INVALID', `the page can not listen on port ${port} of ${host}`, details)
  return error
}

const STATUS: Readonly<Partial<Record<TerpError['kind'], number>>> = { 'not-found': 404, invalid: 400, forbidden: 403 }
const KEPT_POINTS = 4
const ENTRIES_PER_PAGE = 1000

export function makePage(op: Operation, { repository, vault }: PageOptions, token: string): FastifyInstance {
  const http = fastify({
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    // An address that can not be decoded comes before all hooks.
    frameworkErrors: (_, __, reply) => void send(reply, 404, errorPage(404, pageError('PAGE_NOT_FOUND', 'there is no such page'))),
    routerOptions: { maxParamLength: 64 * 1024 },
  })
  const opened = new OpenedPoints(op, repository)
  guard(http, token)

  http.get('/style.css', (_, reply) => reply.type('text/css; charset=utf-8').send(STYLE))
  http.get('/', async (_, reply) => {
    const { points, damaged } = await repository.listPoints(op)
    return send(reply, 200, pointsPage({ points, damaged, inVault: await idsIn(op, vault), poolName: repository.store.description }))
  })
  const folder = async (reply: FastifyReply, id: string, path: Buffer, query: unknown) => {
    const place = await opened.get(id)
    const all = await browseFolder(op, place, path)
    const [only] = all
    // A file's path names that file: there is no folder to show.
    if (path.length > 0 && all.length === 1 && only?.path.equals(path) && only.kind !== 'folder') return download(op, reply, place, path)
    const from = firstOf(query, all.length)
    const entries = foldersFirst(all).slice(from, from + ENTRIES_PER_PAGE)
    return send(reply, 200, folderPage({ point: place.point, path, entries, from, total: all.length }))
  }
  http.get<{ Params: { id: string } }>('/points/:id', ({ params, query }, reply) => folder(reply, params.id, Buffer.alloc(0), query))
  http.get<{ Params: { id: string; path: string } }>('/points/:id/folder/:path', ({ params, query }, reply) =>
    folder(reply, params.id, decodePath(params.path), query),
  )
  http.get<{ Params: { id: string; path: string } }>('/points/:id/file/:path', async ({ params }, reply) =>
    download(op, reply, await opened.get(params.id), decodePath(params.path)),
  )
  http.setNotFoundHandler((_, reply) => send(reply, 404, errorPage(404, pageError('PAGE_NOT_FOUND', 'there is no such page'))))
  http.setErrorHandler((error, _, reply) => {
    const known = toPlainError(isHttpError(error) ? pageError('PAGE_NOT_FOUND', 'there is no such page') : asTerpError(error))
    const status = STATUS[known.kind] ?? 500
    return send(reply, status, errorPage(status, known))
  })
  return http
}

/** What fastify itself refuses: an address that it can not decode, say. */
function isHttpError(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500
}

function send(reply: FastifyReply, status: number, page: string): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(page)
}

async function download(op: Operation, reply: FastifyReply, place: OpenedPoint, path: Buffer): Promise<FastifyReply> {
  const entry = await findEntry(op, place, path)
  if (entry.kind !== 'file') throw pageError('PAGE_NOT_FOUND', 'only files can be downloaded')
  return reply
    .type('application/octet-stream')
    .header('content-length', entry.sizeBytes)
    .header('content-disposition', dispositionOf(path.subarray(path.lastIndexOf(0x2f) + 1)))
    .send(Readable.from(readFileContent(op, place, entry), { objectMode: false }))
}

function decodePath(text: string): Buffer {
  const path = Buffer.from(text, 'base64url')
  if (path.toString('base64url') !== text) throw pageError('PAGE_NOT_FOUND', 'there is no such path')
  return path
}

function firstOf(query: unknown, total: number): number {
  const from = Number((query as { from?: unknown }).from ?? 0)
  return Number.isSafeInteger(from) && from > 0 && from < total ? from : 0
}

/** Otherwise in the order of the tree: by the bytes of their names. */
function foldersFirst(entries: readonly Entry[]): Entry[] {
  const isFolder = (entry: Entry) => entry.kind === 'folder'
  return [...entries.filter(isFolder), ...entries.filter((entry) => !isFolder(entry))]
}

/** Undefined when the vault does not answer: that must not hide the pool. */
async function idsIn(op: Operation, vault: Repository | undefined): Promise<Set<string> | undefined | null> {
  if (!vault) return null
  try {
    return new Set((await vault.listPoints(op)).points.map(({ id }) => id))
  } catch {
    return undefined
  }
}

/** Loading an index costs more than a page; the last few are kept. */
class OpenedPoints {
  readonly #op: Operation
  readonly #repository: Repository
  readonly #kept = new Map<string, Promise<OpenedPoint>>()

  constructor(op: Operation, repository: Repository) {
    this.#op = op
    this.#repository = repository
  }

  async get(id: string): Promise<OpenedPoint> {
    if (!/^[0-9a-f]{32}$/.test(id)) throw pageError('PAGE_NOT_FOUND', 'there is no such recovery point')
    const known = this.#kept.get(id)
    this.#kept.delete(id)
    const place = known ?? this.#open(id)
    this.#kept.set(id, place)
    for (const old of [...this.#kept.keys()].slice(0, -KEPT_POINTS)) this.#kept.delete(old)
    try {
      return await place
    } catch (error) {
      this.#kept.delete(id)
      throw error
    }
  }

  async #open(id: string): Promise<OpenedPoint> {
    return openPoint(this.#op, this.#repository, await this.#repository.findPoint(this.#op, id))
  }
}
