import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../base/clock.ts'
import { startOperation } from '../base/operation.ts'
import { storageError } from './errors.ts'
import { FaultyStore } from './faulty.ts'
import { MemoryStore } from './memory.ts'
import { describeObjectStore } from './object-store.contract.ts'

const op = startOperation()

describeObjectStore('FaultyStore without faults', async () => new FaultyStore(new MemoryStore()))

test('a scripted error happens once, to its call, and nothing is done', async () => {
  const error = storageError('STORAGE_FULL', 'full')
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'put', kind: 'error', name: 'b', skip: 1, error }])
  assert.equal(await store.put(op, 'a', Buffer.from('x')), 'stored')
  assert.equal(await store.put(op, 'b', Buffer.from('x')), 'stored')
  await assert.rejects(store.put(op, 'b', Buffer.from('x')), error)
  assert.equal(await store.put(op, 'b', Buffer.from('x')), 'already-there')
  store.assertAllHit()
})

test('a lost reply leaves the work done', async () => {
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'put', kind: 'lost-reply' }])
  await assert.rejects(store.put(op, 'a', Buffer.from('x')), { code: 'STORAGE_IO' })
  assert.equal(await store.put(op, 'a', Buffer.from('x')), 'already-there')
})

test('a list that loses its end throws instead of ending', async () => {
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'list', kind: 'lost-reply' }])
  await store.put(op, 'a', Buffer.from('x'))
  const found: string[] = []
  await assert.rejects(
    async () => {
      for await (const { name } of store.list(op, '')) found.push(name)
    },
    { code: 'STORAGE_IO' },
  )
  assert.deepEqual(found, ['a'])
})

test('what is read is wrong in one bit, or short, and the object itself is not', async () => {
  const store = new FaultyStore(new MemoryStore(), [
    { verb: 'get', kind: 'flip-bit', bit: 9 },
    { verb: 'get', kind: 'short-read', missingBytes: 2 },
  ])
  await store.put(op, 'a', Buffer.from([0, 0, 0]))
  assert.deepEqual([...(await store.get(op, 'a'))], [0, 2, 0])
  assert.deepEqual([...(await store.get(op, 'a'))], [0])
  assert.deepEqual([...(await store.get(op, 'a'))], [0, 0, 0])
  store.assertAllHit()
})

test('a delay waits for the clock', async () => {
  const clock = new ManualClock()
  const slow = startOperation({ clock })
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'head', kind: 'delay', delayMs: 500 }])
  let isDone = false
  const head = store.head(slow, 'a').then(() => {
    isDone = true
  })
  await Promise.resolve()
  clock.advance(499)
  await Promise.resolve()
  assert.equal(isDone, false)
  clock.advance(1)
  await head
})

test('a script that was not played to its end fails the test', async () => {
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'get', kind: 'error', times: 2 }])
  await assert.rejects(store.get(op, 'a'))
  assert.throws(() => store.assertAllHit(), /get error \(1 left\)/)
})
