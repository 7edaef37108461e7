/** Reads ahead say what the store says, with fewer journeys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { anOperation, noise } from '../../test/support/pool.ts'
import { hasCode } from '../base/errors.ts'
import { MemoryStore } from './memory.ts'
import type { ByteRange } from './object-store.ts'
import { ReadAhead } from './read-ahead.ts'

class Counted extends MemoryStore {
  gets = 0
  isDown = false

  override async get(...[op, name, range]: Parameters<MemoryStore['get']>): Promise<Buffer> {
    this.gets++
    if (this.isDown) throw new Error('the line is cut')
    return super.get(op, name, range)
  }
}

const PACK = `packs/00/${'0'.repeat(64)}.pack`
const BYTES = noise('pack', 3_500_000)

async function aStore() {
  const op = anOperation('read ahead')
  const store = new Counted('far')
  await store.put(op, PACK, BYTES)
  await store.put(op, 'index/one', BYTES)
  return { op, store, ahead: new ReadAhead(store) }
}

test('every range is the one of the object', async () => {
  const { op, ahead } = await aStore()
  const range = fc.record({ offset: fc.nat(BYTES.length - 1), length: fc.nat(400_000) })
  await fc.assert(
    fc.asyncProperty(range, fc.constantFrom(PACK, 'index/one'), async ({ offset, length }, name) => {
      const end = Math.min(offset + length, BYTES.length)
      assert.ok((await ahead.get(op, name, { offset, length: end - offset })).equals(BYTES.subarray(offset, end)))
    }),
    { numRuns: 60 },
  )
})

test('small reads of a pack that lie side by side take one journey for each block', async () => {
  const { op, store, ahead } = await aStore()
  const reads: ByteRange[] = Array.from({ length: 100 }, (_, n) => ({ offset: n * 20_000, length: 20_000 }))
  await Promise.all(reads.slice(0, 50).map((range) => ahead.get(op, PACK, range)))
  for (const range of reads.slice(50)) await ahead.get(op, PACK, range)
  assert.equal(store.gets, 2)
})

test('what was given out may be written to', async () => {
  const { op, ahead } = await aStore()
  ;(await ahead.get(op, PACK, { offset: 5, length: 10 })).fill(0)
  assert.ok((await ahead.get(op, PACK, { offset: 5, length: 10 })).equals(BYTES.subarray(5, 15)))
})

test('a failure is not remembered, and a range past the end is told as the store tells it', async () => {
  const { op, store, ahead } = await aStore()
  store.isDown = true
  await assert.rejects(ahead.get(op, PACK, { offset: 0, length: 10 }))
  store.isDown = false
  assert.ok((await ahead.get(op, PACK, { offset: 0, length: 10 })).equals(BYTES.subarray(0, 10)))
  await assert.rejects(ahead.get(op, PACK, { offset: BYTES.length - 5, length: 10 }), (error) => hasCode(error, 'STORAGE_OBJECT_SHORT'))
  const missing = `packs/11/${'1'.repeat(64)}.pack`
  await assert.rejects(ahead.get(op, missing, { offset: 0, length: 10 }), (error) => hasCode(error, 'STORAGE_OBJECT_NOT_FOUND'))
})
