import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, aPool, damageIn, namesIn } from '../../test/support/pool.ts'
import { MemoryStore } from '../storage/index.ts'
import { readConfiguration, removeConfiguration, writeConfiguration } from './configuration.ts'

async function aPoolInMemory() {
  const op = anOperation('configuration')
  const store = new MemoryStore()
  return { op, store, pool: await aPool(op, { store }) }
}

test('a topic that was never written is undefined', async () => {
  const { op, pool } = await aPoolInMemory()
  assert.equal(await readConfiguration(op, pool, 'vault'), undefined)
})

test('the newest value of a topic counts, whatever other topics say', async () => {
  const { op, store, pool } = await aPoolInMemory()
  for (let n = 0; n < 12; n++) await writeConfiguration(op, pool, 'vault', { n, text: 'ü' })
  await writeConfiguration(op, pool, 'other', { n: 'other' })
  assert.deepEqual(await readConfiguration(op, pool, 'vault'), { n: 11, text: 'ü' })
  assert.deepEqual(await readConfiguration(op, pool, 'other'), { n: 'other' })
  assert.deepEqual(await damageIn(op, store), [])
})

test('nothing of a value can be read in the object', async () => {
  const { op, store, pool } = await aPoolInMemory()
  await writeConfiguration(op, pool, 'vault', { private_key: 'a well known text' })
  const [name] = await namesIn(op, store, 'conf/')
  assert.ok(name)
  assert.ok(!(await store.get(op, name)).includes('a well known text'))
})

test('every flipped bit of the newest value is told, and an older one is not taken in its place', async () => {
  const { op, store, pool } = await aPoolInMemory()
  await writeConfiguration(op, pool, 'vault', { n: 1 })
  await writeConfiguration(op, pool, 'vault', { n: 2 })
  const name = 'conf/000000000002-vault.conf'
  const bytes = await store.get(op, name)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    store.tamper(name, () => flipped)
    await assert.rejects(readConfiguration(op, pool, 'vault'), { code: 'CONFIGURATION_DAMAGED' }, `bit ${bit}`)
  }
})

test('a value that was moved to another number or topic is refused', async () => {
  const { op, store, pool } = await aPoolInMemory()
  await writeConfiguration(op, pool, 'vault', { n: 1 })
  const bytes = await store.get(op, 'conf/000000000001-vault.conf')
  await store.put(op, 'conf/000000000009-vault.conf', bytes)
  await store.put(op, 'conf/000000000001-other.conf', bytes)
  await assert.rejects(readConfiguration(op, pool, 'vault'), { code: 'CONFIGURATION_DAMAGED' })
  await assert.rejects(readConfiguration(op, pool, 'other'), { code: 'CONFIGURATION_DAMAGED' })
})

test('of several that write at once each does, and taking away what was before leaves what came after', async () => {
  const pool = await aPool(anOperation('at once'))
  const names = await Promise.all([1, 2, 3].map((n) => writeConfiguration(anOperation(`writer ${n}`), pool, 'vault', { n })))
  assert.equal(new Set(names).size, 3)
  const [first, second, last] = names.toSorted() as [string, string, string]
  const op = anOperation('reader')
  await removeConfiguration(op, pool, 'vault', second)
  assert.deepEqual(await namesIn(op, pool.store, 'conf/'), [second, last])
  assert.ok(first < second)
  assert.equal(`${((await readConfiguration(op, pool, 'vault')) as { n: number }).n}`, String(names.indexOf(last) + 1))
})
