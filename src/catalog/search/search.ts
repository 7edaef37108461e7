/** The index of names, as the rest of the program sees it. The work is done in another thread: neither a large point nor a search holds up anybody. */
import { Worker } from 'node:worker_threads'
import { fromPlainError, type PlainError } from '../../base/errors.ts'
import { catalogError } from '../errors.ts'
import type { Page, PageRequest } from '../paging.ts'
import type { NamedEntry, PointChange, SearchHit, SearchQuery } from './search-index.ts'

type Call =
  | { readonly act: 'apply'; readonly change: PointChange }
  | { readonly act: 'complete'; readonly sourceId: string; readonly sequence: number }
  | { readonly act: 'newest'; readonly sourceId: string }
  | { readonly act: 'forget'; readonly sourceId: string; readonly sequences: readonly number[] }
  | { readonly act: 'remove'; readonly sourceId: string }
  | { readonly act: 'tidy'; readonly table: 'names' | 'folders'; readonly from: number }
  | { readonly act: 'search'; readonly query: SearchQuery; readonly page: PageRequest }
  | { readonly act: 'close' }

export interface SearchQuestion {
  readonly id: number
  readonly call: Call
}

export interface SearchAnswer {
  readonly id: number
  readonly result?: unknown
  readonly error?: PlainError
}

/** What one point has that the one before had not, and the reverse. */
export type PointDifference = AsyncIterable<{ readonly isAdded: boolean; readonly entry: NamedEntry }>

/** So that a search waits for one batch at most: some tens of milliseconds. */
const BATCH_ENTRIES = 2000

export class Search {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: unknown) => void }>()
  #lastId = 0
  #failure: unknown

  constructor(path: string) {
    this.#worker = new Worker(new URL('./search-worker.ts', import.meta.url), { workerData: path })
    this.#worker.on('message', (answer: SearchAnswer) => this.#settle(answer))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(catalogError('CATALOG_SEARCH_STOPPED', 'the search is closed')))
  }

  /** Adds one point: it is found from when this returns. Points of a source are added in the order of their sequences; one that was added is skipped. */
  async addPoint(sourceId: string, sequence: number, difference: PointDifference): Promise<void> {
    if ((await this.newestOf(sourceId)) >= sequence) return
    let added: NamedEntry[] = []
    let removed: NamedEntry[] = []
    const flush = async () => {
      if (added.length + removed.length > 0) await this.#ask({ act: 'apply', change: { sourceId, sequence, added, removed } })
      added = []
      removed = []
    }
    for await (const { isAdded, entry } of difference) {
      if (isAdded) added.push(entry)
      else removed.push(entry)
      if (added.length + removed.length >= BATCH_ENTRIES) await flush()
    }
    await flush()
    await this.#ask({ act: 'complete', sourceId, sequence })
  }

  async newestOf(sourceId: string): Promise<number> {
    return await this.#ask<number>({ act: 'newest', sourceId })
  }

  /** CATALOG_SEARCH_INVALID, CATALOG_CURSOR_INVALID. */
  async search(query: SearchQuery, page: PageRequest): Promise<Page<SearchHit>> {
    return await this.#ask<Page<SearchHit>>({ act: 'search', query, page })
  }

  /** Only these points are left. False: it must be removed and added anew. */
  async keepOnly(sourceId: string, sequences: readonly number[]): Promise<boolean> {
    return await this.#ask<boolean>({ act: 'forget', sourceId, sequences })
  }

  async removeSource(sourceId: string): Promise<void> {
    await this.#ask({ act: 'remove', sourceId })
  }

  /** For a night: frees what was forgotten, and lets searches go before. */
  async tidy(): Promise<void> {
    for (const table of ['names', 'folders'] as const)
      for (let from = await this.#tidy(table, 0); from > 0; ) from = await this.#tidy(table, from)
  }

  #tidy(table: 'names' | 'folders', from: number): Promise<number> {
    return this.#ask<number>({ act: 'tidy', table, from })
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.#ask({ act: 'close' })
    await this.#worker.terminate()
  }

  #ask<T = void>(call: Call): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, call } satisfies SearchQuestion)
    })
  }

  #settle({ id, result, error }: SearchAnswer): void {
    const asked = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error) asked?.reject(fromPlainError(error))
    else asked?.resolve(result as never)
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }
}

/** DATABASE_INVALID: it is damaged; remove the file, and add the points again. */
export async function openSearch(path: string): Promise<Search> {
  const search = new Search(path)
  try {
    await search.newestOf('')
    return search
  } catch (error) {
    await search.close().catch(() => undefined)
    throw error
  }
}
