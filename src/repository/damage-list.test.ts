import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, aPool } from '../../test/support/pool.ts'
import { MemoryStore } from '../storage/index.ts'
import { noteDamage, readDamageList, reviseDamage } from './damage-list.ts'
import type { DamageList } from './damaged-chunks.ts'

const list = (packs: Record<string, string[] | 'all'>): DamageList =>
  new Map(Object.entries(packs).map(([pack, chunks]) => [pack, chunks === 'all' ? chunks : new Set(chunks)]))

async function aRepository(seed: string) {
  const op = anOperation(seed)
  return { op, repository: await aPool(op, { store: new MemoryStore() }) }
}

test('damage is noted once, and says how much of it is new', async () => {
  const { op, repository } = await aRepository('noted')
  assert.equal(await noteDamage(op, repository, list({ a: ['1', '2'], b: 'all' })), 3)
  assert.equal(await noteDamage(op, repository, list({ a: ['2', '3'], b: ['1'] })), 1)
  assert.equal(await noteDamage(op, repository, list({ a: ['2', '3'] })), 0)
  assert.deepEqual(await readDamageList(op, repository), list({ a: ['1', '2', '3'], b: 'all' }))
  assert.equal(await noteDamage(op, repository, list({ a: 'all' })), 1)
  assert.deepEqual(await readDamageList(op, repository), list({ a: 'all', b: 'all' }))
})

test('the list shrinks by what was looked at and is sound or gone; what was noted meanwhile stays', async () => {
  const { op, repository } = await aRepository('revised')
  await noteDamage(op, repository, list({ a: ['1', '2'], b: 'all', c: ['1'] }))
  const before = await readDamageList(op, repository)
  await noteDamage(op, repository, list({ d: ['9'], a: ['7'] }))
  // Nothing was read whole: only what is gone is forgotten.
  const quick = await reviseDamage(op, repository, { before, found: list({}), isSettled: (pack) => pack === 'c' })
  assert.deepEqual(quick, { fresh: 0, healed: 1 })
  assert.deepEqual(await readDamageList(op, repository), list({ a: ['1', '2', '7'], b: 'all', d: ['9'] }))
  // Everything was.
  const whole = await reviseDamage(op, repository, { before, found: list({ a: ['2'], e: ['5'] }), isSettled: () => true })
  assert.deepEqual(whole, { fresh: 1, healed: 2 })
  assert.deepEqual(await readDamageList(op, repository), list({ a: ['2', '7'], d: ['9'], e: ['5'] }))
  assert.deepEqual(await reviseDamage(op, repository, { before: list({}), found: list({}), isSettled: () => true }), {
    fresh: 0,
    healed: 0,
  })
})
