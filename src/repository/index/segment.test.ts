import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { someKeys } from '../../../test/support/packs.ts'
import { anOperation } from '../../../test/support/pool.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { PackRecord, SealedPack } from '../pack/pack-format.ts'
import { decodeIndexRecord, decodeSegment, encodeSegment, INDEX_RECORD_BYTES, type IndexSegment } from './segment.ts'

const { random } = anOperation('segments')
const KEYS = someKeys('segments')

function idOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function aPack(name: string, records: number, idOfRecord = (n: number) => idOf(`${name} ${n}`)): SealedPack {
  return {
    sha256: idOf(name).toString('hex'),
    sizeBytes: 1000 * records,
    records: Array.from(
      { length: records },
      (_, n): PackRecord => ({
        id: idOfRecord(n),
        offset: 80 + n * 700,
        storedBytes: 500 + n,
        contentBytes: 8_388_608 - n,
        type: n % 2 === 0 ? 1 : 2,
        compression: n % 3 === 0 ? 1 : 0,
      }),
    ),
  }
}

function encode(packs: readonly SealedPack[], inputs?: readonly string[]): IndexSegment {
  return decodeSegment(KEYS, encodeSegment(random, KEYS, packs, inputs).bytes)
}

test('a segment gives back its packs, inputs and records, sorted by id, over several blocks', () => {
  const packs = [aPack('one', 1500), aPack('two', 1), aPack('three', 1600)]
  const inputs = [idOf('old').toString('hex')]
  const segment = encode(packs, inputs)
  assert.deepEqual(segment.inputs, inputs)
  assert.deepEqual(
    segment.packs,
    packs.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes })),
  )
  const ids: string[] = []
  for (let at = 0; at < segment.records.length; at += INDEX_RECORD_BYTES) ids.push(segment.records.toString('hex', at, at + 32))
  assert.deepEqual(ids, ids.toSorted())
  assert.equal(ids.length, 3101)
  const record = decodeIndexRecord(segment.records, 46 * 7)
  const origin = packs.flatMap((pack) => pack.records).find(({ id }) => id.equals(record.id))
  assert.deepEqual(record, origin)
})

test('a segment of exactly one block, and one of none, are read', () => {
  for (const count of [0, 1, 1023, 1024, 1025, 2048]) assert.equal(encode([aPack('p', count)]).records.length, count * INDEX_RECORD_BYTES)
})

test('every flipped bit and every cut of a segment is detected', () => {
  const { bytes } = encodeSegment(random, KEYS, [aPack('small', 5)])
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.throws(() => decodeSegment(KEYS, flipped), SealedObjectError, `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeSegment(KEYS, bytes.subarray(0, length)), SealedObjectError, `${length} bytes`)
  }
  assert.throws(() => decodeSegment(KEYS, Buffer.concat([bytes, Buffer.alloc(1)])), SealedObjectError)
})

test('two blocks that changed places are detected', () => {
  const { bytes } = encodeSegment(random, KEYS, [aPack('blocks', 2048)])
  const block = 1024 * INDEX_RECORD_BYTES + 16
  const start = bytes.length - 2 * block
  const swapped = Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + block), bytes.subarray(start, start + block)])
  assert.throws(() => decodeSegment(KEYS, swapped), SealedObjectError)
})

test('a segment of another repository is refused', () => {
  const { bytes } = encodeSegment(random, KEYS, [aPack('mine', 3)])
  assert.throws(() => decodeSegment(someKeys('theirs'), bytes), SealedObjectError)
  assert.throws(() => decodeSegment({ ...KEYS, repositoryId: new Uint8Array(16) }, bytes), SealedObjectError)
})
