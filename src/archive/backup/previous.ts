/**
 * The tree of the recovery point before, walked side by side with the source. Both are in the same order, so each is passed once.
 * Damage in it is no reason to fail: from there on everything is read, and what was damaged is stored again.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { WriteSession } from '../../repository/index.ts'
import { comparePaths, type Entry, type Extent } from '../entry.ts'
import type { TreeReader } from '../tree/tree-reader.ts'

export class PreviousTree {
  readonly #leaves: AsyncGenerator<readonly Entry[]> | undefined
  #leaf: readonly Entry[] = []
  #at = 0
  #ended: boolean
  readonly #op: Operation
  readonly #session: WriteSession
  readonly #reader: TreeReader | undefined
  #isDamaged = false

  constructor(op: Operation, session: WriteSession, reader: TreeReader | undefined) {
    this.#op = op
    this.#session = session
    this.#reader = reader
    this.#leaves = reader?.leaves(op)
    this.#ended = reader === undefined
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
      if (this.#ended || !this.#leaves) return undefined
      this.#at = 0
      this.#leaf = await this.#nextLeaf(this.#leaves)
    }
  }

  async #nextLeaf(leaves: AsyncGenerator<readonly Entry[]>): Promise<readonly Entry[]> {
    try {
      const next = await leaves.next()
      this.#ended = next.done === true
      return next.done ? [] : next.value
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.#ended = true
      this.#isDamaged = true
      this.#session.distrust(error)
      this.#op.warn({ code: error.code, message: `the previous recovery point is damaged, so the rest is read anew: ${error.message}` })
      return []
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
      if (!isKind(error, 'corrupt')) throw error
      return false
    }
  }
}
