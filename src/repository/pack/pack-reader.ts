/** Reads packs: whole, their directory alone, or single entries. Nothing counts as read before its seal and its id are right. */
import { equalBytes } from '../../base/bytes.ts'
import { isKind, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ImmediateReads, ObjectStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { TAG_BYTES, unseal, unsealInto } from '../format/aead.ts'
import { chunkId, objectHash, type RepositoryKeys } from '../keys/hierarchy.ts'
import { decompressInto } from './compression.ts'
import {
  COMPRESSION,
  DIRECTORY_COUNTER,
  decodeDirectory,
  directoryAssociatedData,
  entryAssociatedData,
  PACK_END,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  PACK_MAGIC,
  type PackRecord,
  packKey,
} from './pack-format.ts'
import { damagedPack as damaged, getPack, openPackNow } from './pack-source.ts'

export interface PackHeader {
  readonly packClass: number
  readonly key: Uint8Array
  readonly bytes: Buffer
}

export function decodePackHeader(keys: RepositoryKeys, sha256: string, bytes: Buffer): PackHeader {
  if (bytes.length < PACK_HEADER_BYTES || !equalBytes(bytes.subarray(0, 8), PACK_MAGIC))
    throw damaged(sha256, 'it does not begin like a pack')
  if (bytes[8] !== 1) throw repositoryError('OBJECT_VERSION_UNKNOWN', `pack ${sha256.slice(0, 12)}… has version ${bytes[8]}`)
  const packClass = bytes[9] as number
  const { key, commitment } = packKey(keys, packClass, bytes.subarray(16, 48))
  if (!equalBytes(commitment, bytes.subarray(48, 80))) throw damaged(sha256, 'its key commitment is wrong')
  return { packClass, key, bytes: bytes.subarray(0, PACK_HEADER_BYTES) }
}

export async function readPackHeader(op: Operation, store: ObjectStore, keys: RepositoryKeys, sha256: string): Promise<PackHeader> {
  return decodePackHeader(keys, sha256, await getPack(op, store, sha256, { offset: 0, length: PACK_HEADER_BYTES }))
}

export async function readPackDirectory(
  op: Operation,
  store: ObjectStore,
  keys: RepositoryKeys,
  sha256: string,
  sizeBytes: number,
): Promise<PackRecord[]> {
  if (sizeBytes < PACK_HEADER_BYTES + PACK_FOOTER_BYTES) throw damaged(sha256, `it has only ${sizeBytes} bytes`)
  const header = await readPackHeader(op, store, keys, sha256)
  const footer = await getPack(op, store, sha256, { offset: sizeBytes - PACK_FOOTER_BYTES, length: PACK_FOOTER_BYTES })
  const { offset, length } = decodeFooter(sha256, footer, sizeBytes)
  return openDirectory(keys, sha256, header, await getPack(op, store, sha256, { offset, length }))
}

/** The same, at once, from a store of which that can be asked. */
export function readPackDirectoryNow(immediate: ImmediateReads, keys: RepositoryKeys, sha256: string, sizeBytes: number): PackRecord[] {
  if (sizeBytes < PACK_HEADER_BYTES + PACK_FOOTER_BYTES) throw damaged(sha256, `it has only ${sizeBytes} bytes`)
  const pack = openPackNow(immediate, sha256)
  try {
    const header = decodePackHeader(keys, sha256, pack.read(0, PACK_HEADER_BYTES))
    const { offset, length } = decodeFooter(sha256, pack.read(sizeBytes - PACK_FOOTER_BYTES, PACK_FOOTER_BYTES), sizeBytes)
    return openDirectory(keys, sha256, header, pack.read(offset, length))
  } finally {
    pack.close()
  }
}

function decodeFooter(sha256: string, footer: Buffer, sizeBytes: number): { offset: number; length: number } {
  if (!equalBytes(footer.subarray(24), PACK_END)) throw damaged(sha256, 'it does not end like a pack')
  const offset = Number(footer.readBigUInt64LE(0))
  const length = Number(footer.readBigUInt64LE(8))
  if (offset < PACK_HEADER_BYTES || offset + length + PACK_FOOTER_BYTES !== sizeBytes) throw damaged(sha256, 'its footer is wrong')
  return { offset, length }
}

function openDirectory(keys: RepositoryKeys, sha256: string, header: PackHeader, sealed: Buffer): PackRecord[] {
  const plain = unseal(header.key, DIRECTORY_COUNTER, directoryAssociatedData(keys, header.bytes), sealed)
  if (!plain) throw damaged(sha256, 'the seal of its directory is broken')
  return decodeDirectory(plain, (why) => damaged(sha256, why))
}

/** Of a pack that is held as a whole; PACK_DAMAGED. */
export function readWholeDirectory(
  keys: RepositoryKeys,
  sha256: string,
  header: PackHeader,
  bytes: Buffer,
): { readonly records: PackRecord[]; readonly directoryAt: number } {
  if (bytes.length < PACK_HEADER_BYTES + PACK_FOOTER_BYTES) throw damaged(sha256, `it has only ${bytes.length} bytes`)
  const { offset, length } = decodeFooter(sha256, bytes.subarray(-PACK_FOOTER_BYTES), bytes.length)
  return { records: openDirectory(keys, sha256, header, bytes.subarray(offset, offset + length)), directoryAt: offset }
}

/** Memory for content of at least so many bytes. What is asked for a damaged chunk is not used. */
export type RoomFor = (contentBytes: number) => Buffer

export interface OpenedEntry {
  readonly content: Buffer
  /** As the pack holds it: what `compression` made of the content. */
  readonly stored: Buffer
  readonly record: PackRecord
}

/** CHUNK_DAMAGED unless every check holds. With `roomFor` content is written into what it gives, and `sealed` is overwritten with what was stored. */
export function openEntry(
  keys: RepositoryKeys,
  sha256: string,
  header: PackHeader,
  record: PackRecord,
  sealed: Uint8Array,
  roomFor?: RoomFor,
): OpenedEntry {
  const fail = (why: string) =>
    repositoryError('CHUNK_DAMAGED', `chunk ${record.id.toString('hex').slice(0, 12)}… in pack ${sha256.slice(0, 12)}…: ${why}`, {
      context: { chunk: record.id.toString('hex'), pack: sha256 },
    })
  const associated = entryAssociatedData(keys, header.packClass, record)
  const isPlain = record.compression === COMPRESSION.none
  const stored = roomFor
    ? unsealWithin(header.key, record.offset, associated, sealed, isPlain ? roomFor : undefined)
    : unseal(header.key, record.offset, associated, sealed)
  if (!stored) throw fail('its seal is broken')
  const content = isPlain ? stored : unpack(stored, record.contentBytes, roomFor ?? Buffer.allocUnsafeSlow)
  if (!content || content.length !== record.contentBytes) throw fail('it does not decompress to its length')
  if (!equalBytes(chunkId(keys, record.type, content), record.id)) throw fail('its content has another id')
  return { content, stored, record }
}

/** Into other memory, or in place. */
function unsealWithin(key: Uint8Array, counter: number, associated: Uint8Array, sealed: Uint8Array, roomFor?: RoomFor): Buffer | undefined {
  const length = sealed.length - TAG_BYTES
  if (length < 0) return undefined
  const into = roomFor ? roomFor(length).subarray(0, length) : Buffer.from(sealed.buffer, sealed.byteOffset, length)
  return unsealInto(into, key, counter, associated, sealed) ? into : undefined
}

function unpack(stored: Buffer, contentBytes: number, roomFor: RoomFor): Buffer | undefined {
  const room = roomFor(contentBytes)
  return decompressInto(room, stored, contentBytes) ? room.subarray(0, contentBytes) : undefined
}

export interface VerifiedPack {
  /** Entries that are whole. */
  readonly records: readonly PackRecord[]
  /** Empty when everything is as it was written. */
  readonly damage: readonly TerpError[]
}

/** Reads everything and checks everything: the name, the directory, each entry. Throws when nothing of the pack can be used. */
export async function verifyPack(op: Operation, store: ObjectStore, keys: RepositoryKeys, sha256: string): Promise<VerifiedPack> {
  const bytes = await getPack(op, store, sha256)
  const header = decodePackHeader(keys, sha256, bytes)
  const { records: all } = readWholeDirectory(keys, sha256, header, bytes)
  const damage: TerpError[] = []
  const records = all.filter((record) => {
    try {
      openEntry(keys, sha256, header, record, bytes.subarray(record.offset, record.offset + record.storedBytes))
      return true
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      damage.push(error)
      return false
    }
  })
  const actual = objectHash(keys, bytes)
  if (actual !== sha256 && damage.length === 0) damage.push(damaged(sha256, `its hash is ${actual.slice(0, 12)}…`))
  return { records, damage }
}
