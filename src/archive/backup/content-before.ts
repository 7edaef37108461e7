/** What a file's content was stored as before, for whoever reads it again: a part at a time, so that it need not be held whole. */
import type { Extent } from '../entry.ts'
import type { Part } from './large-file.ts'

export class ContentBefore {
  readonly #extents: AsyncIterator<Extent>
  #next: Extent | undefined
  /** Where `#next` begins. */
  #at = 0

  constructor(extents: AsyncIterable<Extent>) {
    this.#extents = extents[Symbol.asyncIterator]()
  }

  /**
   * What stood in that range, from its beginning on; parts are asked for in order. An extent that reaches out of it, as one may where the file was cut in other parts,
   * is of no use: holes stand for it.
   */
  async within({ from, to }: Part): Promise<readonly Extent[]> {
    const found: Extent[] = []
    let filled = from
    for (let extent = await this.#peek(); extent && this.#at < to; extent = await this.#peek()) {
      const end = this.#at + extent.length
      if (this.#at >= filled && end <= to) {
        if (this.#at > filled) found.push({ kind: 'hole', length: this.#at - filled })
        found.push(extent)
        filled = end
      }
      if (end > to) break
      this.#at = end
      this.#next = undefined
    }
    return found
  }

  async #peek(): Promise<Extent | undefined> {
    this.#next ??= await this.#extents.next().then((step) => (step.done ? undefined : step.value))
    return this.#next
  }

  /** Nothing more is asked for. */
  async close(): Promise<void> {
    await this.#extents.return?.()
  }
}
