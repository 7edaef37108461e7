/** First copies that are brought by hand (§3.2, §3.9), from the group to the recovery point, with a real agent and a real pool. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noise } from '../../../test/support/pool.ts'
import { aControl } from '../jobs/control.fixture.ts'
import { placeWithin } from './first-copies.ts'

const FILES = 10
/** Too much to share chunks with others: what is compared is what is stored. */
const BYTES = 1_500_000

test('§3.2, §3.9, 3118: a first copy brought by hand is loaded from the named folder, and the check over the line sends only what differs', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('far')
  const folder = join(control.root, 'far', 'away', 'files')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  const before = (n: number) => noise(`f${n}`, BYTES)
  for (let n = 0; n < FILES; n++) writeFileSync(join(folder, n % 2 === 0 ? '' : 'sub', `f${n}`), before(n))
  const replicaCreation = { method: 'manual' }
  const { group } = await control.ask('POST', '/groups', { name: 'Far', members: [{ agentId: agent.id, path: folder }], replicaCreation })
  const [{ id }] = (await control.ask('GET', '/sources')).items
  const source = () => control.ask('GET', `/sources/${id}`)
  const alerts = async () =>
    (await control.ask('GET', '/alerts')).items
      .filter(({ state }: { state: string }) => state === 'active')
      .map(({ code }: { code: string }) => code)
  const waiting = await source()
  assert.equal(waiting.status, 'Manual replica creation pending')
  assert.ok(existsSync(waiting.firstCopyFolder), 'the server makes the folder that it names')
  const alert = (await control.ask('GET', '/alerts')).items.find(({ code }: { code: string }) => code === 'manual-replica-pending')
  assert.ok(alert.message.includes(waiting.firstCopyFolder), alert.message)

  const empty = await control.admin.send(`/api/v1/sources/${id}/replica`, { method: 'POST' })
  assert.deepEqual([empty.status, empty.json.code], [409, 'SOURCE_COPY_UNUSABLE'])
  const load = (from: string) => control.admin.send(`/api/v1/sources/${id}/replica/load`, { method: 'POST', body: { folder: from } })
  await control.admin.stepUp()
  for (const bad of ['relative', join(control.root, 'nowhere'), join(control.root, 'pool'), join(control.root, 'server', 'keys'), '/']) {
    const refused = await load(bad)
    assert.deepEqual([refused.status, refused.json.code], [409, 'SOURCE_COPY_UNUSABLE'], bad)
  }

  // Carried here; meanwhile the source goes on, and is out of reach.
  await agent.stop()
  cpSync(folder, waiting.firstCopyFolder, { recursive: true, preserveTimestamps: true })
  writeFileSync(join(folder, 'new'), noise('new', 30_000))
  writeFileSync(join(folder, 'f0'), noise('other', BYTES))
  // Same size and times, other content: what no light check would see.
  writeFileSync(join(waiting.firstCopyFolder, 'f2'), noise('damaged on its way', BYTES))
  renameSync(join(control.root, 'far'), join(control.root, 'hidden'))
  const loading = await control.ended((await control.ask('POST', `/sources/${id}/replica`)).id)
  assert.deepEqual(
    [loading.type, loading.typeName, loading.state],
    ['replica-load', 'Manual replica creation', 'completed'],
    JSON.stringify(loading),
  )
  assert.ok(loading.result.storedBytes > FILES * BYTES * 0.9 && loading.result.files === FILES, JSON.stringify(loading.result))
  assert.equal((await source()).state, 'verifying')
  renameSync(join(control.root, 'hidden'), join(control.root, 'far'))
  agent.start()

  const find = async () => (await control.ask('GET', `/jobs?source=${id}&type=consistency-check`)).items[0]
  const check = await control.ended((await control.until('the check is there', find)).id)
  assert.equal(check.state, 'completed', JSON.stringify(check))
  assert.ok(check.result.storedBytes < 2 * BYTES + 100_000, `${check.result.storedBytes} bytes were stored for two files and a new one`)
  assert.equal(check.result.check.depth, 'heavy')
  await control.until('it is sound', async () => (await source()).state === 'ok')
  assert.ok(!(await alerts()).includes('manual-replica-pending'))
  assert.equal((await source()).firstCopyFolder, undefined)

  const back = join(control.root, 'back')
  mkdirSync(back)
  const restore = await control.control().engine.create({
    type: 'recovery',
    sourceId: id,
    agentId: agent.id,
    poolId: control.poolId,
    pointId: check.pointId,
    groupId: group.id,
    createdBy: 'test',
    parameters: { target: Buffer.from(back).toString('base64'), overwrite: 'never', dryRun: false },
  })
  const restored = await control.ended(restore.id)
  assert.equal(restored.state, 'completed', JSON.stringify(restored))
  for (const name of ['f0', 'f2', 'new', 'f4', 'sub/f1'])
    assert.ok(readFileSync(join(back, folder, name)).equals(readFileSync(join(folder, name))), name)

  const again = await control.admin.send(`/api/v1/sources/${id}/replica`, { method: 'POST' })
  assert.deepEqual([again.status, again.json.code], [409, 'SOURCE_NOT_MANUAL'])
})

test('the folder stands for the path of the source, and what lies elsewhere has no place in it', () => {
  assert.equal(placeWithin('/in', '/srv', '/srv'), '/in')
  assert.equal(placeWithin('/in', '/srv/', '/srv/a/b'), '/in/a/b')
  assert.equal(placeWithin('/in', '/', '/home'), '/in/home')
  assert.throws(() => placeWithin('/in', '/srv', '/srv2'), /does not lie in/)
})
