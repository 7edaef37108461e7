/**
 * The tree of the recovery point before, walked side by side with the source. Both are in the same order, so each is passed once.
 * Damage in it is no reason to fail: from there on everything is read, and what was damaged is stored again.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { WriteSession } from '../../repository/index.ts'
import { comparePaths, type Entry } from '../entry.ts'
import type { TreeReader } from '../tree/tree-reader.ts'

export class PreviousTree {
  readonly #leaves: AsyncGenerator<readonly Entry[]> | undefined
  #leaf: readonly Entry[] = []
  #at = 0
  #ended: boolean
  readonly #op: Operation
  readonly #session: WriteSession

  constructor(op: Operation, session: WriteSession, reader: TreeReader | undefined) {
    this.#op = op
    this.#session = session
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
      this.#session.distrust(error)
      this.#op.warn({ code: error.code, message: `the previous recovery point is damaged, so the rest is read anew: ${error.message}` })
      return []
    }
  }

  /** True when all content of the entry is in packs that are there. Asked only of repositories with gaps. */
  isHeld(entry: Entry): boolean {
    if (!this.#session.hasGaps) return true
    // What a list names is not looked up: such a file is read again.
    return entry.extents.every(
      (extent) => extent.kind === 'hole' || (extent.kind === 'data' && this.#session.index.find(extent.chunk) !== undefined),
    )
  }
}
