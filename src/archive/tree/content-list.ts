/** Content lists: the extents of a file too large for its page, as chunks of their own. docs/format.md §9.2. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Operation } from '../../base/operation.ts'
import { CHUNK_TYPE, type ChunkWriter } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { ChunkTable, readChunkTable, readExtents, writeExtents } from './extent-codec.ts'

const VERSION = 1
/** More extents than these do not stand in the page itself. */
export const MOST_INLINE_EXTENTS = 64
const MOST_LISTED_EXTENTS = 1024
const LIST_ENDS_AT = 512

/** Whether they stand in the entry as they are. */
export function isInline(extents: readonly Extent[]): boolean {
  return extents.length <= MOST_INLINE_EXTENTS
}

/** Extents for the entry: the same ones if they are few, otherwise lists that stand for them. */
export async function foldExtents(op: Operation, writer: ChunkWriter, extents: readonly Extent[]): Promise<readonly Extent[]> {
  const folder = new ExtentFolder(writer)
  for (const extent of extents) await folder.add(op, extent)
  return folder.finish(op)
}

interface Level {
  /** All of this level while they are few; then those of the list that is being filled. */
  extents: Extent[]
  isListed: boolean
}

/** Folds as extents come, so that those of a file of any size need not be held. */
export class ExtentFolder {
  readonly #writer: ChunkWriter
  #levels: Level[] = []

  constructor(writer: ChunkWriter) {
    this.#writer = writer
  }

  async add(op: Operation, extent: Extent, number = 0): Promise<void> {
    const level = this.#levels[number] ?? { extents: [], isListed: false }
    this.#levels[number] = level
    if (!level.isListed && level.extents.length === MOST_INLINE_EXTENTS) {
      const held = level.extents
      level.extents = []
      level.isListed = true
      for (const before of held) await this.#addListed(op, before, number)
    }
    if (level.isListed) await this.#addListed(op, extent, number)
    else level.extents.push(extent)
  }

  async #addListed(op: Operation, extent: Extent, number: number): Promise<void> {
    const level = this.#levels[number] as Level
    level.extents.push(extent)
    const ends = extent.kind !== 'hole' && extent.chunk.readUInt16LE(0) % LIST_ENDS_AT === 0
    if (ends || level.extents.length >= MOST_LISTED_EXTENTS) await this.#endList(op, number)
  }

  async #endList(op: Operation, number: number): Promise<void> {
    const level = this.#levels[number] as Level
    const list = level.extents
    level.extents = []
    const { id } = await this.#writer.write(op, CHUNK_TYPE.list, encodeContentList(number, list))
    await this.add(op, { kind: 'list', chunk: id, length: list.reduce((sum, extent) => sum + extent.length, 0) }, number + 1)
  }

  /** What stands for everything added. Nothing may be added afterwards. */
  async finish(op: Operation): Promise<readonly Extent[]> {
    for (let number = 0; ; number++) {
      const level = this.#levels[number]
      if (!level) return []
      if (!level.isListed) return level.extents
      if (level.extents.length > 0) await this.#endList(op, number)
    }
  }

  /** What stands for everything added so far; more may follow. */
  snapshot(op: Operation): Promise<readonly Extent[]> {
    const copy = new ExtentFolder(this.#writer)
    copy.#levels = this.#levels.map(({ extents, isListed }) => ({ extents: [...extents], isListed }))
    return copy.finish(op)
  }
}

function encodeContentList(level: number, extents: readonly Extent[]): Buffer {
  const body = new ByteWriter(extents.length * 12)
  const table = new ChunkTable()
  writeExtents(body, table, extents)
  const writer = new ByteWriter(body.length + table.ids.length * 32 + 16).u8(VERSION).u8(level)
  table.write(writer)
  return writer.raw(body.finish()).finish()
}

export function decodeContentList(bytes: Uint8Array): Extent[] {
  const fail = (why: string) => archiveError('TREE_DAMAGED', `a content list can not be read: ${why}`)
  const reader = new ByteReader(bytes, fail)
  const version = reader.u8()
  if (version !== VERSION) throw fail(`its version is ${version}`)
  reader.u8() // the level: a list of lists holds extents of kind `list`, which say so themselves
  const extents = readExtents(reader, readChunkTable(reader), fail)
  reader.end()
  return extents
}
