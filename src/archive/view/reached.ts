/** What a recovery point, or some paths of it, reaches: pages, content lists, chunks of content. And whether a new tree reaches nothing else than it may. */
import { letOthersRun } from '../../base/clock.ts'
import { isKind, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import {
  CHUNK_TYPE,
  type ChunkIndex,
  type ChunkLocation,
  ChunkReader,
  type ChunkType,
  locate,
  type Repository,
} from '../../repository/index.ts'
import { comparePaths, type Entry, isWithin, parentOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { decodeContentList } from '../tree/content-list.ts'
import { decodePage, isLeaf, type Page } from '../tree/page-codec.ts'

/** `enter` is asked for each chunk that is met, before what it reaches; false leaves that out. */
export interface Visitor {
  enter(location: ChunkLocation): boolean
}

interface Range {
  readonly from: Buffer
  /** Exclusive; undefined at the end of the tree. */
  readonly to: Buffer | undefined
}

export interface VisitOptions {
  /** Paths without their first slash, nothing else of the tree; undefined for all. */
  readonly wanted?: readonly Buffer[] | undefined
  /** Of a tree that nobody trusts: it is what a tree writer makes, so that whoever walks it otherwise, such as a prune, finds nothing else in it. */
  readonly isStrict?: boolean
  /** Told of what is missing or damaged, with its place if that was entered; what it reaches is left out. Without it, damage is thrown. */
  readonly onDamage?: (error: TerpError, entered: ChunkLocation | undefined) => void
}

/** Of content lists in each other; a list of the fourth kind names 10¹² chunks. */
const MOST_LIST_LEVELS = 8
const HIGHEST_LEVEL = 255
/** Pages come from the disk's cache at once: without a pause a large tree would hold up everybody on this thread. */
const AT_ONCE_MS = 8

export class TreeVisit {
  readonly #index: ChunkIndex
  readonly #reader: ChunkReader
  readonly #visitor: Visitor
  readonly #wanted: readonly Buffer[] | undefined
  readonly #isStrict: boolean
  readonly #onDamage: VisitOptions['onDamage']
  #pausedMs = 0

  constructor(repository: Repository, index: ChunkIndex, visitor: Visitor, { wanted, isStrict = false, onDamage }: VisitOptions = {}) {
    this.#isStrict = isStrict
    this.#onDamage = onDamage
    this.#index = index
    this.#reader = new ChunkReader(repository.store, repository.keys)
    this.#visitor = visitor
    this.#wanted = wanted?.some((path) => path.length === 0) ? undefined : wanted
  }

  async tree(op: Operation, root: Buffer): Promise<void> {
    try {
      await this.#page(op, root, { from: Buffer.alloc(0), to: undefined }, HIGHEST_LEVEL)
    } finally {
      this.#reader.close()
    }
  }

  async #page(op: Operation, id: Buffer, range: Range, highest: number): Promise<void> {
    if (!this.#touches(range)) return
    await this.#pause(op)
    const page = await this.#open(op, id, CHUNK_TYPE.page, decodePage)
    if (!page) return
    if (this.#isStrict) checkPage(page, highest)
    if (isLeaf(page)) {
      for (const entry of page.entries) if (this.#isWanted(entry)) await this.#content(op, entry.extents)
      return
    }
    for (const [i, child] of page.children.entries()) {
      const part = { from: child.firstPath, to: page.children[i + 1]?.firstPath ?? range.to }
      await this.#page(op, Buffer.from(child.id), part, page.level - 1)
    }
  }

  async #content(op: Operation, extents: Entry['extents'], depth = 0): Promise<void> {
    if (depth > MOST_LIST_LEVELS) throw archiveError('TREE_DAMAGED', 'content lists stand in each other without end')
    for (const extent of extents) {
      if (extent.kind === 'hole') continue
      await this.#pause(op)
      if (extent.kind === 'data') {
        await this.#open(op, extent.chunk, CHUNK_TYPE.data)
        continue
      }
      const list = await this.#open(op, extent.chunk, CHUNK_TYPE.list, decodeContentList)
      if (list) await this.#content(op, list, depth + 1)
    }
  }

  async #pause(op: Operation): Promise<void> {
    op.check()
    if (op.clock.monotonicMs() - this.#pausedMs < AT_ONCE_MS) return
    await letOthersRun()
    this.#pausedMs = op.clock.monotonicMs()
  }

  /** What it holds, if it is entered and there is something to `decode`. */
  async #open<T>(op: Operation, id: Buffer, type: ChunkType, decode?: (bytes: Buffer) => T): Promise<T | undefined> {
    let entered: ChunkLocation | undefined
    try {
      const location = locate(this.#index, id)
      if (location.record.type !== type)
        throw archiveError('TREE_DAMAGED', `chunk ${id.toString('hex').slice(0, 12)}… is of type ${location.record.type}, not ${type}`)
      if (!this.#visitor.enter(location) || !decode) return undefined
      entered = location
      return decode(await this.#reader.read(op, location))
    } catch (error) {
      if (!this.#onDamage || !isKind(error, 'corrupt')) throw error
      this.#onDamage(error, entered)
      return undefined
    }
  }

  #isWanted({ path }: Entry): boolean {
    return this.#wanted === undefined || this.#wanted.some((wanted) => isWithin(path, wanted))
  }

  /** Whether a page may hold something wanted, or a folder on the way to it. */
  #touches({ from, to }: Range): boolean {
    if (this.#wanted === undefined) return true
    const isInside = (path: Buffer) => comparePaths(path, from) >= 0 && (to === undefined || comparePaths(path, to) < 0)
    return this.#wanted.some((wanted) => {
      if (isWithin(from, wanted) || isInside(wanted)) return true
      for (let way = parentOf(wanted); way.length > 0; way = parentOf(way)) if (isInside(way)) return true
      return false
    })
  }
}

/** Levels fall, so there is an end to them; and a leaf's table names nothing but what its entries consist of, since a prune goes by the table alone. */
function checkPage(page: Page, highest: number): void {
  if (page.level > highest) throw archiveError('TREE_DAMAGED', `a page of level ${page.level} stands where ${highest} is the highest`)
  if (!isLeaf(page)) return
  const named = new Set(page.entries.flatMap(({ extents }) => extents.flatMap((extent) => (extent.kind === 'hole' ? [] : [extent.chunk]))))
  if (page.chunks.some((chunk) => !named.has(chunk)))
    throw archiveError('TREE_DAMAGED', 'a page names a chunk of which none of its entries is')
}
