/** Reads a tree: in order, from a path on, below a folder, or one folder's own children. Pages are checked as chunks and cached. */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { CHUNK_TYPE, type ChunkIndex, ChunkReader, locate, type Repository } from '../../repository/index.ts'
import { comparePaths, type Entry, type Extent, isWithin, joinPath, parentOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { decodeContentList } from './content-list.ts'
import { decodePage, isLeaf, type Page, type PageChild } from './page-codec.ts'

const CACHED_PAGES = 64
const EMPTY = Buffer.alloc(0)

export interface TreeAddress {
  readonly root: Buffer
  readonly level: number
}

export class TreeReader {
  readonly #reader: ChunkReader
  readonly #index: ChunkIndex
  readonly #address: TreeAddress
  readonly #cache = new Map<string, Page>()

  constructor(repository: Repository, index: ChunkIndex, address: TreeAddress) {
    this.#reader = new ChunkReader(repository.store, repository.keys)
    this.#index = index
    this.#address = address
  }

  get root(): Buffer {
    return this.#address.root
  }

  get level(): number {
    return this.#address.level
  }

  /** Lets go of the packs that it holds open; it may go on to be used. */
  close(): void {
    this.#reader.close()
  }

  async page(op: Operation, id: Buffer): Promise<Page> {
    const key = id.toString('latin1')
    const cached = this.#cache.get(key)
    if (cached) return cached
    const location = locate(this.#index, id)
    if (location.record.type !== CHUNK_TYPE.page) throw archiveError('TREE_DAMAGED', `chunk ${id.toString('hex').slice(0, 12)}… is no page`)
    const page = decodePage(await this.#reader.read(op, location))
    if (this.#cache.size >= CACHED_PAGES) this.#cache.delete(this.#cache.keys().next().value as string)
    this.#cache.set(key, page)
    return page
  }

  /** The pages of level 0 in order, unread but for one that is the whole tree. */
  async *pages(op: Operation): AsyncGenerator<PageChild> {
    const { root, level } = this.#address
    if (level > 0) {
      yield* this.#pagesBelow(op, root, level)
      return
    }
    const page = await this.page(op, root)
    if (!isLeaf(page)) throw archiveError('TREE_DAMAGED', 'the root of the tree is of another level than its manifest says')
    const contentBytes = page.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    yield { firstPath: page.entries[0]?.path ?? EMPTY, id: root, entries: page.entries.length, contentBytes }
  }

  async *#pagesBelow(op: Operation, id: Buffer, level: number): AsyncGenerator<PageChild> {
    const page = await this.page(op, id)
    if (isLeaf(page) || page.level !== level)
      throw archiveError('TREE_DAMAGED', 'a page of the tree is of another level than its parent says')
    if (level === 1) yield* page.children
    else for (const child of page.children) yield* this.#pagesBelow(op, child.id, level - 1)
  }

  /** Pages of entries in order, from the one that may hold `from` on. */
  async *leaves(op: Operation, from: Buffer = EMPTY): AsyncGenerator<readonly Entry[]> {
    yield* this.#leavesBelow(op, this.#address.root, from)
  }

  async *#leavesBelow(op: Operation, id: Buffer, from: Buffer): AsyncGenerator<readonly Entry[]> {
    const page = await this.page(op, id)
    if (isLeaf(page)) {
      yield page.entries
      return
    }
    const { children } = page
    for (let i = 0; i < children.length; i++) {
      const next = children[i + 1]
      // Everything of this child lies before the next one's first path.
      if (next && comparePaths(next.firstPath, from) <= 0) continue
      yield* this.#leavesBelow(op, (children[i] as (typeof children)[number]).id, from)
    }
  }

  /** All entries in order, from `from` on (inclusive). */
  async *entries(op: Operation, from: Buffer = EMPTY): AsyncGenerator<Entry> {
    for await (const leaf of this.leaves(op, from)) {
      for (const entry of leaf) if (comparePaths(entry.path, from) >= 0) yield entry
    }
  }

  /** The entry and, for a folder, everything below it. Nothing when it is not there. */
  async *within(op: Operation, folder: Buffer): AsyncGenerator<Entry> {
    for await (const entry of this.entries(op, folder)) {
      if (!isWithin(entry.path, folder)) return
      yield entry
    }
  }

  async find(op: Operation, path: Buffer): Promise<Entry | undefined> {
    for await (const entry of this.entries(op, path)) return comparePaths(entry.path, path) === 0 ? entry : undefined
    return undefined
  }

  /** What lies directly in a folder, in order; with `after`, what comes behind the child of that name. Skips over subtrees without reading their pages. */
  async *children(op: Operation, folder: Buffer, after?: Buffer): AsyncGenerator<Entry> {
    let from = folder.length === 0 ? EMPTY : Buffer.concat([folder, Buffer.from('/')])
    if (after) from = Buffer.concat([joinPath(folder, after), Buffer.from([1])])
    for (;;) {
      let skipped = false
      for await (const entry of this.entries(op, from)) {
        if (!isWithin(entry.path, folder)) return
        if (comparePaths(entry.path, folder) === 0) continue
        if (parentOf(entry.path).equals(folder)) {
          yield entry
          continue
        }
        // Inside a child: go on behind everything below it. 0x01 is the least byte that a longer sibling name can go on with.
        const rest = entry.path.subarray(folder.length === 0 ? 0 : folder.length + 1)
        const child = joinPath(folder, rest.subarray(0, rest.indexOf(0x2f)))
        from = Buffer.concat([child, Buffer.from([1])])
        skipped = true
        break
      }
      if (!skipped) return
    }
  }

  /** The extents of a file with all lists resolved. */
  async *content(op: Operation, extents: readonly Extent[]): AsyncGenerator<Exclude<Extent, { kind: 'list' }>> {
    for (const extent of extents) {
      if (extent.kind !== 'list') {
        yield extent
        continue
      }
      const location = locate(this.#index, extent.chunk)
      if (location.record.type !== CHUNK_TYPE.list) throw archiveError('TREE_DAMAGED', 'a content list is no content list')
      yield* this.content(op, decodeContentList(await this.#reader.read(op, location)))
    }
  }
}

/** For people: bytes that are not UTF-8 are shown as replacement characters. */
export function displayPath(path: Buffer): string {
  return `/${path.toString('utf8')}`
}

export function isDamage(error: unknown): error is Error {
  return isKind(error, 'corrupt')
}
