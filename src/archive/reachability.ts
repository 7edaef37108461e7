/** What a tree reaches: every page, every content list, every chunk of content. Pages that points share are read once; their files are not looked at. */
import type { Operation } from '../base/operation.ts'
import { ChunkReader, type LiveSet, type Repository } from '../repository/index.ts'
import { decodeContentList } from './tree/content-list.ts'
import { decodePage, isLeaf } from './tree/page-codec.ts'
import { PageCursor } from './tree/page-cursor.ts'

const ID_BYTES = 32
const LEVEL_AT = 1

/** Adds all of it to the set. Throws whatever can't be read: then the set says nothing. */
export async function walkTree(op: Operation, repository: Repository, set: LiveSet, root: Buffer): Promise<void> {
  await new TreeWalk(repository, set).page(op, root)
}

class TreeWalk {
  readonly #set: LiveSet
  readonly #reader: ChunkReader
  readonly #cursor = new PageCursor()

  constructor(repository: Repository, set: LiveSet) {
    this.#set = set
    this.#reader = new ChunkReader(repository.store, repository.keys)
  }

  async page(op: Operation, id: Buffer): Promise<void> {
    if (this.#set.mark(id) === 'seen') return
    op.check()
    const bytes = await this.#reader.read(op, this.#set.locate(id))
    if (bytes[LEVEL_AT] === 0) {
      await this.#leaf(op, bytes)
      return
    }
    const page = decodePage(bytes)
    if (!isLeaf(page)) for (const child of page.children) await this.page(op, Buffer.from(child.id))
  }

  /** Its table names every chunk once; which of them are content lists, the index knows. */
  async #leaf(op: Operation, bytes: Buffer): Promise<void> {
    this.#cursor.open(bytes)
    const { chunkIds } = this.#cursor
    const lists: Buffer[] = []
    for (let at = 0; at < chunkIds.length; at += ID_BYTES) {
      const id = chunkIds.subarray(at, at + ID_BYTES)
      if (this.#set.mark(id) === 'tree') lists.push(Buffer.from(id))
    }
    for (const id of lists) await this.#list(op, id)
  }

  /** Marked already. */
  async #list(op: Operation, id: Buffer): Promise<void> {
    op.check()
    for (const extent of decodeContentList(await this.#reader.read(op, this.#set.locate(id)))) {
      if (extent.kind !== 'hole' && this.#set.mark(extent.chunk) === 'tree') await this.#list(op, Buffer.from(extent.chunk))
    }
  }
}
