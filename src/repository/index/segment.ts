/** Index segments: docs/format.md §8. Immutable; a cache of pack directories, readable block by block. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Random } from '../../base/random.ts'
import { seal, TAG_BYTES, unseal } from '../format/aead.ts'
import { decodeSealedObject, encodeSealedObject, OBJECT_KIND, SealedObjectError } from '../format/sealed-object.ts'
import { type ChunkType, objectHash, type RepositoryKeys } from '../keys/hierarchy.ts'
import type { Compression, PackRecord, SealedPack } from '../pack/pack-format.ts'

export const INDEX_RECORD_BYTES = 46
export const RECORDS_PER_BLOCK = 1024
/** A session writes another segment when one would hold more: 46 MiB of records. */
export const MOST_RECORDS = 1_048_576

export const PACK_ROW_BYTES = 36
/** What comes before the body of a sealed object. */
export const SEGMENT_START_BYTES = 88

/** Everything of a segment but its blocks. */
export interface SegmentHead {
  readonly packCount: number
  /** SHA-256 and size (u32) of each pack. */
  readonly packs: Buffer
  readonly inputs: readonly string[]
  /** Number of records. */
  readonly count: number
  readonly perBlock: number
  readonly blockCount: number
  /** The first id of each block. */
  readonly fences: Buffer
  /** Where the blocks begin in the object. */
  readonly blocksAt: number
  /** What the object must have. */
  readonly sizeBytes: number
  readonly key: Uint8Array
}

export interface IndexSegment {
  readonly packs: readonly { readonly sha256: string; readonly sizeBytes: number }[]
  readonly inputs: readonly string[]
  /** All records, 46 bytes each, sorted by id. */
  readonly records: Buffer
}

export function segmentName(sha256: string): string {
  return `index/${sha256}.idx`
}

export function segmentOfName(name: string): string | undefined {
  return /^index\/([0-9a-f]{64})\.idx$/.exec(name)?.[1]
}

export function encodeSegment(
  random: Random,
  keys: RepositoryKeys,
  packs: readonly SealedPack[],
  inputs: readonly string[] = [],
): { name: string; bytes: Buffer } {
  const records = sortRecords(packs)
  const count = records.length / INDEX_RECORD_BYTES
  const blockBytes = RECORDS_PER_BLOCK * INDEX_RECORD_BYTES
  const rows = new ByteWriter(packs.length * PACK_ROW_BYTES + 1)
  for (const pack of packs) rows.raw(Buffer.from(pack.sha256, 'hex')).u32(pack.sizeBytes)
  const fences = new ByteWriter()
  for (let at = 0; at < records.length; at += blockBytes) fences.raw(records.subarray(at, at + 32))
  const head = sealHead(random, keys, { packs: rows.finish(), count, inputs, fences: fences.finish() })
  const parts: Buffer[] = [head.bytes]
  for (let k = 0; k * blockBytes < records.length; k++) {
    parts.push(sealBlock(keys, head.key, k, records.subarray(k * blockBytes, (k + 1) * blockBytes)))
  }
  const bytes = Buffer.concat(parts)
  return { name: segmentName(objectHash(keys, bytes)), bytes }
}

/** Throws SealedObjectError with what is wrong. */
export function decodeSegment(keys: RepositoryKeys, bytes: Uint8Array): IndexSegment {
  const head = decodeSegmentHead(keys, bytes, bytes.length)
  const parts: Buffer[] = []
  for (let k = 0; k < head.blockCount; k++) {
    const at = blockPlace(head, k)
    parts.push(openBlock(keys, head.key, k, bytes.subarray(at.offset, at.offset + at.length)))
  }
  const packs = Array.from({ length: head.packCount }, (_, n) => ({
    sha256: head.packs.toString('hex', n * PACK_ROW_BYTES, n * PACK_ROW_BYTES + 32),
    sizeBytes: head.packs.readUInt32LE(n * PACK_ROW_BYTES + 32),
  }))
  return { packs, inputs: head.inputs, records: Buffer.concat(parts) }
}

/** How many bytes of an object, of which the first `SEGMENT_START_BYTES` are given, come before its blocks. */
export function headBytesOf(start: Buffer): number {
  return SEGMENT_START_BYTES + start.readUInt32LE(80) + start.readUInt32LE(84)
}

/** From the beginning of an object of `sizeBytes`, up to its blocks at least. Throws SealedObjectError, also when the blocks can't all be there. */
export function decodeSegmentHead(keys: RepositoryKeys, bytes: Uint8Array, sizeBytes: number): SegmentHead {
  const { body, key, tail } = decodeSealedObject(keys, OBJECT_KIND.index, 'index', bytes)
  const reader = new ByteReader(body, (why) => new SealedObjectError(why))
  const packCount = reader.u32()
  const count = reader.u32()
  const perBlock = reader.u32()
  const inputCount = reader.u32()
  const packs = reader.raw(packCount * PACK_ROW_BYTES)
  const inputs = Array.from({ length: inputCount }, () => reader.raw(32).toString('hex'))
  if (perBlock === 0) throw new SealedObjectError('its blocks hold nothing')
  const blockCount = Math.ceil(count / perBlock)
  const fences = reader.raw(blockCount * 32)
  const blocksAt = bytes.length - tail.length
  const expected = blocksAt + count * INDEX_RECORD_BYTES + blockCount * TAG_BYTES
  if (sizeBytes !== expected) throw new SealedObjectError(`it has ${sizeBytes} bytes, its blocks end at ${expected}`)
  return { packCount, packs, inputs, count, perBlock, blockCount, fences, blocksAt, sizeBytes, key }
}

export function blockPlace(
  head: Pick<SegmentHead, 'blocksAt' | 'perBlock' | 'count'>,
  block: number,
): { readonly offset: number; readonly length: number } {
  const records = Math.min(head.perBlock, head.count - block * head.perBlock)
  return {
    offset: head.blocksAt + block * (head.perBlock * INDEX_RECORD_BYTES + TAG_BYTES),
    length: records * INDEX_RECORD_BYTES + TAG_BYTES,
  }
}

/** Throws SealedObjectError. */
export function openBlock(keys: BlockKeys, key: Uint8Array, block: number, sealed: Uint8Array): Buffer {
  const plain = unseal(key, block + 1, blockAssociatedData(keys, block), sealed)
  if (!plain) throw new SealedObjectError(`the seal of its block ${block} is broken`)
  return plain
}

export function sealBlock(keys: BlockKeys, key: Uint8Array, block: number, records: Uint8Array): Buffer {
  return seal(key, block + 1, blockAssociatedData(keys, block), records)
}

/** The sealed part of a segment: what `decodeSegmentHead` reads. Its key seals the blocks that follow. */
export function sealHead(
  random: Random,
  keys: RepositoryKeys,
  parts: { packs: Uint8Array; count: number; inputs: readonly string[]; fences: Uint8Array },
): { bytes: Buffer; key: Uint8Array } {
  const { packs, count, inputs, fences } = parts
  const body = new ByteWriter(16 + packs.length + inputs.length * 32 + fences.length)
    .u32(packs.length / PACK_ROW_BYTES)
    .u32(count)
    .u32(RECORDS_PER_BLOCK)
    .u32(inputs.length)
    .raw(packs)
  for (const input of inputs) body.raw(Buffer.from(input, 'hex'))
  return encodeSealedObject(random, keys, { kind: OBJECT_KIND.index, place: 'index', body: body.raw(fences).finish() })
}

/** Its id is a copy: a view would keep the whole block in memory. */
export function decodeIndexRecord(records: Buffer, at: number): PackRecord {
  const kinds = records[at + 45] as number
  return {
    id: Buffer.from(records.subarray(at, at + 32)),
    offset: records.readUInt32LE(at + 35),
    storedBytes: records.readUIntLE(at + 39, 3),
    contentBytes: records.readUIntLE(at + 42, 3),
    type: (kinds & 15) as ChunkType,
    compression: (kinds >> 4) as Compression,
  }
}

/** Half a million at a time, between two packs: numbers are sorted in the place of records, each the beginning of an id and where the record stands. */
function sortRecords(packs: readonly SealedPack[]): Buffer {
  const all = encodeRecords(packs)
  const count = all.length / INDEX_RECORD_BYTES
  const shift = 2 ** Math.ceil(Math.log2(Math.max(2, count)))
  // A double holds 53 bits.
  const part = 2 ** 48 / (2 ** 52 / shift)
  const order = new Float64Array(count)
  for (let n = 0; n < count; n++) order[n] = Math.floor(all.readUIntBE(n * INDEX_RECORD_BYTES, 6) / part) * shift + n
  order.sort()
  const sorted = Buffer.allocUnsafe(all.length)
  for (let first = 0; first < count; ) {
    const beginning = Math.floor((order[first] as number) / shift)
    let end = first + 1
    while (end < count && Math.floor((order[end] as number) / shift) === beginning) end++
    const places = Array.from(order.subarray(first, end), (value) => (value % shift) * INDEX_RECORD_BYTES)
    if (places.length > 1) places.sort((a, b) => all.compare(all, b, b + 32, a, a + 32) || a - b)
    for (const at of places) all.copy(sorted, first++ * INDEX_RECORD_BYTES, at, at + INDEX_RECORD_BYTES)
  }
  return sorted
}

/** In the order of the packs, whose numbers are their places. */
export function encodeRecords(packs: readonly SealedPack[]): Buffer {
  const records = Buffer.allocUnsafe(packs.reduce((sum, pack) => sum + pack.records.length, 0) * INDEX_RECORD_BYTES)
  let at = 0
  for (const [number, pack] of packs.entries()) {
    for (const record of pack.records) {
      records.set(record.id, at)
      records.writeUIntLE(number, at + 32, 3)
      records.writeUInt32LE(record.offset, at + 35)
      records.writeUIntLE(record.storedBytes, at + 39, 3)
      records.writeUIntLE(record.contentBytes, at + 42, 3)
      records[at + 45] = record.type | (record.compression << 4)
      at += INDEX_RECORD_BYTES
    }
  }
  return records
}

/** What a thread needs to open blocks of a segment whose key it has. */
export type BlockKeys = Pick<RepositoryKeys, 'repositoryId'>

function blockAssociatedData(keys: BlockKeys, block: number): Buffer {
  const data = Buffer.alloc(12 + 16 + 4)
  data.write('terp/1/index', 0, 'latin1')
  data.set(keys.repositoryId, 12)
  data.writeUInt32LE(block, 28)
  return data
}
