/** Faults of the store are the job's, never a file's (R21): it fails, and leaves no recovery point that was not whole. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  namesIn,
  noise,
} from '../../../test/support/pool.ts'
import { Repository } from '../../repository/index.ts'
import { type Fault, FaultyStore, MemoryStore, storageError } from '../../storage/index.ts'

const FILES = { 'a.bin': noise('a', 100_000), 'b.bin': noise('b', 700_000), 'c.txt': 'c' }

async function aPoolAndSource(t: TestContext) {
  const store = new MemoryStore()
  await aPool(anOperation(`making ${t.name}`), { store })
  return { store, folder: aSourceTree(t, FILES) }
}

/** The same source afterwards, without faults: everything must be fine. */
async function assertRecovers(store: MemoryStore, folder: string): Promise<void> {
  const op = anOperation('afterwards')
  assert.deepEqual(await damageIn(op, store), [])
  const { point } = await backUpPaths(op, store, [folder])
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
  for (const [name, content] of Object.entries(FILES)) assertSameBytes(stored.get(name), content, name)
  assert.deepEqual(await damageIn(op, store), [])
}

for (const code of ['STORAGE_FULL', 'STORAGE_IO', 'STORAGE_FORBIDDEN'] as const) {
  test(`${code} at any put fails the job with that error, and no recovery point is left`, async (t) => {
    const { store, folder } = await aPoolAndSource(t)
    let failures = 0
    for (let n = 0; ; n++) {
      const copy = store.clone()
      const script: Fault[] = [{ verb: 'put', kind: 'error', skip: n, times: 1, error: storageError(code, `put ${n}`) }]
      const faulty = new FaultyStore(copy, script)
      const op = anOperation(`${t.name} ${n}`)
      const failure = await backUpPaths(op, faulty, [folder]).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (failure === undefined) break
      faulty.assertAllHit()
      assert.equal((failure as { code?: string }).code, code, `put ${n}`)
      assert.deepEqual(await namesIn(op, copy, 'points/'), [], `put ${n}`)
      if (n % 5 === 0) await assertRecovers(copy, folder)
      failures++
    }
    // The epoch, packs, a segment, the manifest.
    assert.ok(failures >= 15, `${failures} puts`)
  })
}

test('a reply that was lost fails the job; a point that arrived all the same is whole', async (t) => {
  const { store, folder } = await aPoolAndSource(t)
  for (const name of [/^packs\//, /^index\//, /^points\//]) {
    const copy = store.clone()
    const faulty = new FaultyStore(copy, [{ verb: 'put', kind: 'lost-reply', name }])
    await assert.rejects(backUpPaths(anOperation(`${t.name} ${name}`), faulty, [folder]), { code: 'STORAGE_IO' })
    faulty.assertAllHit()
    await assertRecovers(copy, folder)
  }
})

test('a list that breaks off is an error, not an empty pool (R7)', async (t) => {
  const { store, folder } = await aPoolAndSource(t)
  await backUpPaths(anOperation('first'), store, [folder])
  for (const name of ['epoch/', 'index/', /^packs\//, /^points\//]) {
    const faulty = new FaultyStore(store.clone(), [{ verb: 'list', kind: 'lost-reply', name }])
    await assert.rejects(backUpPaths(anOperation(`list ${name}`), faulty, [folder]), { code: 'STORAGE_IO' })
    faulty.assertAllHit()
  }
})

test('the epoch of another writer ends the job before its commit', async (t) => {
  const { store, folder } = await aPoolAndSource(t)
  const op = anOperation('first writer')
  const put = store.put.bind(store)
  let isStolen = false
  store.put = async (...given) => {
    if (given[1].startsWith('packs/') && !isStolen) {
      isStolen = true
      await put(op, 'epoch/000000000099', Buffer.from('another writer'))
    }
    return put(...given)
  }
  await assert.rejects(backUpPaths(op, store, [folder]), { code: 'REPOSITORY_WRITER_SUPERSEDED' })
  assert.deepEqual(await namesIn(op, store, 'points/'), [])
})

test('a job that was cancelled commits nothing', async (t) => {
  const { store, folder } = await aPoolAndSource(t)
  const controller = new AbortController()
  const op = anOperation('cancelled', { signal: controller.signal })
  const put = store.put.bind(store)
  store.put = async (...given) => {
    if (given[1].startsWith('index/')) controller.abort()
    return put(...given)
  }
  await assert.rejects(backUpPaths(op, store, [folder]), { code: 'CANCELLED' })
  store.put = put
  assert.deepEqual(await namesIn(anOperation('look'), store, 'points/'), [])
  await assertRecovers(store, folder)
})

test('a failed job leaves no descriptor open', async (t) => {
  const { store, folder } = await aPoolAndSource(t)
  const count = () => readdirSync('/proc/self/fd').length
  const fail = () => {
    const faulty = new FaultyStore(store.clone(), [{ verb: 'put', kind: 'error', name: /^packs\// }])
    return assert.rejects(backUpPaths(anOperation('leak'), faulty, [folder]), { code: 'STORAGE_IO' })
  }
  await fail()
  const before = count()
  for (let n = 0; n < 5; n++) await fail()
  assert.equal(count(), before)
})
