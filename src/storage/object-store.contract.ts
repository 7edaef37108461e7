/** What every store must do, whatever it is made of. Run by the tests of each one. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import type { ObjectStore, PruningStore } from './object-store.ts'

const op = startOperation()
const BAD_NAMES = [
  '',
  '..',
  '.',
  '/x',
  'x/',
  'a//b',
  'a/../b',
  'a/./b',
  '.hidden',
  'a/.hidden',
  '-a',
  'a\\b',
  'a\0b',
  'a b',
  'ä',
  'a..b',
  'LOCK',
  'tmp/a',
  'quarantine/a',
]
const HASH = '0123456789abcdef'.repeat(4)

async function names(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of store.list(op, prefix)) found.push(name)
  return found
}

async function* stream(parts: readonly string[], fails = false): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
  if (fails) throw new Error('there are no more parts')
}

/** `make` gives an empty store; what it opens it closes through the test's context. */
export function describeObjectStore(description: string, make: (t: TestContext) => Promise<ObjectStore>): void {
  describe(`${description} keeps the contract of an object store`, () => {
    test('what was put is read back', async (t) => {
      const store = await make(t)
      const bytes = Buffer.from('some bytes')
      assert.equal(await store.put(op, `packs/01/${HASH}.pack`, bytes), 'stored')
      assert.deepEqual(await store.get(op, `packs/01/${HASH}.pack`), bytes)
      assert.deepEqual(await store.head(op, `packs/01/${HASH}.pack`), { name: `packs/01/${HASH}.pack`, sizeBytes: 10 })
    })

    test('putting equal bytes again finds them there', async (t) => {
      const store = await make(t)
      await store.put(op, `index/${HASH}.idx`, Buffer.from('same'))
      assert.equal(await store.put(op, `index/${HASH}.idx`, Buffer.from('same')), 'already-there')
      assert.equal(await store.put(op, `index/${HASH}.idx`, new Uint8Array(Buffer.from('same'))), 'already-there')
    })

    test('putting other bytes under a name is refused and changes nothing', async (t) => {
      const store = await make(t)
      const name = `index/${HASH}.idx`
      await store.put(op, name, Buffer.from('first'))
      for (const other of ['other', '', 'firs', 'first and more']) {
        await assert.rejects(store.put(op, name, Buffer.from(other)), { code: 'STORAGE_OBJECT_EXISTS', kind: 'conflict' })
      }
      assert.equal((await store.get(op, name)).toString(), 'first')
    })

    test('of several who put equal bytes at once, one stores and all succeed', async (t) => {
      const store = await make(t)
      const results = await Promise.all(Array.from({ length: 8 }, () => store.put(op, 'epoch/000000000001', Buffer.from('x'))))
      assert.equal(results.filter((r) => r === 'stored').length, 1)
      assert.deepEqual(await names(store, ''), ['epoch/000000000001'])
    })

    test('of several who put different bytes at once, exactly one wins', async (t) => {
      const store = await make(t)
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, n) => store.put(op, 'epoch/000000000001', Buffer.from(`writer ${n}`))),
      )
      const winner = results.findIndex((r) => r.status === 'fulfilled')
      assert.equal(results.filter((r) => r.status === 'fulfilled').length, 1)
      for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'STORAGE_OBJECT_EXISTS')
      assert.equal((await store.get(op, 'epoch/000000000001')).toString(), `writer ${winner}`)
    })

    test('a range gives exactly its bytes', async (t) => {
      const store = await make(t)
      await store.put(op, 'conf/000000000001-vault.conf', Buffer.from('0123456789'))
      const get = async (offset: number, length: number) =>
        (await store.get(op, 'conf/000000000001-vault.conf', { offset, length })).toString()
      assert.equal(await get(0, 10), '0123456789')
      assert.equal(await get(3, 4), '3456')
      assert.equal(await get(9, 1), '9')
      assert.equal(await get(4, 0), '')
    })

    test('a range that reaches past the end is refused', async (t) => {
      const store = await make(t)
      await store.put(op, 'conf/000000000001-vault.conf', Buffer.from('0123456789'))
      for (const range of [
        { offset: 9, length: 2 },
        { offset: 10, length: 1 },
        { offset: 500, length: 5 },
        { offset: 0, length: 11 },
      ]) {
        await assert.rejects(store.get(op, 'conf/000000000001-vault.conf', range), { code: 'STORAGE_OBJECT_SHORT', kind: 'corrupt' })
      }
    })

    test('what a reader got is its own', async (t) => {
      const store = await make(t)
      const bytes = Buffer.from('original')
      await store.put(op, 'FORMAT', bytes)
      bytes.fill(0)
      ;(await store.get(op, 'FORMAT')).fill(0)
      assert.equal((await store.get(op, 'FORMAT')).toString(), 'original')
    })

    test('an empty object is an object', async (t) => {
      const store = await make(t)
      assert.equal(await store.put(op, 'epoch/000000000007', Buffer.alloc(0)), 'stored')
      assert.equal(await store.put(op, 'epoch/000000000007', Buffer.alloc(0)), 'already-there')
      assert.equal((await store.get(op, 'epoch/000000000007')).length, 0)
      assert.deepEqual(await store.head(op, 'epoch/000000000007'), { name: 'epoch/000000000007', sizeBytes: 0 })
    })

    test('an object of 5 MiB comes back whole and in parts', async (t) => {
      const store = await make(t)
      const bytes = Buffer.alloc(5 << 20, Buffer.from(seededRandom('5 MiB').bytes(65_521)))
      await store.put(op, `packs/ff/${HASH}.pack`, bytes)
      assert.ok((await store.get(op, `packs/ff/${HASH}.pack`)).equals(bytes))
      const part = await store.get(op, `packs/ff/${HASH}.pack`, { offset: 4_000_001, length: 1_000_003 })
      assert.ok(part.equals(bytes.subarray(4_000_001, 5_000_004)))
    })

    test('a list is complete, in order of the names, and says the sizes', async (t) => {
      const store = await make(t)
      const all = [
        'FORMAT',
        'FORMAT.copy',
        'a-b',
        'a.b/x',
        'a/c',
        'a/c-d/e',
        'a/c.d',
        'a0',
        'keys/00.copy',
        'keys/00.key',
        'points/aa/1',
        'points/aa/2',
        'points/ab/0',
      ]
      for (const [n, name] of all.toReversed().entries()) await store.put(op, name, Buffer.alloc(n))
      const found: string[] = []
      for await (const { name, sizeBytes } of store.list(op, '')) found.push(`${name} ${sizeBytes}`)
      assert.deepEqual(
        found,
        all.toSorted().map((name) => `${name} ${all.length - 1 - all.indexOf(name)}`),
      )
    })

    test('a prefix is the beginning of a name, not a folder', async (t) => {
      const store = await make(t)
      for (const name of ['points/aa/1', 'points/aa/2', 'points/ab/0', 'points/b', 'pointsman', 'packs/aa/1'])
        await store.put(op, name, Buffer.from(name))
      assert.deepEqual(await names(store, 'points/aa/'), ['points/aa/1', 'points/aa/2'])
      assert.deepEqual(await names(store, 'points/a'), ['points/aa/1', 'points/aa/2', 'points/ab/0'])
      assert.deepEqual(await names(store, 'points/aa/2'), ['points/aa/2'])
      assert.deepEqual(await names(store, 'points'), ['points/aa/1', 'points/aa/2', 'points/ab/0', 'points/b', 'pointsman'])
      assert.deepEqual(await names(store, 'p'), await names(store, ''))
      assert.deepEqual(await names(store, 'points/none/'), [])
      assert.deepEqual(await names(store, 'none/at/all/'), [])
    })

    test('more objects than fit one page of any list are listed once each', async (t) => {
      const store = await make(t)
      const all = Array.from({ length: 300 }, (_, n) => `epoch/${String(n).padStart(12, '0')}`)
      await Promise.all(all.map((name) => store.put(op, name, Buffer.alloc(0))))
      assert.deepEqual(await names(store, 'epoch/'), all)
    })

    test('an empty store lists nothing', async (t) => {
      const store = await make(t)
      assert.deepEqual(await names(store, ''), [])
    })

    test('what does not exist is not found', async (t) => {
      const store = await make(t)
      await store.put(op, 'a/b', Buffer.from('x'))
      for (const name of [`packs/00/${HASH}.pack`, 'FORMAT', 'a', 'a/b/c']) {
        await assert.rejects(store.get(op, name), { code: 'STORAGE_OBJECT_NOT_FOUND', kind: 'not-found' })
        await assert.rejects(store.get(op, name, { offset: 0, length: 1 }), { code: 'STORAGE_OBJECT_NOT_FOUND' })
        assert.equal(await store.head(op, name), undefined)
      }
    })

    test('a name that is none is refused by every verb', async (t) => {
      const store = await make(t)
      for (const name of [...BAD_NAMES, 'a'.repeat(301)]) {
        await assert.rejects(store.put(op, name, Buffer.from('x')), { code: 'STORAGE_NAME_INVALID', kind: 'invalid' }, name)
        await assert.rejects(store.get(op, name), { code: 'STORAGE_NAME_INVALID' }, name)
        await assert.rejects(store.head(op, name), { code: 'STORAGE_NAME_INVALID' }, name)
      }
      for (const prefix of ['../', '/', 'a//', 'tmp/']) await assert.rejects(names(store, prefix), { code: 'STORAGE_NAME_INVALID' }, prefix)
      assert.deepEqual(await names(store, ''), [])
    })

    test('what answers at once answers the same, and what was opened stays as it was', async (t) => {
      const store = await make(t)
      const { immediate } = store
      if (!immediate) return t.skip('this store has to be waited for')
      const all = ['a-b', 'a/c', 'a/c-d/e', 'packs/aa/1', 'packs/ab/2', 'packsman']
      for (const name of all.toReversed()) await store.put(op, name, Buffer.from(`content of ${name}`))
      for (const prefix of ['', 'a/', 'a', 'packs/', 'packs/a', 'none/', 'none/at/all'])
        assert.deepEqual(immediate.names(prefix), await names(store, prefix), prefix)
      assert.deepEqual(immediate.head('a/c'), await store.head(op, 'a/c'))
      for (const name of ['a', 'b', 'a/c/d']) {
        assert.equal(immediate.head(name), undefined)
        assert.throws(() => immediate.open(name), { code: 'STORAGE_OBJECT_NOT_FOUND' }, name)
      }
      for (const name of BAD_NAMES) assert.throws(() => immediate.open(name), { code: 'STORAGE_NAME_INVALID' }, name)
      const opened = immediate.open('packs/aa/1')
      const other = immediate.adopt(opened.handle, opened.sizeBytes)
      if ('remove' in store) await (store as PruningStore).remove(op, 'packs/aa/1')
      for (const object of [opened, other]) {
        assert.equal(object.sizeBytes, 21)
        assert.equal(object.read(0, 21).toString(), 'content of packs/aa/1')
        assert.equal(object.read(11, 5).toString(), 'packs')
        assert.equal(object.read(21, 0).length, 0)
        object.read(0, 21).fill(0)
        assert.equal(object.read(0, 7).toString(), 'content')
        const into = Buffer.alloc(8, '.')
        const got = object.read(11, 5, into)
        assert.equal(got.buffer, into.buffer)
        assert.equal(got.toString(), 'packs')
        assert.equal(into.toString(), 'packs...')
        assert.equal(object.read(0, 9, into).toString(), 'content o', 'what is too short is not used')
        assert.throws(() => object.read(20, 2, into), { code: 'STORAGE_OBJECT_SHORT' })
        assert.throws(() => object.read(20, 2), { code: 'STORAGE_OBJECT_SHORT' })
        assert.throws(() => object.read(500, 1), { code: 'STORAGE_OBJECT_SHORT' })
      }
      opened.close()
      opened.close()
    })

    test('an object is stored in parts, under the name that is known at their end', async (t) => {
      const store = await make(t)
      if (!('putParts' in store)) return t.skip('only the owner of a pool stores in parts')
      const putParts = (parts: readonly string[], fails = false) =>
        (store as PruningStore).putParts(op, stream(parts, fails), () => 'index/x.idx')
      await assert.rejects(putParts(['one ', 'two'], true), /there are no more parts/)
      assert.deepEqual(await names(store, ''), [])
      assert.equal(await putParts(['one ', 'two']), 'index/x.idx')
      assert.equal((await store.get(op, 'index/x.idx')).toString(), 'one two')
      assert.equal(await putParts(['one', ' two']), 'index/x.idx')
      for (const parts of [['one'], ['one two three'], ['two one'], []])
        await assert.rejects(putParts(parts), { code: 'STORAGE_OBJECT_EXISTS' })
      assert.equal((await store.get(op, 'index/x.idx')).toString(), 'one two')
      await assert.rejects(
        (store as PruningStore).putParts(op, stream(['x']), () => '../x'),
        { code: 'STORAGE_NAME_INVALID' },
      )
      assert.deepEqual(await names(store, ''), ['index/x.idx'])
    })

    test('a cancelled operation does nothing', async (t) => {
      const store = await make(t)
      const cancelled = startOperation({ signal: AbortSignal.abort() })
      await assert.rejects(store.put(cancelled, 'a', Buffer.from('x')), { code: 'CANCELLED' })
      assert.equal(await store.head(op, 'a'), undefined)
    })
  })
}
