import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { someKeys } from '../../../test/support/packs.ts'
import { anOperation, noise, runs } from '../../../test/support/pool.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { PackRecord, SealedPack } from '../pack/pack-format.ts'
import { ChunkIndex, decodeIndexRecord } from './chunk-index.ts'
import { decodeSegment, encodeSegment, INDEX_RECORD_BYTES, type IndexSegment } from './segment.ts'

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

test('an index finds every chunk of many segments and packs, and no other', () => {
  const shape = fc.array(fc.record({ records: fc.integer({ min: 0, max: 400 }), isSegment: fc.boolean() }), { maxLength: 8 })
  fc.assert(
    fc.property(shape, (parts) => {
      const index = new ChunkIndex()
      const packs = parts.map(({ records }, n) => aPack(`pack ${n}`, records))
      for (const [n, { isSegment }] of parts.entries()) {
        if (isSegment) index.addSegment(encode([packs[n] as SealedPack]))
        else index.addPack(packs[n] as SealedPack)
      }
      for (const pack of packs) {
        for (const record of pack.records) assert.deepEqual(index.find(record.id), { pack: pack.sha256, record })
      }
      for (let n = 0; n < 50; n++) assert.equal(index.find(noise(`none ${n}`, 32)), undefined)
      const count = packs.reduce((sum, pack) => sum + pack.records.length, 0)
      assert.equal(index.size, count)
      assert.equal([...index.ids()].length, count)
    }),
    runs(30),
  )
})

test('an empty index finds nothing', () => {
  assert.equal(new ChunkIndex().find(idOf('x')), undefined)
})

test('a chunk that stands in several packs is found while one of them is usable', () => {
  const shared = (n: number) => idOf(`shared ${n}`)
  const packs = [aPack('lost', 20, shared), aPack('there', 20, shared)]
  const [lost, there] = packs.map(({ sha256 }) => sha256)
  const index = new ChunkIndex()
  index.addSegment(encode(packs), (pack) => pack !== lost)
  for (let n = 0; n < 20; n++) assert.equal(index.find(shared(n))?.pack, there)
})

test('chunks of packs that are not usable are not found and not listed', () => {
  const index = new ChunkIndex()
  index.addSegment(encode([aPack('lost', 30)]), () => false)
  assert.equal(index.find(idOf('lost 3')), undefined)
  assert.deepEqual([...index.ids()], [])
})

test('ids that begin alike are told apart', () => {
  const alike = (n: number) => Buffer.concat([Buffer.alloc(28), Buffer.from([0, 0, n >> 8, n & 0xff])])
  const index = new ChunkIndex()
  index.addPack(aPack('alike', 300, alike))
  for (let n = 0; n < 300; n++) assert.equal(index.find(alike(n))?.record.offset, 80 + n * 700)
  assert.equal(index.find(alike(301)), undefined)
})
