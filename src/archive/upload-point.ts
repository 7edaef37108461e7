/**
 * The second copy: what the vault's repository lacks of a recovery point is read from the pool, checked, and stored there under the vault's keys.
 * Ids are the same in both (docs/format.md §5), so pages are copied as they are. Children go before their pages, the manifest last with the names of
 * all packs that it needs. An upload that was cut off goes on: packs that arrived are found when the session opens.
 */
import type { Operation } from '../base/operation.ts'
import {
  type ChunkIndex,
  ChunkReader,
  type ChunkWriter,
  locate,
  type OpenedEntry,
  openWriteSession,
  PACK_CLASS,
  type RecoveryPoint,
  type Repository,
  type WriterLock,
  type WriteSession,
} from '../repository/index.ts'
import { openPoint } from './browse.ts'
import type { Extent } from './entry.ts'
import type { UploadReport } from './reports.ts'
import { decodeContentList } from './tree/content-list.ts'
import { decodePage, isLeaf } from './tree/page-codec.ts'

export interface UploadOptions {
  readonly pool: Repository
  readonly vault: Repository
  readonly point: RecoveryPoint
  /** That no other process of this server uploads. */
  readonly lock: WriterLock
}

const PACKS_AT_ONCE = 4
/** Chunks are read in groups, so that reads of neighbours in a pack become one. */
const GROUP_CHUNKS = 64

export async function uploadPoint(op: Operation, { pool, vault, point, lock }: UploadOptions): Promise<UploadReport> {
  const startMs = op.clock.monotonicMs()
  const there = (await vault.listPoints(op)).points.find(({ id }) => id === point.id)
  if (there)
    return { point: there, wasThere: true, chunksSent: 0, bytesSent: 0, packsNeeded: there.publicPart.packs?.length ?? 0, durationMs: 0 }
  const session = await openWriteSession(op, vault, lock)
  const copy = new PointCopy(pool, session, point.statistics.total_bytes)
  const opened = await openPoint(op, pool, point)
  await copy.tree(op, opened.index, opened.tree.root)
  await copy.flush(op)
  const packs = copy.packsNeeded()
  const uploaded = await session.commit(op, {
    id: point.id,
    source: point.source,
    started: point.started,
    finished: point.finished,
    host: point.host,
    paths: point.paths,
    excludes: point.excludes,
    root: Buffer.from(point.root, 'hex'),
    level: point.level,
    program: point.program,
    statistics: point.statistics,
    warnings: point.warnings,
    previousPoint: point.previous_point,
    packs,
  })
  return {
    point: uploaded,
    wasThere: false,
    chunksSent: copy.chunksSent,
    bytesSent: copy.bytesSent,
    packsNeeded: packs.length,
    durationMs: op.clock.monotonicMs() - startMs,
  }
}

class PointCopy {
  chunksSent = 0
  bytesSent = 0
  #bytesSeen = 0
  readonly #session: WriteSession
  readonly #reader: ChunkReader
  readonly #data: ChunkWriter
  readonly #trees: ChunkWriter
  readonly #totalBytes: number
  /** Every chunk of the point, once: 32 bytes as latin1. */
  readonly #needed = new Set<string>()

  constructor(pool: Repository, session: WriteSession, totalBytes: number) {
    this.#session = session
    this.#reader = new ChunkReader(pool.store, pool.keys)
    this.#data = session.chunkWriter(PACK_CLASS.data, PACKS_AT_ONCE)
    this.#trees = session.chunkWriter(PACK_CLASS.tree, PACKS_AT_ONCE)
    this.#totalBytes = totalBytes
  }

  async tree(op: Operation, index: ChunkIndex, pageId: Buffer): Promise<void> {
    if (!this.#need(pageId)) return
    op.check()
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
    await this.#send(op, this.#trees, opened)
    op.progress({ phase: 'upload', filesDone: this.chunksSent, bytesDone: this.#bytesSeen, bytesTotal: this.#totalBytes })
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
    await this.#send(op, this.#trees, opened)
  }

  /** Data chunks that the vault lacks. */
  async #copy(op: Operation, index: ChunkIndex, chunks: readonly Buffer[]): Promise<void> {
    const missing = chunks.filter((chunk) => this.#need(chunk) && !this.#session.known.has(chunk)).map((chunk) => locate(index, chunk))
    for (let at = 0; at < missing.length; at += GROUP_CHUNKS) {
      for await (const { opened } of this.#reader.openMany(op, missing.slice(at, at + GROUP_CHUNKS))) {
        if (opened instanceof Error) throw opened // a damaged pool must not become a damaged second copy
        await this.#send(op, this.#data, opened)
      }
    }
  }

  async #send(op: Operation, writer: ChunkWriter, { record, stored }: OpenedEntry): Promise<void> {
    const written = await writer.copy(op, record, stored)
    if (written.packedBytes === 0) return
    this.chunksSent++
    this.bytesSent += written.packedBytes
    if (this.#session.known.needsRoom) this.#session.known.grow()
  }

  /** True the first time. */
  #need(id: Buffer): boolean {
    const key = id.toString('latin1')
    if (this.#needed.has(key)) return false
    this.#needed.add(key)
    return true
  }

  async flush(op: Operation): Promise<void> {
    await this.#data.flush(op)
    await this.#trees.flush(op)
  }

  /** After `flush`: all packs that hold a chunk of the point. */
  packsNeeded(): string[] {
    const packs = new Set<string>()
    for (const id of this.#needed) packs.add(locate(this.#session.index, Buffer.from(id, 'latin1')).pack)
    return [...packs].sort()
  }
}
