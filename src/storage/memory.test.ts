import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOperation } from '../base/operation.ts'
import { MemoryStore } from './memory.ts'
import { describeObjectStore } from './object-store.contract.ts'

const op = startOperation()

describeObjectStore('MemoryStore', async () => new MemoryStore())

test('what was removed or quarantined in memory is gone, and doing it again is fine', async () => {
  const store = new MemoryStore()
  for (const name of ['a', 'b']) await store.put(op, name, Buffer.from(name))
  await store.quarantine(op, 'a')
  await store.quarantine(op, 'a')
  await store.remove(op, 'b')
  await store.remove(op, 'b')
  assert.equal(await store.head(op, 'a'), undefined)
  assert.equal(await store.put(op, 'a', Buffer.from('other')), 'stored')
  assert.equal(await store.head(op, 'b'), undefined)
})

test('a clone shares nothing with the store it was made of', async () => {
  const store = new MemoryStore()
  await store.put(op, 'a', Buffer.from('abc'))
  const copy = store.clone()
  store.tamper('a', (bytes) => bytes.fill(0))
  assert.equal((await copy.get(op, 'a')).toString(), 'abc')
  store.tamper('a', () => undefined)
  assert.equal(await store.head(op, 'a'), undefined)
})
