import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Extent } from '../entry.ts'
import { ContentBefore } from './content-before.ts'

const data = (n: number, length: number): Extent => ({ kind: 'data', chunk: Buffer.alloc(32, n), offset: 0, length })

async function* given(extents: readonly Extent[]): AsyncGenerator<Extent> {
  yield* extents
}

test('each part gets what stood in it, in its place; what reaches out of it is left out', async () => {
  const [a, b, c, d] = [data(1, 10), data(2, 5), data(3, 10), data(4, 10)]
  const before = new ContentBefore(given([a, b, c, d]))
  assert.deepEqual(await before.within({ from: 0, to: 15 }), [a, b])
  assert.deepEqual(await before.within({ from: 15, to: 20 }), [])
  assert.deepEqual(await before.within({ from: 20, to: 40 }), [{ kind: 'hole', length: 5 }, d])
  assert.deepEqual(await before.within({ from: 40, to: 60 }), [])
})

test('what it has passed is not there a second time', async () => {
  const before = new ContentBefore(given([data(1, 10), data(2, 10), data(3, 10)]))
  await before.within({ from: 0, to: 20 })
  assert.deepEqual(await before.within({ from: 0, to: 10 }), [])
  assert.deepEqual(await before.within({ from: 0, to: 30 }), [{ kind: 'hole', length: 20 }, data(3, 10)])
  await before.close()
})
