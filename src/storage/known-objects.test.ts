/** A view that is known beforehand says what the store says, with fewer journeys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, noise } from '../../test/support/pool.ts'
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { KnownObjects } from './known-objects.ts'
import { MemoryStore } from './memory.ts'
import type { ByteRange, ObjectInfo } from './object-store.ts'

const PACK = `packs/00/${'0'.repeat(64)}.pack`
const LATER = `packs/11/${'1'.repeat(64)}.pack`

class Counted extends MemoryStore {
  asked: string[] = []
  isDown = false

  #ask(what: string): void {
    this.asked.push(what)
    if (this.isDown) throw new Error('the line is cut')
  }

  override async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    this.#ask(`get ${name}`)
    return super.get(op, name, range)
  }

  override async head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    this.#ask(`head ${name}`)
    return super.head(op, name)
  }

  override async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    this.#ask(`list ${prefix}`)
    yield* super.list(op, prefix)
  }

  override async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    this.#ask(`put ${name}`)
    return super.put(op, name, bytes)
  }
}

async function aView() {
  const op = anOperation('known objects')
  const store = new Counted('far')
  for (const [name, bytes] of [
    ['FORMAT', noise('format', 100)],
    ['index/one', noise('index', 5000)],
    ['points/a/1', noise('point', 900)],
    [PACK, noise('pack', 70_000)],
  ] as const)
    await store.put(op, name, bytes)
  store.asked = []
  return { op, store, known: new KnownObjects(store) }
}

async function namesOf(op: Operation, store: MemoryStore | KnownObjects, prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(op, prefix)) names.push(name)
  return names
}

test('lists, sizes and what is small are asked once', async () => {
  const { op, store, known } = await aView()
  for (let n = 0; n < 2; n++) {
    assert.ok((await known.get(op, 'FORMAT')).equals(noise('format', 100)))
    assert.ok((await known.get(op, 'index/one', { offset: 10, length: 30 })).equals(noise('index', 5000).subarray(10, 40)))
    assert.deepEqual(await namesOf(op, known, 'index/'), ['index/one'])
    assert.deepEqual(await namesOf(op, known, 'conf/'), [])
    assert.deepEqual(await known.head(op, PACK), { name: PACK, sizeBytes: 70_000 })
    assert.equal(await known.head(op, 'epoch/1'), undefined)
  }
  assert.deepEqual(store.asked, ['list ', 'get FORMAT', 'get index/one', 'get points/a/1'])
})

test('what is put is there, and what is there already is not sent', async () => {
  const { op, store, known } = await aView()
  assert.equal(await known.put(op, 'epoch/1', noise('epoch', 10)), 'stored')
  assert.deepEqual(await namesOf(op, known, 'epoch/'), ['epoch/1'])
  assert.ok((await known.get(op, 'epoch/1')).equals(noise('epoch', 10)))
  assert.equal(await known.put(op, 'points/a/1', noise('point', 900)), 'already-there')
  assert.ok(!store.asked.includes('put points/a/1'))
  await assert.rejects(known.put(op, 'points/a/1', noise('another', 900)), (error) => hasCode(error, 'STORAGE_OBJECT_EXISTS'))
})

test('packs that other threads put are seen', async () => {
  const { op, store, known } = await aView()
  assert.deepEqual(await namesOf(op, known, 'packs/'), [PACK])
  await store.put(op, LATER, noise('later', 50))
  assert.deepEqual(await namesOf(op, known, 'packs/'), [PACK, LATER])
  assert.deepEqual(await known.head(op, LATER), { name: LATER, sizeBytes: 50 })
  assert.ok((await known.get(op, LATER)).equals(noise('later', 50)))
})

test('what could not be asked is asked again', async () => {
  const { op, store, known } = await aView()
  store.isDown = true
  await assert.rejects(known.head(op, PACK))
  store.isDown = false
  assert.deepEqual(await known.head(op, PACK), { name: PACK, sizeBytes: 70_000 })
  await assert.rejects(known.get(op, 'FORMAT', { offset: 90, length: 20 }), (error) => hasCode(error, 'STORAGE_OBJECT_SHORT'))
  await assert.rejects(known.get(op, 'index/two'), (error) => hasCode(error, 'STORAGE_OBJECT_NOT_FOUND'))
})
