/** The tree of the recovery point before, walked side by side with the source. Both are in the same order, so each is passed once. */
import type { Operation } from '../../base/operation.ts'
import { comparePaths, type Entry } from '../entry.ts'
import type { TreeReader } from '../tree/tree-reader.ts'

export class PreviousTree {
  readonly #leaves: AsyncGenerator<readonly Entry[]> | undefined
  #leaf: readonly Entry[] = []
  #at = 0
  #ended: boolean

  constructor(op: Operation, reader: TreeReader | undefined) {
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
      const next = await this.#leaves.next()
      this.#at = 0
      this.#leaf = next.done ? [] : next.value
      this.#ended = next.done === true
    }
  }
}
