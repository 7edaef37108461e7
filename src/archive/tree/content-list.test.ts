import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noise, runs } from '../../../test/support/pool.ts'
import { all, anEntry, aTreePlace, storeTree } from '../../../test/support/trees.ts'
import { TerpError } from '../../base/errors.ts'
import { PACK_CLASS } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import { decodeContentList, foldExtents } from './content-list.ts'

function someExtents(count: number, chunkOf = (n: number) => noise(`extent ${n}`, 32)): Extent[] {
  return Array.from({ length: count }, (_, n): Extent => {
    if (n % 7 === 3) return { kind: 'hole', length: n + 1 }
    return { kind: 'data', chunk: chunkOf(n), offset: n, length: n + 1 }
  })
}

const sum = (extents: readonly Extent[]) => extents.reduce((total, { length }) => total + length, 0)

/** What a file of these extents keeps inline, and what a reader resolves it to. */
async function roundTrip(extents: readonly Extent[]) {
  const place = await aTreePlace(`fold ${extents.length}`)
  const lists = place.session.chunkWriter(PACK_CLASS.tree)
  const inline = await foldExtents(place.op, lists, extents)
  await lists.flush(place.op)
  const { tree } = await storeTree(place, [anEntry('file', { extents: inline, sizeBytes: sum(extents) })])
  return { inline, resolved: await all(tree.content(place.op, inline)) }
}

for (const count of [0, 1, 64]) {
  test(`${count} extents stand in the page itself`, async () => {
    const extents = someExtents(count)
    assert.deepEqual((await roundTrip(extents)).inline, extents)
  })
}

for (const count of [65, 1024, 1025, 5000]) {
  test(`${count} extents become lists, and are the same extents when they are resolved`, async () => {
    const extents = someExtents(count)
    const { inline, resolved } = await roundTrip(extents)
    assert.ok(inline.length <= 64 && inline.every(({ kind }) => kind === 'list'))
    assert.equal(sum(inline), sum(extents))
    assert.deepEqual(resolved, extents)
  })
}

test('so many extents that there are lists of lists are resolved all the same', async () => {
  const ids = Array.from({ length: 300 }, (_, n) => noise(`few ${n}`, 32))
  const extents = someExtents(70_000, (n) => ids[n % 300] as Buffer)
  const { inline, resolved } = await roundTrip(extents)
  assert.ok(inline.length <= 64)
  assert.equal(sum(inline), sum(extents))
  assert.equal(resolved.length, extents.length)
  assert.deepEqual(resolved, extents)
})

test('a change in the middle of a long file leaves most lists as they are', async () => {
  const place = await aTreePlace('lists')
  const lists = place.session.chunkWriter(PACK_CLASS.tree)
  const extents = someExtents(20_000)
  const before = await foldExtents(place.op, lists, extents)
  const changed = extents.toSpliced(10_000, 1, { kind: 'data', chunk: noise('new', 32), offset: 0, length: 1 }, { kind: 'hole', length: 9 })
  const after = await foldExtents(place.op, lists, changed)
  const ids = (list: readonly Extent[]) => list.map((extent) => (extent.kind === 'hole' ? '' : extent.chunk.toString('hex')))
  const known = new Set(ids(before))
  const fresh = ids(after).filter((id) => !known.has(id)).length
  assert.ok(before.length > 10 && fresh <= 5, `${fresh} of ${after.length} lists are new`)
})

test('hostile bytes are a list or TREE_DAMAGED, never anything else', () => {
  const bytes = fc.uint8Array({ maxLength: 80 }).map((rest) => Buffer.concat([Buffer.from([1, 0]), rest]))
  fc.assert(
    fc.property(bytes, (input) => {
      try {
        decodeContentList(input)
      } catch (error) {
        assert.ok(error instanceof TerpError && error.code === 'TREE_DAMAGED', String(error))
      }
    }),
    runs(2000),
  )
})
