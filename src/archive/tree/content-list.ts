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

/** Extents for the entry: the same ones if they are few, otherwise lists that stand for them. */
export async function foldExtents(op: Operation, writer: ChunkWriter, extents: readonly Extent[], level = 0): Promise<readonly Extent[]> {
  if (extents.length <= MOST_INLINE_EXTENTS) return extents
  const lists: Extent[] = []
  let list: Extent[] = []
  const end = async () => {
    const written = await writer.write(op, CHUNK_TYPE.list, encodeContentList(level, list))
    lists.push({ kind: 'list', chunk: written.id, length: list.reduce((sum, extent) => sum + extent.length, 0) })
    list = []
  }
  for (const extent of extents) {
    list.push(extent)
    const ends = extent.kind !== 'hole' && extent.chunk.readUInt16LE(0) % LIST_ENDS_AT === 0
    if (ends || list.length >= MOST_LISTED_EXTENTS) await end()
  }
  if (list.length > 0) await end()
  return foldExtents(op, writer, lists, level + 1)
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
