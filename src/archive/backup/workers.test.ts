/** The same with worker threads and a pool on a disk. */
import assert from 'node:assert/strict'
import { chmodSync, closeSync, openSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSession,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  noise,
  someFiles,
} from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemRandom } from '../../base/random.ts'
import { systemDisk } from '../../platform/index.ts'
import { Repository } from '../../repository/index.ts'
import { createLocalDiskStore } from '../../storage/index.ts'
import { openLanes } from './lanes.ts'

async function aPoolOnDisk(t: TestContext) {
  const path = join(temporaryFolder(t), 'pool')
  const op = anOperation(t.name, { random: systemRandom() })
  const store = await createLocalDiskStore(op, systemDisk(), path)
  await aPool(op, { store })
  return { op, path, store, settings: { workerStore: { kind: 'local', path }, lanes: 2 } as const }
}

const MANY = {
  ...someFiles('workers'),
  ...Object.fromEntries(Array.from({ length: 1500 }, (_, n) => [`many/d${n % 20}/f${n}`, `content ${n % 1000}`])),
  ...Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`large ${n}`, noise(`large ${n}`, 700_000)])),
}

test('what workers stored is what one thread would have stored', async (t) => {
  const { op, store, settings } = await aPoolOnDisk(t)
  const folder = aSourceTree(t, MANY)
  const { point, filesNew, warnings } = await backUpPaths(op, store, [folder], settings)
  assert.equal(filesNew, Object.keys(MANY).length)
  assert.deepEqual(warnings, [])
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
  assert.equal(stored.size, filesNew)
  for (const [name, content] of Object.entries(MANY)) assertSameBytes(stored.get(name), content, name)
  assert.deepEqual(await damageIn(op, store), [])
})

test('a second backup by workers adds what changed and no more', async (t) => {
  const { op, store, settings } = await aPoolOnDisk(t)
  const folder = aSourceTree(t, MANY)
  await backUpPaths(op, store, [folder], settings)
  writeFileSync(join(folder, 'large 3'), noise('changed', 800_000))
  const second = await backUpPaths(op, store, [folder], settings)
  assert.equal(second.filesChanged, 1)
  assert.ok(second.dataAdded > 800_000 && second.dataAdded < 1_200_000, `${second.dataAdded}`)
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), second.point, folder)
  assertSameBytes(stored.get('large 3'), noise('changed', 800_000), 'large 3')
  assert.deepEqual(await damageIn(op, store), [])
})

test('a pool that fails under a worker fails the job, and the next one succeeds', async (t) => {
  const { op, path, store, settings } = await aPoolOnDisk(t)
  const folder = aSourceTree(t, MANY)
  // A file in the place of a folder fails for root too.
  const hidden = join(path, 'tmp')
  rmSync(hidden, { recursive: true })
  writeFileSync(hidden, '')
  await assert.rejects(backUpPaths(op, store, [folder], settings), { name: 'TerpError' })
  rmSync(hidden)
  const again = await createLocalDiskStore(op, systemDisk(), path)
  chmodSync(hidden, 0o700)
  const { point } = await backUpPaths(op, again, [folder], settings)
  assert.equal((await filesOf(op, await Repository.open(op, again, KEY_FILE), point, folder)).size, Object.keys(MANY).length)
  assert.deepEqual(await damageIn(op, again), [])
})

test('an error of a worker carries its code', async (t) => {
  const { op, path, store } = await aPoolOnDisk(t)
  const folder = aSourceTree(t, MANY)
  const elsewhere = { workerStore: { kind: 'local', path: join(path, 'not', 'there') }, lanes: 2 } as const
  await assert.rejects(backUpPaths(op, store, [folder], elsewhere), { code: 'STORAGE_IO' })
})

test('whoever waits for a lane when a lane fails is told, however many wait', async (t) => {
  const pool = join(temporaryFolder(t), 'pool')
  const store = await createLocalDiskStore(anOperation('disk'), systemDisk(), pool)
  await aPool(anOperation('making'), { store })
  const folder = aSourceTree(t, { a: noise('a', 2_400_000) })
  const op = anOperation('session')
  const session = await aSession(op, store)
  // Packs can't be put where their folder should be.
  for (const name of readdirSync(join(pool, 'packs'))) {
    rmdirSync(join(pool, 'packs', name))
    writeFileSync(join(pool, 'packs', name), '')
  }
  const lanes = openLanes(session, { store: { kind: 'local', path: pool }, count: 2 })
  const folderFd = openSync(folder, 'r')
  const file = { folderFd, name: Buffer.from('a'), path: Buffer.from(join(folder.slice(1), 'a')), settledMs: 0 }
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, async (_, n) => {
      await (await lanes.submit(op, [{ ...file, part: { from: n, to: 2_400_000 } }])).answer
      await lanes.flush(op)
    }),
  )
  assert.ok(
    results.every(({ status }) => status === 'rejected'),
    results.map(({ status }) => status).join(' '),
  )
  await lanes.close()
  await assert.rejects(lanes.submit(op, [file]), { code: /./ })
  await session.end()
  closeSync(folderFd)
})
