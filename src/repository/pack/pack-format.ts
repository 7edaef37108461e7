/** The bytes of a pack: docs/format.md §6. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import { CHUNK_TYPE, type ChunkType, deriveObjectKey, type RepositoryKeys } from '../keys/hierarchy.ts'

export const PACK_MAGIC = Buffer.from('TERPPACK')
export const PACK_END = Buffer.from('TERPEND1')
export const PACK_HEADER_BYTES = 80
export const PACK_FOOTER_BYTES = 32
export const DIRECTORY_RECORD_BYTES = 48
export const DIRECTORY_COUNTER = 0xffffffff
export const MOST_ENTRIES = 65_536
export const DEFAULT_PACK_BYTES = 33_554_432
/** Packs may hold one chunk that is larger than their size, never more than this (u32 offsets would allow more). */
export const PACK_LIMIT_BYTES = 67_108_864

export const PACK_CLASS = { data: 1, tree: 2 } as const
export type PackClass = (typeof PACK_CLASS)[keyof typeof PACK_CLASS]

export const COMPRESSION = { none: 0, zstd: 1 } as const
export type Compression = (typeof COMPRESSION)[keyof typeof COMPRESSION]

/** Where a chunk stands in its pack. */
export interface PackRecord {
  readonly id: Buffer
  readonly offset: number
  readonly storedBytes: number
  readonly contentBytes: number
  readonly type: ChunkType
  readonly compression: Compression
}

/** A pack that is durable, with what it holds. */
export interface SealedPack {
  /** SHA-256 in hexadecimal: the pack's name. */
  readonly sha256: string
  readonly sizeBytes: number
  readonly records: readonly PackRecord[]
}

export function packName(sha256: string): string {
  return `packs/${sha256.slice(0, 2)}/${sha256}.pack`
}

/** Undefined for names that are no pack's. */
export function packOfName(name: string): string | undefined {
  const match = /^packs\/([0-9a-f]{2})\/([0-9a-f]{64})\.pack$/.exec(name)
  return match?.[2]?.startsWith(match[1] as string) ? match[2] : undefined
}

export function packKey(keys: RepositoryKeys, packClass: number, salt: Uint8Array) {
  return deriveObjectKey(packClass === PACK_CLASS.tree ? keys.metaKey : keys.dataKey, salt, 'terp/1/pack')
}

export function entryAssociatedData(
  keys: RepositoryKeys,
  packClass: number,
  record: Omit<PackRecord, 'storedBytes' | 'contentBytes'>,
): Buffer {
  const data = Buffer.allocUnsafe(12 + 16 + 3 + 32 + 4)
  data.write('terp/1/entry', 0, 'latin1')
  data.set(keys.repositoryId, 12)
  data[28] = packClass
  data[29] = record.type
  data[30] = record.compression
  data.set(record.id, 31)
  data.writeUInt32LE(record.offset, 63)
  return data
}

export function directoryAssociatedData(keys: RepositoryKeys, header: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('terp/1/directory'), keys.repositoryId, header])
}

export function encodeDirectory(records: readonly PackRecord[], paddingBytes: number): Buffer {
  const writer = new ByteWriter(4 + records.length * DIRECTORY_RECORD_BYTES + paddingBytes).u32(records.length)
  for (const record of records) {
    writer
      .raw(record.id)
      .u32(record.offset)
      .u32(record.storedBytes)
      .u32(record.contentBytes)
      .u8(record.type)
      .u8(record.compression)
      .u8(0)
      .u8(0)
  }
  return writer.raw(new Uint8Array(paddingBytes)).finish()
}

export function decodeDirectory(bytes: Uint8Array, fail: (why: string) => Error): PackRecord[] {
  const reader = new ByteReader(bytes, fail)
  const count = reader.u32()
  if (count > MOST_ENTRIES) throw fail(`its directory claims ${count} entries`)
  const records: PackRecord[] = []
  for (let i = 0; i < count; i++) {
    const id = Buffer.from(reader.raw(32))
    const offset = reader.u32()
    const storedBytes = reader.u32()
    const contentBytes = reader.u32()
    const type = reader.u8()
    const compression = reader.u8()
    reader.raw(2)
    if (!isChunkType(type) || !isCompression(compression))
      throw fail(`its directory has an entry of type ${type}, compression ${compression}`)
    records.push({ id, offset, storedBytes, contentBytes, type, compression })
  }
  return records
}

export function isChunkType(value: number): value is ChunkType {
  return value === CHUNK_TYPE.data || value === CHUNK_TYPE.page || value === CHUNK_TYPE.list
}

export function isCompression(value: number): value is Compression {
  return value === COMPRESSION.none || value === COMPRESSION.zstd
}

/** The next size that tells little about the length: at most 12 % more (docs/format.md §6.3). */
export function padmeSize(length: number): number {
  const exponent = Math.floor(Math.log2(length))
  const kept = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** (exponent - kept)
  return Math.ceil(length / step) * step
}
