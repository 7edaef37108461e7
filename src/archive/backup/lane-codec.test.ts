import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../../test/support/pool.ts'
import type { KeptResult, LaneFile, LaneResult } from './lane.ts'
import { decodeAnswer, decodeBatch, encodeAnswer, encodeBatch } from './lane-codec.ts'

const number = fc.nat(2 ** 31 - 1)
const large = fc.maxSafeNat()
const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
const warning = fc
  .record({ code: fc.constantFrom('SOURCE_CHANGED', 'SOURCE_VANISHED'), message: fc.string(), item: fc.string() })
  .map((fields) => ({ ...fields }))
const chunk = bytes(32, 32)
const seconds = fc.integer({ min: -(2 ** 40), max: 2 ** 40 })

const stat = fc
  .record({
    ...{ mode: fc.nat(0o7777), uid: number, gid: number, sizeBytes: large, blocks512: large, links: number, dev: large, ino: large },
    ...{ mtimeSec: seconds, mtimeNs: number, ctimeSec: seconds, ctimeNs: number },
    born: fc.option(fc.tuple(seconds, number), { nil: undefined }),
  })
  .map(({ born, ...rest }) => ({
    kind: 'file' as const,
    ...rest,
    ...{ bornSec: born?.[0], bornNs: born?.[1] ?? 0, rdevMajor: 0, rdevMinor: 0, mountId: undefined },
  }))

const extent = fc.oneof(
  fc.record({ kind: fc.constant('hole' as const), length: large }),
  fc.record({ kind: fc.constant('data' as const), chunk, offset: number, length: number }),
  fc.record({ kind: fc.constant('list' as const), chunk, length: large }),
)

const result: fc.Arbitrary<LaneResult | KeptResult> = fc.oneof(
  fc.record({ ok: fc.constant(true as const), isKept: fc.constant(true as const), extents: fc.array(extent, { maxLength: 5 }) }),
  fc.record({ ok: fc.constant(false as const), warning }),
  fc.record({
    ok: fc.constant(true as const),
    stat,
    xattrs: fc.array(fc.record({ name: bytes(1, 9), value: bytes(0, 40) }), { maxLength: 2 }),
    inodeFlags: fc.option(number, { nil: undefined }),
    extents: fc.array(extent, { maxLength: 5 }),
    sizeBytes: large,
    unsettled: fc.boolean(),
    sparse: fc.boolean(),
    warning: fc.option(warning, { nil: undefined }),
  }),
)

/** Without the prototypes that fast-check varies. */
const plain = (value: unknown) => structuredClone(value)

test('an answer of a lane is what it was when it has passed from one thread to the other', () => {
  const property = fc.property(fc.array(result, { maxLength: 20 }), large, large, (results, addedBytes, packedBytes) => {
    const answer = { results, addedBytes, packedBytes }
    assert.deepEqual(plain(decodeAnswer([], encodeAnswer([], answer))), plain(answer))
  })
  fc.assert(property, runs(100))
})

test('extents that are as they were are those that stand in the batch', () => {
  const property = fc.property(fc.array(fc.tuple(result, fc.boolean()), { maxLength: 20 }), (answers) => {
    const results = answers.map(([one]) => one)
    const files = answers.map(([one, isSame]): LaneFile => {
      const file = { folderFd: 1, name: Buffer.from('a'), path: Buffer.from('a'), settledMs: 0 }
      return one.ok ? { ...file, before: isSame ? one.extents : [] } : file
    })
    const decoded = decodeAnswer(files, encodeAnswer(files, { results, addedBytes: 1, packedBytes: 2 }))
    assert.deepEqual(plain(decoded.results), plain(results))
    for (const [i, [one, isSame]] of answers.entries()) {
      const now = decoded.results[i]
      if (one.ok && isSame) assert.ok(now?.ok && now.extents === files[i]?.before)
    }
  })
  fc.assert(property, runs(100))
})

test('so is a batch', () => {
  const time = fc.oneof(fc.constant(1_700_000_000_000.5), fc.double({ min: 0, max: 4e12, noNaN: true }))
  const path = fc.tuple(
    bytes(0, 20),
    bytes(1, 9).filter((name) => !name.includes(0x2f)),
  )
  const optional = fc.record(
    {
      part: fc.record({ from: large, to: large }),
      before: fc.array(extent, { maxLength: 4 }),
      found: fc.record({ ino: large, sizeBytes: large, mtimeSec: seconds, mtimeNs: number, ctimeSec: seconds, ctimeNs: number }),
    },
    { requiredKeys: [] },
  )
  const file: fc.Arbitrary<LaneFile> = fc
    .tuple(number, path, time, optional)
    .map(([folderFd, [folder, name], settledMs, { part, before, found }]) => ({
      folderFd,
      name,
      path: folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name]),
      settledMs,
      ...(part ? { part } : {}),
      ...(before ? { before } : {}),
      ...(found ? { found } : {}),
    }))
  fc.assert(
    fc.property(fc.array(file, { maxLength: 20 }), (files) => assert.deepEqual(plain(decodeBatch(encodeBatch(files))), plain(files))),
    runs(100),
  )
})
