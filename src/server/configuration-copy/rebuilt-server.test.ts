/** A server that lost its data folder is rebuilt from a pool volume alone. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../base/errors.ts'
import { startOperation } from '../../base/operation.ts'
import { systemDisk } from '../../platform/index.ts'
import { parseKeyFile } from '../../repository/index.ts'
import { aWhole, type WholeTest } from '../whole.fixture.ts'
import { restoreServer } from './restore-server.ts'
import { surplusOf } from './surplus.ts'

function aFolder({ root }: WholeTest, name: string): string {
  const folder = join(root, name)
  mkdirSync(join(folder, 'deep'), { recursive: true })
  for (let n = 0; n < 10; n++) writeFileSync(join(folder, 'deep', `f${n}`), `${name} ${n} `.repeat(300))
  return folder
}

/** One that was begun after this, by the server itself. */
async function copySince(whole: WholeTest, sinceMs: number): Promise<void> {
  await whole.until('a copy of the configuration', async () => {
    const { items } = await whole.ask('GET', '/jobs?type=catalog-backup&limit=100')
    return items.some(
      ({ started, state }: { started?: string; state: string }) =>
        state === 'completed' && started !== undefined && Date.parse(started) >= sinceMs,
    )
  })
}

test('complaint 16: a server that lost everything but a pool is rebuilt from that: its agents connect, its points restore', async (t) => {
  const whole = await aWhole(t)
  const { folder: poolFolder, recoveryWords } = await whole.pool('one')
  const agent = await whole.agent('srv1')
  const folder = aFolder(whole, 'files')
  await whole.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await whole.ask('GET', '/sources')).items
  await whole.until('the first copy', async () => (await whole.ask('GET', `/sources/${source.id}`)).state === 'ok')
  const [done] = (await whole.ask('GET', `/jobs?source=${source.id}&type=replica-creation`)).items
  await copySince(whole, Date.parse(done.finished))
  const { items: points } = await whole.ask('GET', `/recovery-points?source=${source.id}`)
  assert.equal(points.length, 1)
  // The copies are no data source's.
  assert.equal((await whole.ask('GET', '/sources')).items.length, 1)
  assert.ok(!existsSync(join(whole.dataFolder, 'copies', 'configuration')), 'what was copied lies about')

  await whole.stop()
  rmSync(whole.dataFolder, { recursive: true })
  const place = join(whole.root, 'elsewhere')
  renameSync(poolFolder, place)
  const restored = await restoreServer(startOperation({ clock: whole.clock }), {
    disk: systemDisk(),
    poolFolder: place,
    secret: parseKeyFile(Buffer.from(recoveryWords)),
    dataFolder: join(whole.root, 'again'),
  })
  assert.deepEqual([restored.agents, restored.sources], [1, 1])
  assert.deepEqual(restored.pools, [{ name: 'one', folder: place, isMoved: true, isThere: true }])
  assert.equal(statSync(join(whole.root, 'again')).mode & 0o777, 0o700)
  for (const name of ['catalog.db', join('keys', 'catalog.key'), join('tls', 'agents-key.pem')])
    assert.equal(statSync(join(whole.root, 'again', name)).mode & 0o777, 0o600, name)

  await whole.start(join(whole.root, 'again'))
  assert.equal((await whole.send('GET', '/sources')).status, 401, 'a session of before is still good')
  await whole.admin.signIn()
  await whole.admin.stepUp()
  await whole.until('the agent is back', async () => (await whole.ask('GET', `/agents/${agent.id}`)).isConnected)
  assert.deepEqual((await whole.ask('GET', `/recovery-points?source=${source.id}`)).items, points)
  assert.equal((await whole.ask('GET', '/groups')).items[0].name, 'Servers')
  const target = join(whole.root, 'target')
  const wanted = { target: Buffer.from(target).toString('base64') }
  const asked = await whole.ask('POST', `/recovery-points/${points[0].id}/restore`, wanted)
  const restore = await whole.ended(asked.jobId)
  assert.equal(restore.state, 'completed', JSON.stringify(restore))
  assert.equal(readFileSync(join(target, folder, 'deep', 'f3'), 'utf8'), 'files 3 '.repeat(300))
  // And it goes on.
  writeFileSync(join(folder, 'new'), 'new')
  const second = await whole.ended((await whole.ask('POST', `/sources/${source.id}/recovery-points`, {})).id)
  assert.deepEqual([second.state, second.result.filesNew], ['completed', 1])
  const audit = (await whole.ask('GET', '/audit?limit=200')).items.map(({ action }: { action: string }) => action)
  assert.ok(audit.includes('server.restore'))
  assert.equal((await whole.ask('POST', '/audit/verify', {})).broken, undefined)
})

test('a change of the configuration is copied soon, and a point that came after the copy is found again', async (t) => {
  const whole = await aWhole(t)
  const pool = await whole.pool('one')
  const agent = await whole.agent('srv1')
  const folder = aFolder(whole, 'files')
  await whole.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await whole.ask('GET', '/sources')).items
  await whole.until('the first copy', async () => (await whole.ask('GET', `/sources/${source.id}`)).state === 'ok')
  const [done] = (await whole.ask('GET', `/jobs?source=${source.id}&type=replica-creation`)).items
  await copySince(whole, Date.parse(done.finished))
  const [point] = (await whole.ask('GET', `/recovery-points?source=${source.id}`)).items
  const pinnedMs = whole.clock.nowMs()
  await whole.ask('PUT', `/recovery-points/${point.id}/pin`, { note: 'keep it' })
  await copySince(whole, pinnedMs)
  // A copy that is older than the point.
  writeFileSync(join(folder, 'later'), 'later')
  const later = await whole.ended((await whole.ask('POST', `/sources/${source.id}/recovery-points`, {})).id)
  await whole.stop()
  rmSync(whole.dataFolder, { recursive: true })

  const options = {
    disk: systemDisk(),
    poolFolder: pool.folder,
    dataFolder: whole.dataFolder,
    secret: parseKeyFile(Buffer.from(pool.recoveryWords)),
  }
  const op = startOperation({ clock: whole.clock })
  mkdirSync(whole.dataFolder)
  writeFileSync(join(whole.dataFolder, 'mine'), '')
  await assert.rejects(restoreServer(op, options), (error) => hasCode(error, 'SERVER_DATA_NOT_EMPTY'))
  rmSync(join(whole.dataFolder, 'mine'))
  await assert.rejects(restoreServer(op, { ...options, secret: parseKeyFile(Buffer.from('f'.repeat(64))) }), (error) =>
    hasCode(error, 'SECRET_WRONG'),
  )
  await assert.rejects(restoreServer(op, { ...options, copy: 'ffffffffffff' }), (error) => hasCode(error, 'SERVER_COPY_NOT_FOUND'))
  assert.deepEqual(readdirSync(whole.dataFolder), [])
  await restoreServer(op, options)
  await whole.start()
  await whole.admin.signIn()
  const points = (await whole.ask('GET', `/recovery-points?source=${source.id}`)).items
  assert.deepEqual(
    points.map(({ id, pinNote }: { id: string; pinNote?: string }) => [id, pinNote]),
    [
      [later.pointId, undefined],
      [point.id, 'keep it'],
    ],
  )
})

test('what was to be restored when the copy was made is not restored again when the server is rebuilt', async (t) => {
  const whole = await aWhole(t)
  const pool = await whole.pool('one')
  const agent = await whole.agent('srv1')
  const folder = aFolder(whole, 'data')
  await whole.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await whole.ask('GET', '/sources')).items
  await whole.until('the first copy', async () => (await whole.ask('GET', `/sources/${source.id}`)).state === 'ok')
  const [point] = (await whole.ask('GET', `/recovery-points?source=${source.id}`)).items
  await agent.stop()
  const askedMs = whole.clock.nowMs()
  const target = Buffer.from(join(whole.root, 'target')).toString('base64')
  const { jobId } = await whole.ask('POST', `/recovery-points/${point.id}/restore`, { target })
  await copySince(whole, askedMs)
  await whole.stop()
  rmSync(whole.dataFolder, { recursive: true })
  const secret = parseKeyFile(Buffer.from(pool.recoveryWords))
  const options = { disk: systemDisk(), poolFolder: pool.folder, dataFolder: whole.dataFolder, secret }
  await restoreServer(startOperation({ clock: whole.clock }), options)
  await whole.start()
  await whole.admin.signIn()
  assert.equal((await whole.ask('GET', `/jobs/${jobId}`)).state, 'cancelled')
})

test('few copies are kept: the newest, and the last of each day of two weeks', () => {
  const points = Array.from({ length: 20 }, (_, day) =>
    Array.from({ length: 30 }, (_, n) => ({
      id: `${day} ${n}`,
      finished: new Date(Date.UTC(2026, 0, 1 + day, 8, n)).toISOString(),
    })),
  ).flat()
  const going = new Set(surplusOf(points))
  const kept = points.filter(({ id }) => !going.has(id)).map(({ id }) => id)
  const days = Array.from({ length: 13 }, (_, n) => `${n + 6} 29`)
  assert.deepEqual(kept, [...days, ...Array.from({ length: 10 }, (_, n) => `19 ${n + 20}`)])
  assert.deepEqual(surplusOf(points.slice(0, 5)), [])
})
