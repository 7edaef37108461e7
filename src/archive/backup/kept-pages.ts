/**
 * Entries on their way into the tree. Those that are what a page of the previous tree has, all of them and in a row, are not encoded again: the page is
 * taken over, as it would become the same.
 */
import type { Operation } from '../../base/operation.ts'
import type { Entry } from '../entry.ts'
import type { PageChild } from '../tree/page-codec.ts'
import { isPageEnd, type TreeWriter } from '../tree/tree-writer.ts'

export interface KeptPagesParts {
  readonly tree: TreeWriter
  readonly pageSeed: number
  readonly isPageHeld: (page: PageChild) => boolean
}

/** Where an entry stands in the previous tree. */
export interface PagePlace {
  readonly page: PageChild
  readonly number: number
}

export class KeptPages {
  readonly #parts: KeptPagesParts
  #page: PageChild | undefined
  /** The first entries of `#page`. */
  #held: Entry[] = []

  constructor(parts: KeptPagesParts) {
    this.#parts = parts
  }

  /** `place`: of an entry that is the very one of the previous tree. */
  async add(op: Operation, entry: Entry, place: PagePlace | undefined): Promise<void> {
    if (this.#page && place?.page === this.#page && place.number === this.#held.length) this.#held.push(entry)
    else {
      await this.end(op)
      if (place?.number !== 0 || !this.#parts.tree.isBetweenPages) {
        await this.#parts.tree.add(op, entry)
        return
      }
      this.#page = place.page
      this.#held.push(entry)
    }
    if (this.#held.length === this.#page.entries) await this.#endPage(op, this.#page, entry)
  }

  async #endPage(op: Operation, page: PageChild, last: Entry): Promise<void> {
    const { tree, pageSeed, isPageHeld } = this.#parts
    // A page that ended for another reason, such as the end of the tree, need not end there again.
    if (!isPageEnd(last.path, pageSeed) || !isPageHeld(page)) return this.end(op)
    this.#page = undefined
    this.#held = []
    await tree.adopt(op, page)
  }

  /** What is held goes into the tree: something else comes next, or nothing. */
  async end(op: Operation): Promise<void> {
    const held = this.#held
    this.#page = undefined
    this.#held = []
    for (const entry of held) await this.#parts.tree.add(op, entry)
  }
}
