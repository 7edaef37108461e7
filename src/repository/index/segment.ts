/** Index segments: docs/format.md §8. Immutable; a cache of pack directories, readable block by block. */
import { createHash } from 'node:crypto'
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Random } from '../../base/random.ts'
import { seal, TAG_BYTES, unseal } from '../format/aead.ts'
import { decodeSealedObject, encodeSealedObject, OBJECT_KIND, SealedObjectError } from '../format/sealed-object.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import type { SealedPack } from '../pack/pack-format.ts'

export const INDEX_RECORD_BYTES = 46
export const RECORDS_PER_BLOCK = 1024
/** A session writes another segment when one would hold more: 46 MiB of records. */
export const MOST_RECORDS = 1_048_576

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
  const blocks = Math.ceil(count / RECORDS_PER_BLOCK)
  const head = new ByteWriter(16 + packs.length * 36 + inputs.length * 32 + blocks * 32)
    .u32(packs.length)
    .u32(count)
    .u32(RECORDS_PER_BLOCK)
    .u32(inputs.length)
  for (const pack of packs) head.raw(Buffer.from(pack.sha256, 'hex')).u32(pack.sizeBytes)
  for (const input of inputs) head.raw(Buffer.from(input, 'hex'))
  const blockBytes = RECORDS_PER_BLOCK * INDEX_RECORD_BYTES
  for (let k = 0; k < blocks; k++) head.raw(records.subarray(k * blockBytes, k * blockBytes + 32))
  const sealed = encodeSealedObject(random, keys, { kind: OBJECT_KIND.index, place: 'index', body: head.finish() })
  const parts: Buffer[] = [sealed.bytes]
  for (let k = 0; k < blocks; k++) {
    parts.push(seal(sealed.key, k + 1, blockAssociatedData(keys, k), records.subarray(k * blockBytes, (k + 1) * blockBytes)))
  }
  const bytes = Buffer.concat(parts)
  return { name: segmentName(createHash('sha256').update(bytes).digest('hex')), bytes }
}

/** Throws SealedObjectError with what is wrong. */
export function decodeSegment(keys: RepositoryKeys, bytes: Uint8Array): IndexSegment {
  const { body, key, tail } = decodeSealedObject(keys, OBJECT_KIND.index, 'index', bytes)
  const head = new ByteReader(body, (why) => new SealedObjectError(why))
  const packCount = head.u32()
  const count = head.u32()
  const perBlock = head.u32()
  const inputCount = head.u32()
  const packs = Array.from({ length: packCount }, () => ({ sha256: head.raw(32).toString('hex'), sizeBytes: head.u32() }))
  const inputs = Array.from({ length: inputCount }, () => head.raw(32).toString('hex'))
  const blocks = new ByteReader(tail, (why) => new SealedObjectError(`its blocks are cut short: ${why}`))
  const parts: Buffer[] = []
  for (let k = 0, left = count; left > 0; k++, left -= perBlock) {
    const sealed = blocks.raw(Math.min(left, perBlock) * INDEX_RECORD_BYTES + TAG_BYTES)
    const plain = unseal(key, k + 1, blockAssociatedData(keys, k), sealed)
    if (!plain) throw new SealedObjectError(`the seal of its block ${k} is broken`)
    parts.push(plain)
  }
  blocks.end()
  return { packs, inputs, records: Buffer.concat(parts) }
}

function sortRecords(packs: readonly SealedPack[]): Buffer {
  const all = packs.flatMap((pack, number) => pack.records.map((record) => ({ record, number })))
  all.sort((a, b) => Buffer.compare(a.record.id, b.record.id))
  const writer = new ByteWriter(all.length * INDEX_RECORD_BYTES + 1)
  for (const { record, number } of all) {
    writer
      .raw(record.id)
      .u24(number)
      .u32(record.offset)
      .u24(record.storedBytes)
      .u24(record.contentBytes)
      .u8(record.type | (record.compression << 4))
  }
  return writer.finish()
}

function blockAssociatedData(keys: RepositoryKeys, block: number): Buffer {
  const data = Buffer.alloc(12 + 16 + 4)
  data.write('terp/1/index', 0, 'latin1')
  data.set(keys.repositoryId, 12)
  data.writeUInt32LE(block, 28)
  return data
}
