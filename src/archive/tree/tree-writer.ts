/**
 * Builds the tree of a recovery point from entries that come in the tree's order. Pages end where a keyed hash of a path says so
 * (docs/format.md §9.1), so a change moves no boundary but its own, and unchanged pages are chunks that are known already.
 */
import { crc32 } from 'node:zlib'
import { invariant } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { CHUNK_TYPE, type ChunkWriter } from '../../repository/index.ts'
import { comparePaths, type Entry } from '../entry.ts'
import { encodeInnerPage, LeafEncoder, type PageChild } from './page-codec.ts'

const MOST_ENTRIES = 4096
const MOST_LEAF_BYTES = 262_144

/** Whether a page of level 0 ends after the entry of that path. */
export function isPageEnd(path: Uint8Array, seed: number): boolean {
  return (crc32(path, seed) & 0xff) === 0
}

export interface TreeRoot {
  readonly id: Buffer
  readonly level: number
  readonly entries: number
  readonly contentBytes: number
}

export class TreeWriter {
  readonly #writer: ChunkWriter
  readonly #seed: number
  readonly #mustStore: () => boolean
  #leaf = new LeafEncoder()
  /** Children of the page that is being filled, at each level above the leaves. */
  readonly #inner: PageChild[][] = []
  #last: Buffer | undefined
  addedBytes = 0
  packedBytes = 0

  /** `mustStore`: pages that are known are stored again all the same, because known pages turned out to be damaged. */
  constructor(writer: ChunkWriter, seed: number, mustStore: () => boolean = () => false) {
    this.#writer = writer
    this.#mustStore = mustStore
    this.#seed = seed
  }

  async add(op: Operation, entry: Entry): Promise<void> {
    invariant(this.#last === undefined || comparePaths(this.#last, entry.path) < 0, 'entries come in the order of the tree')
    this.#last = entry.path
    this.#leaf.add(entry)
    if (isPageEnd(entry.path, this.#seed) || this.#leaf.count >= MOST_ENTRIES || this.#leaf.length >= MOST_LEAF_BYTES)
      await this.#endLeaf(op)
  }

  /** True where a page ends: there a stored page whose first entry comes next can be taken over. */
  get isBetweenPages(): boolean {
    return this.#leaf.count === 0
  }

  /** Takes over a stored page of level 0 whole: the one that `add` would make of its entries, beginning here. */
  async adopt(op: Operation, page: PageChild): Promise<void> {
    invariant(this.isBetweenPages, 'a page is taken over where one ended')
    invariant(this.#last === undefined || comparePaths(this.#last, page.firstPath) < 0, 'pages come in the order of the tree')
    this.#last = page.firstPath
    await this.#addChild(op, 1, page)
  }

  async #endLeaf(op: Operation): Promise<void> {
    const leaf = this.#leaf
    this.#leaf = new LeafEncoder()
    const id = await this.#store(op, leaf.finish())
    await this.#addChild(op, 1, { firstPath: leaf.firstPath, id, entries: leaf.count, contentBytes: leaf.contentBytes })
  }

  async #addChild(op: Operation, level: number, child: PageChild): Promise<void> {
    const children = this.#inner[level - 1] ?? []
    this.#inner[level - 1] = children
    children.push(child)
    const ends = ((crc32(child.firstPath, (this.#seed + level) >>> 0) >>> 8) & 0x3f) === 0
    if (ends || children.length >= MOST_ENTRIES) await this.#endInner(op, level)
  }

  async #endInner(op: Operation, level: number): Promise<void> {
    const children = this.#inner[level - 1] ?? []
    this.#inner[level - 1] = []
    const first = children[0]
    invariant(first, 'an inner page has children')
    const id = await this.#store(op, encodeInnerPage(level, children))
    await this.#addChild(op, level + 1, { firstPath: first.firstPath, id, ...sum(children) })
  }

  async #store(op: Operation, page: Buffer): Promise<Buffer> {
    const written = await this.#writer.write(op, CHUNK_TYPE.page, page, { again: this.#mustStore() })
    this.addedBytes += written.addedBytes
    this.packedBytes += written.packedBytes
    return written.id
  }

  /** Ends all pages. The lowest level with a single page is the root. */
  async finish(op: Operation): Promise<TreeRoot> {
    if (this.#leaf.count > 0 || this.#inner.length === 0) await this.#endLeaf(op)
    for (let level = 1; ; level++) {
      const children = this.#inner[level - 1] ?? []
      const isTop = this.#inner.slice(level).every((above) => above.length === 0)
      const [only] = children
      if (isTop && only && children.length === 1) {
        return { id: only.id, level: level - 1, entries: only.entries, contentBytes: only.contentBytes }
      }
      if (children.length > 0) await this.#endInner(op, level)
    }
  }
}

function sum(children: readonly PageChild[]): { entries: number; contentBytes: number } {
  let entries = 0
  let contentBytes = 0
  for (const child of children) {
    entries += child.entries
    contentBytes += child.contentBytes
  }
  return { entries, contentBytes }
}
