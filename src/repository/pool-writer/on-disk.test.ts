import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { anOperation, aPool, damageIn, filesOf, KEY_FILE, namesIn, noise } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { backUp, expirePoints, prunePool } from '../../archive/index.ts'
import { startOperation } from '../../base/operation.ts'
import { systemDisk } from '../../platform/index.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../storage/index.ts'
import { openPoolWriter, Repository } from '../index.ts'

const SOURCES = ['one', 'two', 'three']
const SETTINGS = { host: 'h', excludes: [], excludeCaches: false, oneFileSystem: false, forceRead: false, skipFolders: [], program: 'test' }

test('backups with threads of their own run at once on one writer, beside expire and prune, and all their points are whole', {
  timeout: 300_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const pool = join(folder, 'pool')
  const making = anOperation('making')
  const store = await createLocalDiskStore(making, systemDisk(), pool)
  await aPool(making, { store, packBytes: 131_072 })
  const op = startOperation()
  const lock = await store.lock(op)
  assert.ok(lock)
  const writer = await openPoolWriter(op, await Repository.open(op, store, KEY_FILE, 'write'), lock, store)
  const files = new Map<string, Map<string, Buffer>>()
  for (const source of SOURCES) {
    mkdirSync(join(folder, source))
    // Half of it is in all of them.
    const of = new Map(Array.from({ length: 60 }, (_, n) => [`f${n}`, noise(n % 2 === 0 ? `all ${n}` : `${source} ${n}`, 3000 + n * 900)]))
    of.set('large', noise(`large ${source === 'three' ? source : 'two of three'}`, 3_000_000))
    for (const [name, content] of of) writeFileSync(join(folder, source, name), content)
    files.set(source, of)
  }
  const round = () =>
    Promise.all(
      SOURCES.map(async (source) => {
        const session = await writer.begin(op)
        const paths = [Buffer.from(join(folder, source))]
        const workerStore = { kind: 'local' as const, path: pool }
        return (await backUp(op, { ...SETTINGS, session, source, paths, workerStore, lanes: 2 })).point
      }),
    )
  const first = await round()
  const another = async () => {
    const own = new LocalDiskStore(systemDisk(), pool)
    return { repository: await Repository.open(op, own, KEY_FILE, 'write'), store: own, dryRun: false }
  }
  await expirePoints(op, { ...(await another()), points: first.slice(1).map(({ id }) => id), allowLast: true })
  for (const source of SOURCES) writeFileSync(join(folder, source, 'f1'), noise(`changed ${source}`, 20_000))
  const [second] = await Promise.all([
    round(),
    prunePool(op, { ...(await another()), keepTrashMs: 0, waitMs: 1000, acceptUnexplained: true }),
  ])
  await prunePool(op, { ...(await another()), keepTrashMs: 0, waitMs: 0, acceptUnexplained: true })
  const third = await round()
  await writer.close(op)
  await lock.release()

  assert.deepEqual(await damageIn(op, store), [])
  assert.deepEqual(await namesIn(op, store, 'trash/'), [])
  for (const point of [first[0], ...second, ...third]) {
    assert.ok(point)
    const found = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, join(folder, point.source))
    const wanted = new Map(files.get(point.source))
    if (point !== first[0]) wanted.set('f1', noise(`changed ${point.source}`, 20_000))
    assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort())
    for (const [name, content] of found) assert.ok(content.equals(wanted.get(name) as Buffer), `${name} of ${point.source}`)
  }
  // Nothing changed between the second and the third: what others stored, and a prune wrote anew, was known. One file may have been read too soon after it changed.
  for (const point of third) assert.ok(point.statistics.data_added < 60_000, `${point.source}: ${point.statistics.data_added}`)
})
