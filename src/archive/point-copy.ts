/**
 * What a repository lacks of recovery points of another one with the same id key (docs/format.md §5): read there, checked, and stored here under the keys of
 * this one. Ids are the same in both, so pages are copied as they are. Children go before their pages.
 */
import type { Operation } from '../base/operation.ts'
import {
  type ChunkIndex,
  ChunkReader,
  type ChunkWriter,
  IdTable,
  type KnownChunks,
  locate,
  type OpenedEntry,
  type Repository,
} from '../repository/index.ts'
import type { Extent } from './entry.ts'
import { decodeContentList } from './tree/content-list.ts'
import { decodePage, isLeaf } from './tree/page-codec.ts'

/** Chunks are read in groups, so that reads of neighbours in a pack become one. */
const GROUP_CHUNKS = 64

/** Where the chunks go: a ChunkWriter is one. */
export type ChunkTaker = Pick<ChunkWriter, 'copy' | 'flush'>

export interface PointCopyParts {
  readonly from: Repository
  /** Of the session that stores. */
  readonly known: Pick<KnownChunks, 'has' | 'needsRoom' | 'grow'>
  readonly data: ChunkTaker
  readonly trees: ChunkTaker
  readonly phase: string
  /** Of all points. */
  readonly totalBytes: number
}

export class PointCopy {
  chunksSent = 0
  bytesSent = 0
  #bytesSeen = 0
  readonly #parts: PointCopyParts
  readonly #reader: ChunkReader
  /** Every chunk of the points, once. A page that is in it was gone through. */
  readonly #needed = new IdTable()

  constructor(parts: PointCopyParts) {
    this.#parts = parts
    this.#reader = new ChunkReader(parts.from.store, parts.from.keys)
  }

  /** `index`: of the repository that is copied from. What an earlier tree of this copy shares is passed over. */
  async tree(op: Operation, index: ChunkIndex, pageId: Buffer): Promise<void> {
    if (!this.#need(pageId)) return
    op.check()
    const { trees, phase, totalBytes } = this.#parts
    const opened = await this.#reader.open(op, locate(index, pageId))
    const page = decodePage(opened.content)
    if (isLeaf(page)) {
      const lists = new Set<string>()
      for (const { extents } of page.entries)
        for (const extent of extents) if (extent.kind === 'list') lists.add(extent.chunk.toString('latin1'))
      await this.#copy(
        op,
        index,
        page.chunks.filter((chunk) => !lists.has(chunk.toString('latin1'))),
      )
      for (const list of lists) await this.#list(op, index, Buffer.from(list, 'latin1'))
      this.#bytesSeen += page.entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
    } else for (const child of page.children) await this.tree(op, index, child.id)
    await this.#send(op, trees, opened)
    op.progress({ phase, filesDone: this.chunksSent, bytesDone: this.#bytesSeen, bytesTotal: totalBytes })
  }

  async #list(op: Operation, index: ChunkIndex, id: Buffer): Promise<void> {
    if (!this.#need(id)) return
    const opened = await this.#reader.open(op, locate(index, id))
    const extents = decodeContentList(opened.content)
    await this.#copy(
      op,
      index,
      extents.flatMap((extent: Extent) => (extent.kind === 'data' ? [extent.chunk] : [])),
    )
    for (const extent of extents) if (extent.kind === 'list') await this.#list(op, index, extent.chunk)
    await this.#send(op, this.#parts.trees, opened)
  }

  /** Data chunks that are lacking. */
  async #copy(op: Operation, index: ChunkIndex, chunks: readonly Buffer[]): Promise<void> {
    const missing = chunks.filter((chunk) => this.#need(chunk) && !this.#parts.known.has(chunk)).map((chunk) => locate(index, chunk))
    for (let at = 0; at < missing.length; at += GROUP_CHUNKS) {
      op.check()
      for await (const { opened } of this.#reader.openMany(op, missing.slice(at, at + GROUP_CHUNKS))) {
        if (opened instanceof Error) throw opened // what is damaged must not become a damaged second copy
        await this.#send(op, this.#parts.data, opened)
      }
    }
  }

  async #send(op: Operation, writer: ChunkTaker, { record, stored }: OpenedEntry): Promise<void> {
    const written = await writer.copy(op, record, stored)
    if (written.packedBytes === 0) return
    this.chunksSent++
    this.bytesSent += written.packedBytes
    if (this.#parts.known.needsRoom) this.#parts.known.grow()
  }

  /** True the first time. */
  #need(id: Buffer): boolean {
    return this.#needed.add(id).isNew
  }

  async flush(op: Operation): Promise<void> {
    await this.#parts.data.flush(op)
    await this.#parts.trees.flush(op)
  }

  /** After `flush`: all packs that hold a chunk of the points, by the index of the session that stored them. */
  packsNeeded(index: ChunkIndex): string[] {
    const packs = new Set<string>()
    for (let n = 0; n < this.#needed.size; n++) packs.add(locate(index, this.#needed.at(n)).pack)
    return [...packs].sort()
  }
}
