import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aSourceTree, noise } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { hasCode } from '../../base/errors.ts'
import { parseKeyFile, Repository } from '../../repository/index.ts'
import { AGENT, aKeeper, backUpTo, backUpView, restoreView } from './pools.fixture.ts'

const SOURCE = '5'.repeat(32)
const WISH = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }

test('a new pool volume has a key of its own, opens with its recovery words, and is the catalog’s', async (t) => {
  const place = await aKeeper(t)
  const folder = join(place.root, 'disks', 'one')
  const { pool, recoveryWords } = await place.keeper().createPool({ name: 'one', folder, workloads: ['files'] })
  assert.deepEqual(await place.catalog.pools.get(pool.id), pool)
  const key = join(place.root, 'data', 'keys', `pool-${pool.id}.key`)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  const { store } = await place.keeper().volume(pool.id)
  const byWords = await Repository.open(place.op, store, parseKeyFile(Buffer.from(recoveryWords)))
  assert.equal(byWords.format.repositoryId, pool.repositoryId)
})

test('a folder that others use becomes no pool volume, and nothing of a refusal stays', async (t) => {
  const place = await aKeeper(t)
  const id = await place.pool('one')
  const { folder } = await place.catalog.pools.get(id)
  const at = (...names: string[]) => join(place.root, ...names)
  mkdirSync(at('full'))
  writeFileSync(at('full', 'letter.txt'), 'mine')
  writeFileSync(at('file'), '')
  symlinkSync(folder, at('link'))
  const cases: readonly [folder: string, code: string][] = [
    ['relative', 'POOL_FOLDER_INVALID'],
    [at('file'), 'POOL_FOLDER_INVALID'],
    ['/', 'POOL_VOLUME_NOT_ALLOWED'],
    ['/etc', 'POOL_VOLUME_NOT_ALLOWED'],
    ['/proc/terp', 'POOL_VOLUME_NOT_ALLOWED'],
    [folder, 'POOL_FOLDER_USED'],
    [join(folder, 'deeper'), 'POOL_FOLDER_USED'],
    [at(), 'POOL_FOLDER_USED'],
    [at('link', 'x'), 'POOL_FOLDER_USED'],
    [at('data', 'pool'), 'POOL_FOLDER_USED'],
    [at('full'), 'REPOSITORY_FOLDER_NOT_EMPTY'],
  ]
  for (const [wanted, code] of cases) {
    await assert.rejects(
      () => place.keeper().createPool({ name: 'two', folder: wanted }),
      (error) => hasCode(error, code) || assert.fail(`${wanted}: ${error}`),
    )
  }
  await assert.rejects(
    () => place.keeper().createPool({ name: 'one', folder: at('again') }),
    (error) => hasCode(error, 'CATALOG_NAME_TAKEN'),
  )
  assert.deepEqual(readdirSync(at('full')), ['letter.txt'])
  assert.equal(readdirSync(at('data', 'keys')).filter((name) => name.startsWith('pool-')).length, 1)
  // The folder of a refusal can be used after all.
  await place.keeper().createPool({ name: 'two', folder: at('again') })
  mkdirSync(at('fresh', 'lost+found'), { recursive: true })
  await place.keeper().createPool({ name: 'three', folder: at('fresh') })
})

test('a pool that is closed while a session is being opened closes, and the session is over', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.pool()
  const opening = place
    .keeper()
    .openBackup({ poolId, agentId: AGENT, jobId: '6'.repeat(32), sourceId: SOURCE, onCommitted: async () => {} })
  const volume = await place.keeper().volume(poolId)
  const inVolume = volume.openBackup({ agentId: AGENT, jobId: '7'.repeat(32), sourceId: '7'.repeat(32), onCommitted: async () => {} })
  await Promise.all([volume.close(), opening.catch(() => undefined), inVolume])
})

test('a pool is written to by one server', async (t) => {
  const place = await aKeeper(t)
  const other = await aKeeper(t)
  const { folder, id } = await place.catalog.pools.get(await place.pool())
  const added = await other.catalog.pools.add({ id, name: 'the same', folder })
  const key = `pool-${id}.key`
  writeFileSync(join(other.root, 'data', 'keys', key), readFileSync(join(place.root, 'data', 'keys', key)))
  await assert.rejects(
    () => other.keeper().volume(added.id),
    (error) => hasCode(error, 'REPOSITORY_BUSY'),
  )
  await place.keeper().close()
  await other.keeper().volume(added.id)
})

test('what is missing is told, and tried again when it is asked for', async (t) => {
  const place = await aKeeper(t)
  const id = await place.pool()
  const key = join(place.root, 'data', 'keys', `pool-${id}.key`)
  const bytes = readFileSync(key)
  rmSync(key)
  const failures = await (await place.reopen()).openAll()
  assert.deepEqual(
    failures.map(({ pool, error }) => [pool.id, error.code]),
    [[id, 'POOL_KEY_MISSING']],
  )
  writeFileSync(key, bytes)
  await place.keeper().volume(id)
  await place.catalog.pools.setRepository(id, 'f'.repeat(32))
  assert.equal((await (await place.reopen()).openAll())[0]?.error.code, 'POOL_REPLACED')
})

test('an agent backs up to a pool, and restores from it; the facts are those of the store', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.pool()
  const folder = aSourceTree(t, { 'a.txt': 'text', 'deep/b.bin': noise('b', 300_000) })
  const { facts } = await backUpTo(place, { source: SOURCE, folder, poolId })
  assert.equal(facts.sourceId, SOURCE)
  assert.equal(facts.files, 2)
  const found = await place.keeper().facts(place.op, poolId)
  assert.deepEqual(found.facts.points, [facts])
  assert.deepEqual(found.facts.sources, [{ id: SOURCE, name: `srv1:${folder}`, workload: 'files', path: folder }])
  assert.deepEqual((await place.keeper().verify(place.op, poolId, { readData: true })).findings, [])

  const target = temporaryFolder(t)
  const session = await place.keeper().openRestore({ poolId, scope: 'job', pointId: facts.id })
  await restoreView(session, target)
  await session.end()
  assert.ok(readFileSync(join(target, folder, 'deep/b.bin')).equals(noise('b', 300_000)))
})

test('backups of several sources run at once, of one source by turns', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.pool()
  const folders = ['x', 'y', 'z'].map((name) => aSourceTree(t, { a: noise('shared', 100_000), b: noise(name, 50_000) }))
  const done = await Promise.all(
    folders.map((folder, n) => backUpTo(place, { source: String(n).repeat(32), folder, poolId, jobId: `job ${n}` })),
  )
  assert.equal((await place.keeper().listPoints(place.op, poolId)).points.length, 3)
  assert.deepEqual((await place.keeper().verify(place.op, poolId, { readData: true })).findings, [])
  assert.equal(new Set(done.map(({ facts }) => facts.id)).size, 3)

  const wish = { poolId, agentId: AGENT, jobId: 'one', sourceId: SOURCE, onCommitted: () => {} }
  const session = await place.keeper().openBackup(wish)
  await assert.rejects(
    () => place.keeper().openBackup(wish),
    (error) => hasCode(error, 'POOL_SOURCE_BUSY'),
  )
  await session.end()
  await session.end()
  await (await place.keeper().openBackup(wish)).end()
})

test('an interrupted backup sends nothing twice, also after a restart of the server', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.smallPool()
  const folder = aSourceTree(t, Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`f${n}`, noise(`file ${n}`, 65_536)])))
  const wish = { poolId, agentId: AGENT, jobId: 'one', sourceId: SOURCE, onCommitted: () => {} }
  const session = await place.keeper().openBackup(wish)
  let taken = 0
  const put = session.store.put.bind(session.store)
  session.store.put = async (op, name, bytes) => {
    if (taken > 150_000) throw new Error('the connection is gone')
    if (name.startsWith('packs/')) taken += bytes.length
    return await put(op, name, bytes)
  }
  await assert.rejects(() => backUpView(session, { source: SOURCE, folder }))
  await session.end()
  await place.reopen()

  const again = await place.keeper().openBackup(wish)
  let sent = 0
  const putAgain = again.store.put.bind(again.store)
  again.store.put = (op, name, bytes) => {
    if (name.startsWith('packs/')) sent += bytes.length
    return putAgain(op, name, bytes)
  }
  await backUpView(again, { source: SOURCE, folder })
  await again.end()
  assert.ok(taken + sent < 8 * 65_536 + 30_000, `sent ${taken}, and then ${sent}`)
  assert.deepEqual(readdirSync(join(place.root, 'data', 'sent', poolId, SOURCE)), [])
  assert.deepEqual((await place.keeper().verify(place.op, poolId, { readData: true })).findings, [])
})

test('expired points go, and a prune frees what only they needed, but nothing that a restore reads', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.pool()
  const folder = aSourceTree(t, { a: noise('first', 200_000) })
  const first = await backUpTo(place, { source: SOURCE, folder, poolId })
  writeFileSync(join(folder, 'a'), noise('second', 200_000))
  await backUpTo(place, { source: SOURCE, folder, poolId })

  const reading = await place.keeper().openRestore({ poolId, scope: 'job', pointId: first.facts.id })
  const expired = await place.keeper().expire(place.op, poolId, [first.facts.id, '0'.repeat(32)])
  assert.deepEqual(expired.absent, ['0'.repeat(32)])
  assert.equal(expired.report?.points[0]?.id, first.facts.id)
  assert.deepEqual((await place.keeper().expire(place.op, poolId, [first.facts.id])).absent, [first.facts.id])
  const kept = await place.keeper().prune(place.op, poolId, WISH)
  assert.equal(kept.freedBytes, 0)
  const target = temporaryFolder(t)
  await restoreView(reading, target)
  assert.ok(readFileSync(join(target, folder, 'a')).equals(noise('first', 200_000)))
  await reading.end()

  const freed = await place.keeper().prune(place.op, poolId, WISH)
  assert.ok(freed.freedBytes > 190_000, `${freed.freedBytes}`)
  assert.equal(await place.keeper().reclaimableBytes(place.op, poolId), freed.unreferencedLeftBytes)
  assert.deepEqual((await place.keeper().verify(place.op, poolId, { readData: true })).findings, [])
  const after = await backUpTo(place, { source: SOURCE, folder, poolId })
  assert.equal(after.facts.sequence, 3)
})

test('close ends what is open and gives every lock back', async (t) => {
  const place = await aKeeper(t)
  const poolId = await place.pool()
  const folder = aSourceTree(t, { a: noise('a', 100_000) })
  const { facts } = await backUpTo(place, { source: SOURCE, folder, poolId })
  await place.keeper().openBackup({ poolId, agentId: AGENT, jobId: 'j', sourceId: SOURCE, onCommitted: () => {} })
  await place.keeper().openRestore({ poolId, scope: 'j', pointId: facts.id })
  const verifying = place.keeper().verify(place.op, poolId, { readData: true })
  verifying.catch(() => undefined)
  const pool = await place.catalog.pools.get(poolId)
  await place.reopen()
  await place.keeper().volume(poolId)
  assert.deepEqual(readdirSync(join(pool.folder, 'sessions')), [])
  await place.keeper().prune(place.op, poolId, WISH)
})

test('new data goes to the volume for it that has most room, and a source stays where it is', async (t) => {
  const place = await aKeeper(t)
  const any = await place.pool('any')
  assert.equal(await place.keeper().placeNew('files'), any)
  const own = await place.pool('own', ['files'])
  assert.equal(await place.keeper().placeNew('files'), own)
  assert.equal(await place.keeper().placeNew('mailboxes'), any)
  await place.catalog.pools.setState(any, 'evacuating')
  await assert.rejects(
    () => place.keeper().placeNew('mailboxes'),
    (error) => hasCode(error, 'POOL_NONE_FITS'),
  )
  const source = await place.catalog.sources.add({ workload: 'files', name: 's', path: '/s', poolId: any })
  assert.equal(await place.keeper().place(source.id, 'files'), any)
})
