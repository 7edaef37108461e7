/** Pools, recovery and search over the real app and real pools. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { aSourceTree, noise } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import type { Job, NewJob } from '../../catalog/index.ts'
import { backUpTo } from '../pools/pools.fixture.ts'
import { makePoolsPart, type PoolsPart } from '../pools/pools-part.ts'
import { aServer, type Person, type TestServer } from '../server.fixture.ts'

interface Place {
  readonly server: TestServer
  readonly part: () => PoolsPart
  readonly admin: Person
  readonly folder: string
  readonly poolId: string
  readonly sourceId: string
  readonly agentId: string
  readonly jobs: NewJob[]
  backUp(): Promise<string>
}

async function aPlace(t: TestContext): Promise<Place> {
  const root = temporaryFolder(t)
  mkdirSync(join(root, 'data', 'keys'), { recursive: true })
  const jobs: NewJob[] = []
  let part: PoolsPart | undefined
  const starter = {
    create: async (request: NewJob) => {
      jobs.push(request)
      return { id: 'e'.repeat(32), ...request } as unknown as Job
    },
    cancel: async () => assert.fail('nothing is due'),
  }
  const server = await aServer(t, {
    parts: [
      async (context) => {
        part = await makePoolsPart(context, { dataFolder: join(root, 'data'), jobs: () => starter })
        return part
      },
    ],
  })
  const admin = await server.administrator()
  await admin.stepUp()
  const body = { name: 'one', folder: join(root, 'pool'), confirm: join(root, 'pool') }
  const made = await admin.send('/api/v1/pools', { method: 'POST', body })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.json.recoveryWords.split(' ').length, 24)
  const poolId = made.json.pool.id
  const { catalog } = server.running().context
  const agent = await catalog.agents.enrol({ name: 'srv1', publicKey: 'key', publicKeySha256: 'a'.repeat(64) })
  const folder = aSourceTree(t, { 'Report 2026.txt': 'the text', 'deep/b.bin': noise('b', 3_000_000), 'deep/down/c.txt': 'see' })
  const source = await catalog.sources.add({ workload: 'files', name: 'data', path: folder, agentId: agent.id, poolId, state: 'inactive' })
  const use = () => part ?? assert.fail()
  return {
    server,
    part: use,
    admin,
    folder,
    poolId,
    sourceId: source.id,
    agentId: agent.id,
    jobs,
    async backUp() {
      const { facts } = await backUpTo({ keeper: () => use().keeper }, { source: source.id, folder, poolId })
      server.clock.advance(60_000)
      await catalog.points.record({ ...facts, kind: 'full' })
      return facts.id
    },
  }
}

const base64 = (text: string) => encodeURIComponent(Buffer.from(text).toString('base64'))

test('pool volumes: only who types the folder makes one; changes need the version; usage says when it is full', async (t) => {
  const { admin, poolId, jobs, server } = await aPlace(t)
  const wrong = await admin.send('/api/v1/pools', { method: 'POST', body: { name: 'two', folder: '/tmp/x', confirm: '/tmp/y' } })
  assert.equal(wrong.json.code, 'POOL_VOLUME_NOT_CONFIRMED')
  const read = await admin.send(`/api/v1/pools/${poolId}`)
  assert.equal(read.json.isOpen, true)
  assert.ok(read.json.usage.freeBytes > 0)
  const change = (version: string, body: unknown) =>
    admin.send(`/api/v1/pools/${poolId}`, { method: 'PATCH', body, headers: { 'if-match': version } })
  const changed = await change(String(read.headers.etag), { name: 'first', workloads: ['files'], thresholds: { usage: 0.8 } })
  assert.deepEqual([changed.json.name, changed.json.thresholds, changed.json.version], ['first', { usage: 0.8 }, 2])
  assert.equal((await change('"1"', { name: 'second' })).json.code, 'CATALOG_VERSION_CONFLICT')
  const usage = await admin.send(`/api/v1/pools/${poolId}/usage`)
  assert.equal(usage.json.forecast.kind, 'not-enough-data')
  assert.equal((await admin.send(`/api/v1/pools/${poolId}/verify`, { method: 'POST', body: { readData: true } })).status, 202)
  assert.equal((await admin.send(`/api/v1/pools/${poolId}/prune`, { method: 'POST', body: {} })).status, 202)
  assert.deepEqual(
    jobs.map(({ type, poolId: pool }) => [type, pool]),
    [
      ['pool-verify', poolId],
      ['prune', poolId],
    ],
  )
  const used = await admin.send(`/api/v1/pools/${poolId}/remove`, { method: 'POST', body: { confirm: 'first' } })
  assert.equal(used.json.code, 'POOL_VOLUME_IN_USE')
  const operator = await server.person('olga', ['operator'])
  assert.equal((await operator.send(`/api/v1/pools/${poolId}/prune`, { method: 'POST', body: {} })).status, 403)
})

test('a recovery point is browsed page by page, compared, planned, and its files are downloaded', async (t) => {
  const place = await aPlace(t)
  const { admin, folder, server } = place
  const first = await place.backUp()
  writeFileSync(join(folder, 'deep/down/c.txt'), 'changed')
  rmSync(join(folder, 'Report 2026.txt'))
  const second = await place.backUp()

  const at = `/api/v1/recovery-points/${first}`
  const one = await admin.send(`${at}/folder?path=${base64(folder)}&limit=1`)
  assert.deepEqual(
    one.json.items.map(({ name }: { name: string }) => name),
    ['Report 2026.txt'],
  )
  const two = await admin.send(`${at}/folder?path=${base64(folder)}&limit=5&cursor=${encodeURIComponent(one.json.next)}`)
  assert.deepEqual(
    two.json.items.map(({ name, kind }: { name: string; kind: string }) => [name, kind]),
    [['deep', 'folder']],
  )
  assert.equal(two.json.next, undefined)
  assert.equal((await admin.send(`${at}/entry?path=${base64(join(folder, 'gone'))}`)).json.code, 'PATH_NOT_IN_POINT')

  const versions = await admin.send(`/api/v1/data-sources/${place.sourceId}/versions?path=${base64(join(folder, 'Report 2026.txt'))}`)
  assert.deepEqual(
    versions.json.items.map(({ pointId, entry }: { pointId: string; entry?: unknown }) => [pointId, entry !== undefined]),
    [
      [second, false],
      [first, true],
    ],
  )
  const differences = await admin.send(`${at}/differences?with=${second}`)
  const told = differences.json.items.map(
    ({ change, before, after }: { change: string; before?: { name: string }; after?: { name: string } }) =>
      `${change} ${(after ?? before)?.name}`,
  )
  assert.ok(told.includes('removed Report 2026.txt') && told.includes('content c.txt'), told.join())
  const page = await admin.send(`${at}/differences?with=${second}&limit=1`)
  assert.equal(page.json.items.length, 1)
  assert.equal(page.json.next, '1')

  const plan = await admin.send(`${at}/plan`, { method: 'POST', body: { paths: [Buffer.from(join(folder, 'deep')).toString('base64')] } })
  assert.deepEqual([plan.json.files, plan.json.folders, plan.json.bytes], [2, 2, 3_000_003])
  assert.ok(plan.json.storedBytes >= 3_000_000)

  const person = await server.person('rita', ['reader'])
  assert.equal((await person.send(`${at}/file?path=${base64(join(folder, 'deep/b.bin'))}`)).status, 403)
  const file = await download(server, admin, `${at}/file?path=${base64(join(folder, 'deep/b.bin'))}`)
  assert.ok(file.equals(noise('b', 3_000_000)))
  assert.equal((await admin.send(`${at}/file?path=${base64(folder)}`)).json.code, 'RECOVERY_PATH_NOT_FILE')
})

test('a folder comes as a zip file that unpacks to what it was, with links as text', async (t) => {
  const place = await aPlace(t)
  const { folder, admin, server } = place
  symlinkSync('/etc/passwd', join(folder, 'deep/link'))
  writeFileSync(join(folder, 'deep/back\\slash'), 'x')
  const id = await place.backUp()
  const zip = await download(server, admin, `/api/v1/recovery-points/${id}/zip?path=${base64(join(folder, 'deep'))}`)
  const out = temporaryFolder(t)
  writeFileSync(join(out, 'a.zip'), zip)
  execFileSync('python3', ['-c', `import zipfile; z=zipfile.ZipFile('${out}/a.zip'); assert z.testzip() is None; z.extractall('${out}')`])
  assert.ok(readFileSync(join(out, 'deep/b.bin')).equals(noise('b', 3_000_000)))
  assert.equal(readFileSync(join(out, 'deep/down/c.txt'), 'utf8'), 'see')
  assert.equal(readFileSync(join(out, 'deep/link'), 'utf8'), '/etc/passwd')
  assert.ok(statSync(join(out, 'deep/link')).isFile())
  assert.equal(readFileSync(join(out, 'deep/back_slash'), 'utf8'), 'x')
})

test('a restore goes to where the data came from; to another machine only once, with a grant, and what it names', async (t) => {
  const place = await aPlace(t)
  const { admin, jobs, folder, server } = place
  const id = await place.backUp()
  const at = `/api/v1/recovery-points/${id}`
  const target = Buffer.from('/restored').toString('base64')
  const started = await admin.send(`${at}/restore`, { method: 'POST', body: { target } })
  assert.equal(started.status, 202, started.text)
  const { type, agentId, pointId, parameters } = jobs[0] ?? assert.fail()
  assert.deepEqual([type, agentId, pointId], ['recovery', place.agentId, id])
  assert.deepEqual(parameters, { target, overwrite: 'never', dryRun: false, isToOriginal: false })

  const { catalog } = server.running().context
  const other = await catalog.agents.enrol({ name: 'srv2', publicKey: 'key 2', publicKeySha256: 'b'.repeat(64) })
  const path = (name: string) => Buffer.from(join(folder, name)).toString('base64')
  const grantFor = async () => {
    await admin.stepUp()
    const got = await admin.send(`${at}/grants`, { method: 'POST', body: { agentId: other.id, paths: [path('deep')] } })
    assert.equal(got.status, 201, got.text)
    return got.json.grant
  }
  const restore = (body: object) => admin.send(`${at}/restore`, { method: 'POST', body: { target, ...body } })
  const grant = await grantFor()
  assert.equal((await restore({ grant, paths: [path('deep/down')] })).status, 202)
  assert.equal(jobs.at(-1)?.agentId, other.id)
  assert.equal((await restore({ grant, paths: [path('deep/down')] })).json.code, 'RECOVERY_GRANT_INVALID')
  for (const body of [{}, { paths: [path('deeper')] }, { paths: [path('deep'), path('Report 2026.txt')] }]) {
    assert.equal((await restore({ grant: await grantFor(), ...body })).json.code, 'RECOVERY_GRANT_INVALID')
  }
  const late = await grantFor()
  server.clock.advance(3_600_001)
  await admin.signIn()
  assert.equal((await restore({ grant: late, paths: [path('deep')] })).json.code, 'RECOVERY_GRANT_INVALID')
})

test('names are found after each backup, in the newest point that has them, and the index is made again when it is lost', async (t) => {
  const place = await aPlace(t)
  const { admin, folder } = place
  const first = await place.backUp()
  writeFileSync(join(folder, 'deep/another report.txt'), 'new')
  rmSync(join(folder, 'Report 2026.txt'))
  const second = await place.backUp()
  const found = async (name: string) => {
    await place.part().search.settled()
    const got = await admin.send(`/api/v1/search?name=${encodeURIComponent(name)}`)
    assert.equal(got.status, 200, got.text)
    assert.deepEqual(got.json.pending, [])
    return got.json.items
      .map(({ text, pointId, isThere }: { text: string; pointId: string; isThere: boolean }) => [text, pointId, isThere])
      .sort()
  }
  const expected = [
    [join(folder, 'Report 2026.txt'), first, false],
    [join(folder, 'deep/another report.txt'), second, true],
  ]
  assert.deepEqual(await found('report'), expected)
  await place.part().search.rebuild()
  assert.deepEqual(await found('report'), expected)
  assert.deepEqual(await found('nothing like it'), [])
})

async function download(server: TestServer, person: Person, path: string): Promise<Buffer> {
  const { get } = await import('node:https')
  const url = new URL(path, server.running().address)
  return await new Promise((resolve, reject) => {
    const request = get(url, { headers: { cookie: person.cookie }, rejectUnauthorized: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () =>
        response.statusCode === 200 ? resolve(Buffer.concat(parts)) : reject(new Error(Buffer.concat(parts).toString())),
      )
      response.on('error', reject)
    })
    request.on('error', reject)
  })
}
