import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { seededRandom } from '../base/random.ts'
import { type ChunkingParameters, CUTTER_KEY_BYTES, type Cutter, createCutter, createScriptCutter } from './index.ts'

const SIZES = { minBytes: 256, targetBytes: 1024, maxBytes: 4096 }
const ALGORITHMS: readonly ChunkingParameters['algorithm'][] = ['gear32', 'sieve']
/** Larger than the pieces in which content from elsewhere is copied. */
const LONG_BYTES = 200_000

function cutterOf(algorithm: ChunkingParameters['algorithm'], seed = 'key', make = createCutter, sizes = SIZES): Cutter {
  return make({ algorithm, ...sizes }, seededRandom(seed).bytes(CUTTER_KEY_BYTES[algorithm]))
}

function cuts(cutter: Cutter, bytes: Uint8Array, start = 0, end = bytes.length): number[] {
  const ends: number[] = []
  for (let at = start; at < end; ends.push(at - start)) at = cutter.findCut(bytes, at, end)
  return ends
}

/** As a reader of a long file does it: at most `window` bytes are seen at a time, never fewer than the largest chunk but at the end. */
function cutsInWindows(cutter: Cutter, bytes: Uint8Array, window: number): number[] {
  const ends: number[] = []
  for (let start = 0; start < bytes.length; ) {
    const seen = bytes.subarray(start, start + window)
    start += cutter.findCut(seen, 0, seen.length)
    ends.push(start)
  }
  return ends
}

function chunksOf(cutter: Cutter, bytes: Uint8Array): string[] {
  let start = 0
  return cuts(cutter, bytes).map((end) => {
    const chunk = Buffer.from(bytes.subarray(start, end)).toString('hex')
    start = end
    return chunk
  })
}

/** Random, of few values, of a short period, or all the same byte: what deceives a hash. */
const content = fc
  .record({
    length: fc.integer({ min: 0, max: 40_000 }),
    seed: fc.string({ maxLength: 5 }),
    mask: fc.constantFrom(0xff, 0x03, 0x01),
    period: fc.constantFrom(Number.MAX_SAFE_INTEGER, 1, 2, 3, 8, 40),
  })
  .map(({ length, seed, mask, period }) => {
    const random = seededRandom(seed).bytes(Math.min(length, period))
    return Uint8Array.from({ length }, (_, i) => (random[i % random.length] as number) & mask)
  })

for (const algorithm of ALGORITHMS) {
  describe(algorithm, () => {
    const cutter = cutterOf(algorithm)

    test('chunks joined are the input', () => {
      fc.assert(
        fc.property(content, (bytes) => {
          assert.ok(chunksOf(cutter, bytes).join('') === Buffer.from(bytes).toString('hex'))
        }),
        runs(60),
      )
    })

    test('no chunk is larger than the maximum, and only the last one smaller than the minimum', () => {
      fc.assert(
        fc.property(content, (bytes) => {
          const ends = cuts(cutter, bytes)
          const lengths = ends.map((end, i) => end - (ends[i - 1] ?? 0))
          for (const [i, length] of lengths.entries()) {
            assert.ok(length <= SIZES.maxBytes)
            if (i < lengths.length - 1) assert.ok(length >= SIZES.minBytes)
          }
        }),
        runs(60),
      )
    })

    test('cuts do not depend on how the stream comes in windows', () => {
      fc.assert(
        fc.property(content, fc.integer({ min: SIZES.maxBytes, max: 20_000 }), (bytes, window) => {
          assert.deepEqual(cutsInWindows(cutter, bytes, window), cuts(cutter, bytes))
        }),
        runs(60),
      )
    })

    test('the kernel and its twin cut alike, in the kernel’s memory and elsewhere, wherever the content lies', () => {
      const keyed = fc.record({
        seed: fc.string({ maxLength: 3 }),
        targetBits: fc.integer({ min: 8, max: 13 }),
        maxBytes: fc.constantFrom(1000, 8192, 150_000),
      })
      const placed = fc.record({ before: fc.integer({ min: 0, max: 70 }), after: fc.integer({ min: 0, max: 70 }) })
      fc.assert(
        fc.property(keyed, content, placed, ({ seed, targetBits, maxBytes }, bytes, { before, after }) => {
          const sizes = { minBytes: 64, targetBytes: 2 ** targetBits, maxBytes }
          const kernel = cutterOf(algorithm, seed, createCutter, sizes)
          const twin = cutterOf(algorithm, seed, createScriptCutter, sizes)
          // What lies around it is noise: it must not matter.
          const around = seededRandom('around').bytes(before + bytes.length + after)
          around.set(bytes, before)
          const own = kernel.allocate(around.length)
          own.set(around)
          const expected = cuts(twin, bytes)
          assert.deepEqual(cuts(kernel, bytes), expected)
          assert.deepEqual(cuts(kernel, around, before, before + bytes.length), expected)
          assert.deepEqual(cuts(kernel, own, before, before + bytes.length), expected)
        }),
        runs(80),
      )
    })

    test('they cut alike in content longer than the pieces that are copied, and at the default sizes', () => {
      const sizes = { minBytes: 262_144, targetBytes: 1_048_576, maxBytes: 4_194_304 }
      const bytes = seededRandom('long').bytes(6_000_000)
      const kernel = cutterOf(algorithm, 'key', createCutter, sizes)
      const own = kernel.allocate(bytes.length)
      own.set(bytes)
      const expected = cuts(cutterOf(algorithm, 'key', createScriptCutter, sizes), bytes)
      assert.ok(expected.length > 2)
      assert.deepEqual(cuts(kernel, bytes), expected)
      assert.deepEqual(cuts(kernel, own), expected)
    })

    test('a chunk ends at the first position of which that is said, whatever lies behind it', () => {
      fc.assert(
        fc.property(content, fc.integer({ min: 0, max: 2_000 }), (bytes, skip) => {
          const start = Math.min(skip, bytes.length)
          const end = cutter.findCut(bytes, start, bytes.length)
          const said: number[] = []
          for (let at = start + 1; at <= end; at++) if (cutter.endsAt(bytes.subarray(0, at), start, at)) said.push(at)
          for (const at of said) assert.ok(cutter.endsAt(bytes, start, at))
          // Of the last chunk, the end of the stream decides.
          assert.deepEqual(said, end < bytes.length ? [end] : said.filter((at) => at === end))
        }),
        runs(20),
      )
    })

    test('a byte that is inserted changes few chunks', () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: LONG_BYTES }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
          const bytes = seededRandom('insertion').bytes(LONG_BYTES)
          const longer = Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)])
          const before = new Set(chunksOf(cutter, bytes))
          const after = chunksOf(cutter, longer)
          const changed = after.filter((chunk) => !before.has(chunk)).length
          assert.ok(changed <= after.length * 0.1, `${changed} of ${after.length} chunks changed`)
        }),
        runs(20),
      )
    })

    test('chunks of random content are about as large as the target', () => {
      const bytes = seededRandom('target').bytes(1_000_000)
      const mean = bytes.length / cuts(cutter, bytes).length
      assert.ok(mean > SIZES.targetBytes / 2 && mean < SIZES.targetBytes * 2, `mean ${mean}`)
    })

    test('another key cuts elsewhere', () => {
      const bytes = seededRandom('keyed').bytes(LONG_BYTES)
      const ours = new Set(cuts(cutter, bytes))
      const theirs = cuts(cutterOf(algorithm, 'another key'), bytes)
      const shared = theirs.filter((end) => ours.has(end)).length
      assert.ok(shared <= theirs.length * 0.1, `${shared} of ${theirs.length} cuts are the same`)
    })

    test('zeros are cut at the maximum or somewhere regular, always equally', () => {
      const lengths = new Set(chunksOf(cutter, new Uint8Array(50_000)).slice(0, -1))
      assert.equal(lengths.size, 1)
    })
  })
}

test('every bit of the key of sieve changes the cuts', () => {
  const bytes = seededRandom('bits').bytes(LONG_BYTES)
  const key = seededRandom('key').bytes(CUTTER_KEY_BYTES.sieve)
  const ends = cuts(createCutter({ algorithm: 'sieve', ...SIZES }, key), bytes).join()
  // Without the summand's: it only moves which sums are small.
  for (let bit = 0; bit < 26 * 8; bit++) {
    if ([128, 144, 160, 176, 192].includes(bit)) continue // the factors are odd
    const other = Uint8Array.from(key, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    assert.ok(cuts(createCutter({ algorithm: 'sieve', ...SIZES }, other), bytes).join() !== ends, `bit ${bit}`)
  }
})

test('zeros are never cut by sieve before the maximum', () => {
  for (let seed = 0; seed < 100; seed++) {
    assert.deepEqual(cuts(cutterOf('sieve', `zeros ${seed}`), new Uint8Array(2 * SIZES.maxBytes)), [SIZES.maxBytes, 2 * SIZES.maxBytes])
  }
})

test('what repeats in a short period and gets through the sum again and again is cut like everything else', () => {
  const [kernel, twin] = [cutterOf('sieve', 'runs'), cutterOf('sieve', 'runs', createScriptCutter)]
  let cutAtOnce = 0
  for (let seed = 0; seed < 300; seed++) {
    const period = seededRandom(`period ${seed}`).bytes(1 + (seed % 3))
    const bytes = Uint8Array.from({ length: 3 * SIZES.maxBytes }, (_, i) => period[i % period.length] as number)
    bytes.set(seededRandom(`run ${seed}`).bytes(1000), 3000)
    const expected = cuts(twin, bytes)
    assert.deepEqual(cuts(kernel, bytes), expected)
    if (expected[0] === SIZES.minBytes) cutAtOnce++
  }
  assert.ok(cutAtOnce < 10)
})

test('buffers do not overlap, begin as zeros, and end with the memory', () => {
  const cutter = cutterOf('sieve')
  const first = cutter.allocate(1000)
  const second = cutter.allocate(60_000_000)
  second.fill(1)
  assert.ok(first.every((byte) => byte === 0))
  assert.equal(first.fill(2).length, 1000)
  assert.ok(second.subarray(0, 100).every((byte) => byte === 1))
  assert.throws(() => cutter.allocate(8_000_000), { code: 'INTERNAL' })
  assert.equal(cutter.allocate(7_000_000).length, 7_000_000)
})

test('a buffer at the end of the memory is searched too, although the kernel looks past what it is given', () => {
  const cutter = cutterOf('sieve')
  const first = cutter.allocate(60_000_000)
  let end = first.byteOffset + first.length
  assert.throws(
    () => {
      for (;;) end = cutter.allocate(64).byteOffset + 64
    },
    { code: 'INTERNAL' },
  )
  assert.ok(first.buffer.byteLength - end < 128)
  const last = Buffer.from(first.buffer, end - 40_000, 40_000)
  last.set(seededRandom('last').bytes(last.length))
  assert.deepEqual(cuts(cutter, last), cuts(cutterOf('sieve', 'key', createScriptCutter), last))
})

test('what is no parameter of the format is refused', () => {
  const key = new Uint8Array(CUTTER_KEY_BYTES.sieve)
  const refused: [ChunkingParameters, Uint8Array][] = [
    [{ algorithm: 'sieve', ...SIZES, minBytes: 63 }, key],
    [{ algorithm: 'sieve', ...SIZES, targetBytes: 1000 }, key],
    [{ algorithm: 'sieve', ...SIZES }, key.subarray(1)],
  ]
  for (const make of [createCutter, createScriptCutter]) {
    for (const [parameters, bytes] of refused) assert.throws(() => make(parameters, bytes), { code: 'INTERNAL' })
  }
})
