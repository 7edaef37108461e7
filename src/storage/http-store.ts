/**
 * Objects on another machine, over HTTP: those of a server in a vault, or an agent's view of a pool. All requests are tried again while the network is down
 * (`exchange`): putting is put-if-absent, so an answer that got lost does no harm. Nothing that the other side answers is believed for its word: lengths, names and the order of lists are checked here, content by its hash upstairs.
 */
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Answer, Fetch } from '../wire/index.ts'
import { exchange, listShape, type Peer, peerErrors, putShape, readAnswer } from '../wire/index.ts'
import { storageError } from './errors.ts'
import type { ByteRange, ObjectInfo, ObjectStore } from './object-store.ts'
import { checkObjectName, checkObjectPrefix, isObjectName } from './object-store.ts'

/** A request, as far as a proof of who makes it covers it. */
export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  readonly target: string
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array<ArrayBuffer>
}

export interface HttpObjects {
  readonly description: string
  /** Scheme, host and port. */
  readonly url: string
  readonly peer: Peer
  /** The path of an object, and that of their list. */
  readonly object: (name: string) => string
  readonly list: string
  /** Headers that prove who asks; asked anew for each try. */
  readonly prove: (op: Operation, request: ObjectRequest) => Record<string, string>
  readonly tries?: number
  /** See `ObjectStore`. */
  readonly checksChunks?: boolean
  readonly isNarrow?: boolean
}

export class HttpStore implements ObjectStore {
  readonly description: string
  readonly checksChunks: boolean
  readonly isNarrow: boolean
  readonly #objects: HttpObjects
  readonly #url: string
  readonly #fetch: Fetch

  constructor(objects: HttpObjects, fetch: Fetch) {
    this.description = objects.description
    this.checksChunks = objects.checksChunks ?? false
    this.isNarrow = objects.isNarrow ?? false
    this.#objects = objects
    this.#url = objects.url.replace(/\/+$/, '')
    this.#fetch = fetch
  }

  /** Also what the other side refuses: a vault a manifest whose packs it lacks (VAULT_PACKS_MISSING), a view a pack that is wrong (PACK_DAMAGED). */
  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    checkObjectName(name)
    const headers = { 'if-none-match': '*', 'content-type': 'application/octet-stream' }
    const answer = await this.#ask(op, { method: 'PUT', target: this.#target(name), headers, body: viewOf(bytes) })
    return readAnswer(answer, this.#url, putShape, this.#objects.peer).result
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
      if (
        (hasCode(error, 'VAULT_ANSWER_INVALID') || hasCode(error, 'SERVER_ANSWER_INVALID')) &&
        error.context.code === 'STORAGE_OBJECT_NOT_FOUND'
      )
        return undefined
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
      const query = new URLSearchParams({ ...(prefix !== '' && { prefix }), ...(last !== undefined && { after: last }) })
      // Without a question mark where nothing follows: it would not reach the other side, and is signed.
      const target = query.size === 0 ? this.#objects.list : `${this.#objects.list}?${query}`
      const answer = await this.#ask(op, { method: 'GET', target })
      const page = readAnswer(answer, this.#url, listShape, this.#objects.peer)
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
    return this.#objects.object(name)
  }

  #ask(op: Operation, request: ObjectRequest): Promise<Answer> {
    const { method, target, body } = request
    const { peer, prove, tries } = this.#objects
    const headers = () => ({ ...request.headers, ...prove(op, request) })
    return exchange(op, this.#fetch, { url: this.#url, method, target, headers, peer, ...(body && { body }), ...(tries && { tries }) })
  }

  #invalid(why: string) {
    return peerErrors[this.#objects.peer].invalid(why, { context: { url: this.#url } })
  }
}

/** The names of a list rise, and are names: a hostile peer must not smuggle in a path. */
function isNext(name: string, prefix: string, last: string | undefined): boolean {
  return isObjectName(name) && name.startsWith(prefix) && (last === undefined || name > last)
}

/** `fetch` takes views of unshared memory only; packs are made in such memory, and what is not is copied. */
function viewOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
}
