import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../../test/support/pool.ts'
import { MOST_MERGED_RECORDS, MOST_PACKS, MOST_SEGMENTS, planMerge, type SegmentSize } from './merge-plan.ts'
import { segmentName } from './segment.ts'

function hashOf(n: number): string {
  return n.toString(16).padStart(64, '0')
}

function aSegment(n: number, records: number, more: Partial<SegmentSize> = {}): SegmentSize {
  return { name: segmentName(hashOf(n)), records, packs: Math.ceil(records / 32), inputs: [], ...more }
}

function play(segments: SegmentSize[], n: number): { segments: SegmentSize[]; written: number } {
  const chosen = new Set(planMerge(segments))
  if (chosen.size === 0) return { segments, written: 0 }
  const sources = segments.filter(({ name }) => chosen.has(name))
  const records = sources.reduce((sum, segment) => sum + segment.records, 0)
  return { segments: [...segments.filter(({ name }) => !chosen.has(name)), aSegment(n, records)], written: records }
}

test('few segments are left as they are; of one too many the smallest become one', () => {
  const few = Array.from({ length: MOST_SEGMENTS }, (_, n) => aSegment(n, 1000 * (n + 1)))
  assert.deepEqual(planMerge(few), [])
  assert.deepEqual(planMerge([]), [])
  const names = planMerge([...few, aSegment(99, 10)])
  assert.deepEqual(
    names,
    [aSegment(99, 10), ...few.slice(0, 4)].map(({ name }) => name),
  )
})

test('after any number of backups there are few segments, and each record was written again a few times only', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 400 }), (sizes) => {
      let segments: SegmentSize[] = [aSegment(0, 1_000_000)]
      let written = 0
      for (const [n, records] of sizes.entries()) {
        const after = play([...segments, aSegment(n * 2 + 1, records)], n * 2 + 2)
        segments = after.segments
        written += after.written
        assert.ok(segments.length <= MOST_SEGMENTS)
      }
      const total = sizes.reduce((sum, records) => sum + records, 0)
      assert.ok(written <= total * 12, `${written} records were written for ${total}`)
    }),
    runs(50),
  )
})

test('what a crash left of a merge is merged with what was made of it, whatever else there is', () => {
  const inputs = [aSegment(1, 10), aSegment(2, 20)]
  const merged = aSegment(3, 30, { inputs: [hashOf(1), hashOf(2)] })
  const other = aSegment(4, 5, { inputs: [hashOf(77)] })
  assert.deepEqual(new Set(planMerge([...inputs, merged, other])), new Set([...inputs, merged].map(({ name }) => name)))
  assert.deepEqual(planMerge([merged, other]), [])
})

test('no segment is made that its numbers could not count, or whose table of packs would be too large', () => {
  const large = Array.from({ length: MOST_SEGMENTS + 1 }, (_, n) => aSegment(n, MOST_MERGED_RECORDS - 1))
  assert.deepEqual(planMerge(large), [])
  const manyPacks = Array.from({ length: MOST_SEGMENTS + 1 }, (_, n) => aSegment(n, 1000, { packs: MOST_PACKS - 1 }))
  assert.deepEqual(planMerge(manyPacks), [])
})
