/**
 * A store that nobody else changes, over a line on which each question takes long: an agent's view (docs/adr/0015-an-agents-view.md). What it holds is asked once, what is
 * small comes along at once, and then only bytes of packs and what is put crosses the line. Threads of the same session put packs beside this one, so of those only
 * the first list is taken from what was asked.
 */
import { equalBytes } from '../base/bytes.ts'
import type { Operation } from '../base/operation.ts'
import { storageError } from './errors.ts'
import { type ByteRange, checkObjectName, checkObjectPrefix, type ObjectInfo, type ObjectStore } from './object-store.ts'

const SMALL_BYTES = 2 * 1024 * 1024
const PACKS = 'packs/'

export class KnownObjects implements ObjectStore {
  readonly description: string
  readonly checksChunks: boolean
  readonly isNarrow: boolean
  readonly #store: ObjectStore
  #asked: Promise<Map<string, number>> | undefined
  readonly #contents = new Map<string, Promise<Buffer>>()
  #havePacksBeenListed = false

  constructor(store: ObjectStore) {
    this.description = store.description
    this.checksChunks = store.checksChunks ?? false
    this.isNarrow = store.isNarrow ?? false
    this.#store = store
  }

  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    const known = await this.#known(op)
    const content = known.has(name) ? this.#contents.get(name) : undefined
    if (content && equalBytes(await content, bytes)) return 'already-there'
    const result = await this.#store.put(op, name, bytes)
    known.set(name, bytes.length)
    return result
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    checkObjectName(name)
    await this.#known(op)
    const content = await this.#contents.get(name)
    if (!content) return await this.#store.get(op, name, range)
    const { offset, length } = range ?? { offset: 0, length: content.length }
    if (offset + length > content.length)
      throw storageError('STORAGE_OBJECT_SHORT', `${name} ends after ${content.length} bytes, ${offset + length} are wanted`)
    return Buffer.from(content.subarray(offset, offset + length))
  }

  async head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    checkObjectName(name)
    const sizeBytes = (await this.#known(op)).get(name)
    if (sizeBytes !== undefined) return { name, sizeBytes }
    return name.startsWith(PACKS) ? await this.#store.head(op, name) : undefined
  }

  async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    checkObjectPrefix(prefix)
    const known = await this.#known(op)
    const mayHavePacks = prefix.startsWith(PACKS) || PACKS.startsWith(prefix)
    if (mayHavePacks && this.#havePacksBeenListed) {
      yield* this.#store.list(op, prefix)
      return
    }
    this.#havePacksBeenListed ||= mayHavePacks
    for (const name of [...known.keys()].filter((each) => each.startsWith(prefix)).sort()) {
      const sizeBytes = known.get(name)
      if (sizeBytes !== undefined) yield { name, sizeBytes }
    }
  }

  /** Asked once, also by many at a time; what failed is asked again. */
  #known(op: Operation): Promise<Map<string, number>> {
    this.#asked ??= this.#ask(op).catch((error: unknown) => {
      this.#asked = undefined
      throw error
    })
    return this.#asked
  }

  async #ask(op: Operation): Promise<Map<string, number>> {
    const known = new Map<string, number>()
    for await (const { name, sizeBytes } of this.#store.list(op, '')) known.set(name, sizeBytes)
    for (const [name, sizeBytes] of known) if (!name.startsWith(PACKS) && sizeBytes <= SMALL_BYTES) this.#fetch(op, name)
    return known
  }

  #fetch(op: Operation, name: string): void {
    const content = this.#store.get(op, name)
    this.#contents.set(name, content)
    // Whoever wants it hears the reason, and who asks again asks the store.
    content.catch(() => this.#contents.delete(name))
  }
}
