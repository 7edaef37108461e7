/**
 * A server's objects in a vault, over HTTP. Requests of the server are signed; those of a recovery session carry a token, and cannot put.
 * All requests are tried again while the network is down (`exchange`): putting is put-if-absent, so an answer that got lost does no harm.
 * Nothing that the vault answers is believed for its word: lengths, names and the order of lists are checked here, content by its hash upstairs.
 */
import type { KeyObject } from 'node:crypto'
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Answer, Fetch } from '../wire/index.ts'
import { exchange, listShape, putShape, readAnswer, readSigningKey, signedHeaders, vaultPaths, wireError } from '../wire/index.ts'
import { storageError } from './errors.ts'
import type { ByteRange, ObjectInfo, ObjectStore } from './object-store.ts'
import { checkObjectName, checkObjectPrefix, isObjectName } from './object-store.ts'

export type VaultAccess =
  /** A registered server. PEM, PKCS 8 in base64, or a key. */
  | { readonly url: string; readonly serverId: string; readonly privateKey: string | KeyObject }
  /** A recovery session: reads only. */
  | { readonly url: string; readonly serverId: string; readonly bearerToken: string }

interface Request {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  readonly target: string
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array<ArrayBuffer>
}

const NO_BODY = new Uint8Array(0)

export class VaultStore implements ObjectStore {
  readonly description: string
  readonly #url: string
  readonly #serverId: string
  readonly #fetch: Fetch
  readonly #prove: (op: Operation, request: Request) => Record<string, string>

  constructor(access: VaultAccess, fetch: Fetch) {
    this.#url = access.url.replace(/\/+$/, '')
    this.#serverId = access.serverId
    this.description = `${this.#url} (server ${access.serverId})`
    this.#fetch = fetch
    this.#prove = proofOf(access)
  }

  /** Also VAULT_PACKS_MISSING for a manifest whose packs the vault lacks, and VAULT_NAME_MISMATCH for a name that is not the content's hash. */
  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    checkObjectName(name)
    const headers = { 'if-none-match': '*', 'content-type': 'application/octet-stream' }
    const answer = await this.#ask(op, { method: 'PUT', target: this.#target(name), headers, body: viewOf(bytes) })
    return readAnswer(answer, this.#url, putShape).result
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    checkObjectName(name)
    if (range?.length === 0) return await this.#getNothing(op, name, range.offset)
    const headers: Record<string, string> = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {}
    const answer = await this.#ask(op, { method: 'GET', target: this.#target(name), headers })
    const bytes = Buffer.from(answer.bytes.buffer)
    if (range && (answer.status !== 206 || bytes.length !== range.length)) {
      throw this.#invalid(`${range.length} bytes of ${name} were asked for, ${bytes.length} came`)
    }
    return bytes
  }

  /** HTTP has no word for an empty range. */
  async #getNothing(op: Operation, name: string, offset: number): Promise<Buffer> {
    const info = await this.head(op, name)
    if (!info) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no object ${name}`)
    if (offset > info.sizeBytes)
      throw storageError('STORAGE_OBJECT_SHORT', `${name} ends after ${info.sizeBytes} bytes, ${offset} are wanted`)
    return Buffer.alloc(0)
  }

  async head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    checkObjectName(name)
    let answer: Answer
    try {
      answer = await this.#ask(op, { method: 'HEAD', target: this.#target(name) })
    } catch (error) {
      // An answer to HEAD has no body, so the code stands in a header. A mere 404 may be a proxy's, and proves no absence.
      if (hasCode(error, 'VAULT_ANSWER_INVALID') && error.context.code === 'STORAGE_OBJECT_NOT_FOUND') return undefined
      throw error
    }
    const length = answer.headers.get('content-length') ?? ''
    if (!/^\d{1,15}$/.test(length)) throw this.#invalid(`the size of ${name} is missing`)
    return { name, sizeBytes: Number(length) }
  }

  async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    checkObjectPrefix(prefix)
    let last: string | undefined
    for (;;) {
      const query = new URLSearchParams({ prefix, ...(last !== undefined && { after: last }) })
      const answer = await this.#ask(op, { method: 'GET', target: `${vaultPaths.objects(this.#serverId)}?${query}` })
      const page = readAnswer(answer, this.#url, listShape)
      for (const info of page.objects) {
        if (!isNext(info.name, prefix, last))
          throw this.#invalid(`a list names ${JSON.stringify(info.name.slice(0, 80))} where it must not`)
        last = info.name
        yield info
      }
      if (page.next === null) return
      // Otherwise the same page would come again, for ever.
      if (page.objects.length === 0 || page.next !== last) throw this.#invalid('a list does not go on where it ended')
    }
  }

  #target(name: string): string {
    return vaultPaths.object(this.#serverId, name)
  }

  #ask(op: Operation, request: Request): Promise<Answer> {
    const { method, target, body } = request
    const headers = () => ({ ...request.headers, ...this.#prove(op, request) })
    return exchange(op, this.#fetch, { url: this.#url, method, target, headers, ...(body && { body }) })
  }

  #invalid(why: string) {
    return wireError('VAULT_ANSWER_INVALID', why, { context: { url: this.#url } })
  }
}

function proofOf(access: VaultAccess): (op: Operation, request: Request) => Record<string, string> {
  if ('bearerToken' in access) return () => ({ authorization: `Bearer ${access.bearerToken}` })
  const { serverId } = access
  const privateKey = typeof access.privateKey === 'string' ? readSigningKey(access.privateKey) : access.privateKey
  return (op, { method, target, body }) => signedHeaders(op, { method, target, body: body ?? NO_BODY, serverId, privateKey })
}

/** The names of a list rise, and are names: a hostile vault must not smuggle in a path. */
function isNext(name: string, prefix: string, last: string | undefined): boolean {
  return isObjectName(name) && name.startsWith(prefix) && (last === undefined || name > last)
}

/** `fetch` takes views of unshared memory only; packs are made in such memory, and what is not is copied. */
function viewOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
}
