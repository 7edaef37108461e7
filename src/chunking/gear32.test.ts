import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { seededRandom } from '../base/random.ts'
import { type ChunkingParameters, type Cutter, gear32 } from './index.ts'

const PARAMETERS: ChunkingParameters = { algorithm: 'gear32', minBytes: 256, targetBytes: 1024, maxBytes: 4096 }

function tableOf(seed: string): Uint32Array {
  const bytes = Buffer.from(seededRandom(seed).bytes(1024))
  return Uint32Array.from({ length: 256 }, (_, i) => bytes.readUInt32LE(i * 4))
}

const CUTTER = gear32(PARAMETERS, tableOf('key'))

function cuts(bytes: Uint8Array, cutter: Cutter = CUTTER): number[] {
  const ends: number[] = []
  for (let start = 0; start < bytes.length; ) {
    start = cutter.findCut(bytes, start, bytes.length)
    ends.push(start)
  }
  return ends
}

/** As a reader of a long file does it: at most `window` bytes are seen at a time, never fewer than the largest chunk but at the end. */
function cutsInWindows(bytes: Uint8Array, window: number): number[] {
  const ends: number[] = []
  for (let start = 0; start < bytes.length; ) {
    const seen = bytes.subarray(start, start + window)
    start += CUTTER.findCut(seen, 0, seen.length)
    ends.push(start)
  }
  return ends
}

function chunksOf(bytes: Uint8Array, cutter?: Cutter): string[] {
  let start = 0
  return cuts(bytes, cutter).map((end) => {
    const chunk = Buffer.from(bytes.subarray(start, end)).toString('hex')
    start = end
    return chunk
  })
}

/** Content of any kind: random, of few values, or all zeros. */
const content = fc
  .record({ length: fc.integer({ min: 0, max: 40_000 }), seed: fc.string({ maxLength: 5 }), mask: fc.constantFrom(0xff, 0x03, 0x00) })
  .map(({ length, seed, mask }) =>
    seededRandom(seed)
      .bytes(length)
      .map((byte) => byte & mask),
  )

test('chunks joined are the input', () => {
  fc.assert(
    fc.property(content, (bytes) => {
      assert.equal(chunksOf(bytes).join(''), Buffer.from(bytes).toString('hex'))
    }),
    runs(60),
  )
})

test('no chunk is larger than the maximum, and only the last one smaller than the minimum', () => {
  fc.assert(
    fc.property(content, (bytes) => {
      const ends = cuts(bytes)
      const lengths = ends.map((end, i) => end - (ends[i - 1] ?? 0))
      for (const [i, length] of lengths.entries()) {
        assert.ok(length <= PARAMETERS.maxBytes)
        if (i < lengths.length - 1) assert.ok(length >= PARAMETERS.minBytes)
      }
    }),
    runs(60),
  )
})

test('cuts do not depend on how the stream comes in windows', () => {
  fc.assert(
    fc.property(content, fc.integer({ min: PARAMETERS.maxBytes, max: 20_000 }), (bytes, window) => {
      assert.deepEqual(cutsInWindows(bytes, window), cuts(bytes))
    }),
    runs(60),
  )
})

test('cuts do not depend on where the content lies in the buffer', () => {
  const bytes = seededRandom('placed').bytes(20_000)
  const placed = new Uint8Array(30_000).fill(0xaa)
  placed.set(bytes, 777)
  const ends: number[] = []
  for (let start = 777; start < 20_777; ends.push(start - 777)) start = CUTTER.findCut(placed, start, 20_777)
  assert.deepEqual(ends, cuts(bytes))
})

test('a byte that is inserted changes few chunks', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const bytes = seededRandom('insertion').bytes(200_000)
      const longer = Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)])
      const before = new Set(chunksOf(bytes))
      const after = chunksOf(longer)
      const changed = after.filter((chunk) => !before.has(chunk)).length
      assert.ok(changed <= after.length * 0.1, `${changed} of ${after.length} chunks changed`)
    }),
    runs(20),
  )
})

test('chunks of random content are about as large as the target', () => {
  const bytes = seededRandom('target').bytes(1_000_000)
  const mean = bytes.length / cuts(bytes).length
  assert.ok(mean > PARAMETERS.targetBytes / 2 && mean < PARAMETERS.targetBytes * 2, `mean ${mean}`)
})

test('another table cuts elsewhere', () => {
  const bytes = seededRandom('keyed').bytes(200_000)
  const ours = new Set(cuts(bytes))
  const theirs = cuts(bytes, gear32(PARAMETERS, tableOf('another key')))
  const shared = theirs.filter((end) => ours.has(end)).length
  assert.ok(shared <= theirs.length * 0.1, `${shared} of ${theirs.length} cuts are the same`)
})

test('zeros are cut at the maximum or somewhere regular, always equally', () => {
  const lengths = new Set(chunksOf(new Uint8Array(50_000)).slice(0, -1))
  assert.equal(lengths.size, 1)
})
