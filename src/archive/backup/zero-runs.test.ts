import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../../test/support/pool.ts'
import type { Extent } from '../entry.ts'
import { pushHole, spliceHoles, zeroRuns } from './zero-runs.ts'

/** Blocks of zeros and of others, with a shorter one at the end, somewhere in a buffer. */
const content = fc
  .record({
    blocks: fc.array(fc.boolean(), { maxLength: 12 }),
    tail: fc.integer({ min: 0, max: 4095 }),
    start: fc.integer({ min: 0, max: 5000 }),
  })
  .map(({ blocks, tail, start }) => {
    const parts = blocks.map((isZero) => Buffer.alloc(4096, isZero ? 0 : 7))
    const bytes = Buffer.concat([Buffer.alloc(start, 9), ...parts, Buffer.alloc(tail), Buffer.alloc(50, 9)])
    return { bytes, start, end: bytes.length - 50 }
  })

test('runs cover the range without gap, alternate, and are zeros exactly where they say so', () => {
  fc.assert(
    fc.property(content, ({ bytes, start, end }) => {
      let at = start
      let last: boolean | undefined
      for (const run of zeroRuns(bytes, start, end)) {
        assert.equal(run.start, at)
        assert.ok(run.end > run.start)
        assert.notEqual(run.isZero, last)
        assert.equal(
          bytes.subarray(run.start, run.end).every((byte) => byte === 0),
          run.isZero,
        )
        at = run.end
        last = run.isZero
      }
      assert.equal(at, end)
    }),
    runs(300),
  )
})

test('holes and placed extents have the length of the range', () => {
  fc.assert(
    fc.property(content, ({ bytes, start, end }) => {
      const place = (from: number, to: number): Extent[] => [{ kind: 'data', chunk: Buffer.alloc(32), offset: from, length: to - from }]
      const { extents, sparse } = spliceHoles(bytes, start, end, place)
      assert.equal(
        extents.reduce((sum, { length }) => sum + length, 0),
        end - start,
      )
      assert.equal(
        sparse,
        extents.some(({ kind }) => kind === 'hole'),
      )
    }),
    runs(100),
  )
})

test('zeros shorter than a block within content are content', () => {
  const bytes = Buffer.alloc(8192, 1).fill(0, 100, 4000)
  assert.deepEqual([...zeroRuns(bytes, 0, 8192)], [{ start: 0, end: 8192, isZero: false }])
})

test('neighbouring holes become one', () => {
  const extents: Extent[] = []
  pushHole(extents, 3)
  pushHole(extents, 4)
  assert.deepEqual(extents, [{ kind: 'hole', length: 7 }])
})
