/**
 * The tree of the recovery point before, walked side by side with the source. Both are in the same order, so each is passed once.
 * Damage in it is no reason to fail: from there on everything is read, and what was damaged is stored again.
 */
import { isKind, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { WriteSession } from '../../repository/index.ts'
import { comparePaths, type Entry, type Extent } from '../entry.ts'
import { isLeaf, type PageChild } from '../tree/page-codec.ts'
import type { TreeReader } from '../tree/tree-reader.ts'

export class PreviousTree {
  readonly #op: Operation
  readonly #session: WriteSession
  readonly #reader: TreeReader | undefined
  readonly #pages: AsyncGenerator<PageChild> | undefined
  /** Pages that `find` passes through before it asks for more. */
  #given: PageChild[] = []
  #leaf: readonly Entry[] = []
  #at = 0
  #leafPage: PageChild | undefined
  #ended: boolean
  #isDamaged = false
  #isGuided = false
  readonly #damagedLists = new Set<string>()

  constructor(op: Operation, session: WriteSession, reader: TreeReader | undefined) {
    this.#op = op
    this.#session = session
    this.#reader = reader
    this.#pages = reader?.pages(op)
    this.#ended = reader === undefined
  }

  /** The pages of entries in order, each once: whoever takes some gives back those that `find` is to pass through. */
  async nextPage(): Promise<PageChild | undefined> {
    if (this.#ended || !this.#pages) return undefined
    try {
      const next = await this.#pages.next()
      return next.done ? undefined : next.value
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.noteDamage(error)
      return undefined
    }
  }

  /** From now on `find` passes only through pages that are given back. */
  guide(): void {
    this.#isGuided = true
  }

  give(page: PageChild): void {
    this.#given.push(page)
  }

  /** From now on nothing of it is believed. */
  noteDamage(error: TerpError): void {
    this.#ended = true
    this.#isDamaged = true
    this.#session.distrust(error)
    this.#op.warn({ code: error.code, message: `the previous recovery point is damaged, so the rest is read anew: ${error.message}` })
  }

  /** The entry of that path, if there was one. Paths must be asked for in order. */
  async find(path: Buffer): Promise<Entry | undefined> {
    for (;;) {
      for (; this.#at < this.#leaf.length; this.#at++) {
        const entry = this.#leaf[this.#at] as Entry
        const order = comparePaths(entry.path, path)
        if (order === 0) return entry
        if (order > 0) return undefined
      }
      const page = this.#given.shift() ?? (this.#isGuided ? undefined : await this.nextPage())
      if (!page) return undefined
      this.#at = 0
      this.#leafPage = page
      this.#leaf = (await this.entriesOf(page)) ?? []
    }
  }

  /** The page at which `find` looked last. */
  get page(): PageChild | undefined {
    return this.#leafPage
  }

  /** Which of that page's entries it found. */
  get number(): number {
    return this.#at
  }

  /** Whether a tree may take over a page of it. */
  isPageHeld({ id }: PageChild): boolean {
    return !this.#isDamaged && this.#session.known.has(id)
  }

  /** Undefined when it is damaged. */
  async entriesOf({ id }: PageChild): Promise<readonly Entry[] | undefined> {
    try {
      const page = await this.#reader?.page(this.#op, id)
      return page && isLeaf(page) ? page.entries : undefined
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.noteDamage(error)
      this.#given = []
      return undefined
    }
  }

  /** True once damage was met: then no page counts as stored that this run did not store. */
  get isDamaged(): boolean {
    return this.#isDamaged
  }

  /** True when all content of the entry is in packs that are there; a damaged index or a lost pack must not make a point that can't be restored. */
  async isHeld(entry: Entry): Promise<boolean> {
    const { known, hasGaps } = this.#session
    for (const extent of entry.extents) {
      if (extent.kind === 'hole') continue
      if (!known.has(extent.chunk)) return false
      if (extent.kind === 'list' && hasGaps && !(await this.#isListHeld(extent))) return false
    }
    return true
  }

  async #isListHeld(list: Extent): Promise<boolean> {
    try {
      for await (const extent of this.#reader?.content(this.#op, [list]) ?? []) {
        if (extent.kind === 'data' && !this.#session.known.has(extent.chunk)) return false
      }
      return true
    } catch (error) {
      this.#distrustList(error)
      return false
    }
  }

  #distrustList(error: unknown): void {
    if (!isKind(error, 'corrupt')) throw error
    this.#session.distrust(error)
    // Of a file that is not held and is read again, it is asked for twice.
    const list = String(error.context.chunk)
    if (this.#damagedLists.has(list)) return
    this.#damagedLists.add(list)
    this.#op.warn({ code: error.code, message: `the content list of a file is damaged, so the file is read anew: ${error.message}` })
  }

  /** The extents of a file with all lists resolved, up to the first that is damaged. */
  async *contentOf({ extents }: Entry): AsyncGenerator<Extent> {
    try {
      yield* this.#reader?.content(this.#op, extents) ?? []
    } catch (error) {
      this.#distrustList(error)
    }
  }
}
