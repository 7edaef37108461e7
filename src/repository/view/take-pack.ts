/**
 * A pack that came from outside, under a view's keys, becomes part of the pool: nothing of it counts before its seal, its length and its id were computed here
 * from its content. So a hostile agent can store what it likes, and only as what it is.
 */
import type { Operation } from '../../base/operation.ts'
import { repositoryError } from '../errors.ts'
import { TAG_BYTES } from '../format/aead.ts'
import { CHUNK_TYPE, objectHash, type RepositoryKeys } from '../keys/hierarchy.ts'
import type { ChunkWriter } from '../pack/chunk-writer.ts'
import { COMPRESSION, PACK_CLASS, PACK_HEADER_BYTES, type PackClass, type PackRecord, packOfName } from '../pack/pack-format.ts'
import { decodePackHeader, openEntry, readWholeDirectory } from '../pack/pack-reader.ts'

export interface TakenPack {
  readonly sha256: string
  readonly records: readonly PackRecord[]
  readonly contentBytes: number
}

/**
 * All or nothing: PACK_DAMAGED or CHUNK_DAMAGED before anything is stored. `mostContentBytes` bounds what one chunk may decompress to. What was stored is
 * durable once `writerOf(...)` was flushed, which is the caller's to do.
 */
export async function takePack(
  op: Operation,
  keys: RepositoryKeys,
  name: string,
  bytes: Buffer,
  { writerOf, mostContentBytes }: { readonly writerOf: (packClass: PackClass) => ChunkWriter; readonly mostContentBytes: number },
): Promise<TakenPack> {
  const sha256 = packOfName(name)
  const fail = (why: string) =>
    repositoryError('PACK_DAMAGED', `pack ${String(sha256 ?? name).slice(0, 12)}…: ${why}`, { context: { pack: sha256 ?? name } })
  if (sha256 === undefined) throw fail('it is not named like a pack')
  if (objectHash(keys, bytes) !== sha256) throw fail('its name is not its hash')
  const header = decodePackHeader(keys, sha256, bytes)
  const { packClass } = header
  if (packClass !== PACK_CLASS.data && packClass !== PACK_CLASS.tree) throw fail(`its class is ${packClass}`)
  const { records, directoryAt } = readWholeDirectory(keys, sha256, header, bytes)
  let end = PACK_HEADER_BYTES
  // In order and apart: entries are opened in place, and one that shared bytes with another could change it after it was checked.
  for (const { offset, storedBytes, contentBytes, type, compression } of records) {
    if (offset < end || offset + storedBytes > directoryAt) throw fail('an entry lies outside of it, or shares bytes with another')
    end = offset + storedBytes
    if ((type === CHUNK_TYPE.data) !== (packClass === PACK_CLASS.data))
      throw fail(`an entry of type ${type} stands in a pack of class ${packClass}`)
    if (contentBytes > mostContentBytes) throw fail(`an entry claims ${contentBytes} bytes`)
    // A frame may hold more than its content, such as parts to be passed over: an index has three bytes for lengths, and could never list it.
    const length = storedBytes - TAG_BYTES
    if (compression === COMPRESSION.none ? length !== contentBytes : length < 1 || length >= contentBytes) {
      throw fail(`an entry takes ${storedBytes} bytes for ${contentBytes}`)
    }
  }
  // All are opened before one is stored: a pack that is wrong in its last entry stores nothing.
  let room = Buffer.alloc(0)
  const roomFor = (contentBytes: number) => {
    if (room.length < contentBytes) room = Buffer.allocUnsafeSlow(contentBytes)
    return room
  }
  const opened = records.map((record) => {
    op.check()
    const sealed = bytes.subarray(record.offset, record.offset + record.storedBytes)
    // What was not compressed would be opened into the room, and must outlast it.
    return openEntry(keys, sha256, header, record, sealed, record.compression === COMPRESSION.none ? undefined : roomFor).stored
  })
  const writer = writerOf(packClass)
  let contentBytes = 0
  for (const [i, record] of records.entries()) {
    contentBytes += record.contentBytes
    await writer.copy(op, record, opened[i] as Buffer)
  }
  return { sha256, records, contentBytes }
}
