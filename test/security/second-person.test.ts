/**
 * Acts that take protection away are carried out by two people. Which acts those are is said here once more, in words of its own, so that none of them loses its second
 * person unnoticed; each is asked for on the whole server, and nothing must have happened before another person agrees.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataSource, StoredGroup } from '../../src/catalog/index.ts'
import { protectionGroupShape } from '../../src/protection/index.ts'
import type { Person, TestServer } from '../../src/server/server.fixture.ts'
import { asJson } from '../../src/server/settings/setting.ts'
import { aWholeServer } from './whole-server.fixture.ts'

const DAY_MS = 86_400_000

const ACTS = [
  'account.change',
  'account.create',
  'account.reset',
  'channel.change',
  'channel.remove',
  'group.change',
  'group.create',
  'group.move-here',
  'group.stop',
  'pool.evacuate',
  'pool.remove',
  'recovery-point.hold',
  'recovery-point.unpin',
  'retention.approve',
  'retention.thaw',
  'settings.change-deletion',
  'settings.change-directory',
  'settings.change-offline',
  'settings.change-second-person',
  'source.remove-data',
]

/** What by its name takes something away, and does not take protection: said here one by one, with the reason. */
const HARMLESS: Readonly<Record<string, string>> = {
  'agent.remove': 'what it protected must be in no group, and its points stay',
  'agent.disable': 'jobs wait, alerts say so, and it is enabled again by one',
  'enrolment.revoke': 'lets fewer in',
  'pool.stop-evacuating': 'ends what two began',
  'saved-filter.remove': 'what is looked at, not what is kept',
  'session.close': 'the own session',
  'session.end': 'the own session',
  'token.revoke': 'lets fewer in',
}

interface World {
  readonly server: TestServer
  readonly admin: Person
  readonly bob: Person
  readonly poolId: string
  readonly long: StoredGroup
  readonly short: StoredGroup
  readonly source: DataSource
  /** In no group. */
  readonly retained: DataSource
  readonly pinned: string
  readonly held: string
  readonly channelId: string
}

async function aWorld(t: Parameters<typeof aWholeServer>[0]): Promise<World> {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  const bob = await server.person('bob', ['backup-admin', 'security-admin'])
  const { catalog } = server.running().context
  const { id: poolId } = await catalog.pools.add({ name: 'one', folder: '/nowhere' })
  const { id: agentId } = await catalog.agents.enrol({ name: 'srv', publicKey: 'none', publicKeySha256: 'f'.repeat(64) })
  const place = { agentId, workload: 'files', poolId, state: 'ok' as const }
  const source = await catalog.sources.add({ ...place, name: 'data', path: '/data' })
  const retained = await catalog.sources.add({ ...place, name: 'old', path: '/old', state: 'inactive' })
  const group = (name: string, retentionDays: number, members: object[]) =>
    catalog.groups.create({
      name,
      document: asJson(protectionGroupShape.parse({ name, shortTerm: { retentionDays }, members })) as Record<string, never>,
      by: 'test',
    })
  const long = await group('long', 10, [{ dataSourceId: source.id, agentId, name: 'data', selection: { includes: ['/data'] } }])
  const short = await group('short', 2, [])
  await catalog.sources.assign(source.id, { groupId: long.id })
  const nowMs = server.clock.nowMs()
  const point = async (id: string, sourceId: string, sequence: number) => {
    const times = { startedMs: nowMs - 6 * DAY_MS, finishedMs: nowMs - 6 * DAY_MS }
    const sizes = { bytes: 1, files: 1, storedBytes: 1, warnings: 0 }
    await catalog.points.record({ id, sourceId, poolId, objectName: `points/${id}`, sequence, ...times, ...sizes, kind: 'disk' })
    return id
  }
  const pinned = await point('1'.repeat(32), source.id, 1)
  const held = await point('2'.repeat(32), source.id, 2)
  await point('3'.repeat(32), retained.id, 1)
  await catalog.points.pin(pinned, {})
  await catalog.points.setLegalHold(held, true)
  const options = { url: 'https://example.org/hook' }
  const severities = ['critical', 'warning'] as const
  const channel = await catalog.channels.create({ kind: 'webhook', name: 'hook', options, severities: [...severities], isEnabled: true })
  await admin.stepUp()
  return { server, admin, bob, poolId, long, short, source, retained, pinned, held, channelId: channel.id }
}

interface Asked {
  readonly act: string
  readonly method: string
  readonly path: string
  readonly body?: object
  readonly version?: number
}

/** Each of them takes something away. */
function takings({ bob, poolId, long, short, source, retained, pinned, held, channelId }: World): Asked[] {
  const member = { dataSourceId: source.id }
  const hook = { kind: 'webhook', name: 'hook', options: { url: 'https://example.org/hook' }, secret: 'x' }
  const put = (name: string, body: object): Asked => ({
    act: `settings.change-${name}`,
    method: 'PUT',
    path: `/settings/${name}`,
    body,
    version: 0,
  })
  const change = (path: string, body: object): Asked => ({ act: 'group.change', method: 'PUT', path, body, version: 1 })
  const own = { name: 'long', members: [member] }
  return [
    { act: 'source.remove-data', method: 'POST', path: `/sources/${retained.id}/remove-data` },
    { act: 'group.stop', method: 'POST', path: `/groups/${long.id}/stop`, body: { data: 'delete', members: [source.id] }, version: 1 },
    { act: 'group.stop', method: 'POST', path: `/groups/${long.id}/stop`, body: { data: 'retain' }, version: 1 },
    change(`/groups/${long.id}`, { ...own, shortTerm: { retentionDays: 9 } }),
    change(`/groups/${long.id}?removed=delete`, { ...own, members: [{ dataSourceId: retained.id }], shortTerm: { retentionDays: 10 } }),
    change(`/groups/${short.id}`, { name: 'short', members: [{ dataSourceId: retained.id }], shortTerm: { retentionDays: 2 } }),
    {
      act: 'group.create',
      method: 'POST',
      path: '/groups',
      body: { name: 'new', members: [{ dataSourceId: retained.id }], shortTerm: { retentionDays: 5 } },
    },
    { act: 'group.move-here', method: 'POST', path: `/groups/${short.id}/move-here`, body: { source: source.id } },
    { act: 'recovery-point.unpin', method: 'DELETE', path: `/recovery-points/${pinned}/pin` },
    { act: 'recovery-point.hold', method: 'PUT', path: `/recovery-points/${held}/hold`, body: { hasLegalHold: false } },
    { act: 'retention.approve', method: 'POST', path: '/retention/approve', body: { deletions: ['0'.repeat(32)] } },
    { act: 'retention.thaw', method: 'POST', path: '/retention/thaw' },
    { act: 'pool.evacuate', method: 'POST', path: `/pools/${poolId}/evacuate` },
    { act: 'pool.remove', method: 'POST', path: `/pools/${poolId}/remove`, body: { confirm: 'one' } },
    { act: 'channel.remove', method: 'DELETE', path: `/channels/${channelId}` },
    { act: 'channel.change', method: 'PUT', path: `/channels/${channelId}`, body: { ...hook, isEnabled: false }, version: 1 },
    { act: 'channel.change', method: 'PUT', path: `/channels/${channelId}`, body: { ...hook, severities: ['critical'] }, version: 1 },
    {
      act: 'channel.change',
      method: 'PUT',
      path: `/channels/${channelId}`,
      body: { ...hook, options: { url: 'https://elsewhere.example' } },
      version: 1,
    },
    put('deletion', { coolOffDays: 13 }),
    put('deletion', { keepLastGood: 1 }),
    put('deletion', { maxPercentAtOnce: 31 }),
    put('offline', { graceDays: 3 }),
    put('second-person', { rule: 'off' }),
    put('directory', { isOn: true, url: 'ldaps://elsewhere', bindDn: 'cn=x', baseDn: 'dc=x' }),
    { act: 'account.create', method: 'POST', path: '/accounts', body: { name: 'mallory', roles: ['backup-admin'] } },
    { act: 'account.change', method: 'PATCH', path: `/accounts/${bob.id}`, body: { isDisabled: true }, version: 1 },
    { act: 'account.reset', method: 'POST', path: `/accounts/${bob.id}/reset`, body: { password: true } },
  ]
}

/** Each of them is like one of those, and takes nothing away. */
function harmless({ long, source, retained, pinned, channelId }: World): Asked[] {
  const hook = { kind: 'webhook', name: 'hook', options: { url: 'https://example.org/hook' }, secret: 'x' }
  return [
    {
      act: 'group.change',
      method: 'PUT',
      path: `/groups/${long.id}`,
      body: { name: 'long', members: [{ dataSourceId: source.id }, { dataSourceId: retained.id }], shortTerm: { retentionDays: 11 } },
      version: 1,
    },
    { act: 'recovery-point.hold', method: 'PUT', path: `/recovery-points/${pinned}/hold`, body: { hasLegalHold: true } },
    { act: 'channel.change', method: 'PUT', path: `/channels/${channelId}`, body: { ...hook, name: 'renamed' }, version: 1 },
    { act: 'settings.change-deletion', method: 'PUT', path: '/settings/deletion', body: { coolOffDays: 15 }, version: 0 },
    { act: 'account.create', method: 'POST', path: '/accounts', body: { name: 'reader', roles: ['reader', 'operator', 'auditor'] } },
  ]
}

const send = (person: Person, { method, path, body, version }: Asked) =>
  person.send(`/api/v1${path}`, { method, ...(body && { body }), headers: version === undefined ? {} : { 'if-match': `"${version}"` } })

test('the acts that take protection away are these, and none has lost its second person', async (t) => {
  const { server } = await aWholeServer(t)
  const { routes } = server.running()
  const asking = routes.filter(({ needsSecond }) => needsSecond !== undefined).map(({ name }) => name)
  for (const act of ACTS) assert.ok(asking.includes(act), `${act} is carried out by one person`)
  const suspicious = /\.(remove|delete|purge|stop|unpin|evacuate|disable|revoke|reset|expire|export)|-data$/
  for (const { name, method, needsSecond, tag } of routes) {
    if (needsSecond !== undefined || tag === 'Session') continue
    if (method === 'DELETE' || suspicious.test(name)) assert.ok(name in HARMLESS, `${name}: by two people, or say here why not`)
  }
})

test('each of them waits for another person, and nothing has happened', async (t) => {
  const world = await aWorld(t)
  const { server, admin, bob } = world
  const { catalog } = server.running().context
  const state = async () =>
    JSON.parse(
      JSON.stringify([
        await catalog.groups.all(),
        // The watchdog may say of them that the volume is away, as it is.
        (await catalog.sources.all()).map(({ id, groupId, poolId }) => [id, groupId, poolId]),
        (await catalog.deletions.list({ limit: 100 })).items,
        await catalog.points.get(world.pinned),
        await catalog.points.get(world.held),
        await catalog.channels.all(),
        (await catalog.pools.all()).map(({ name }) => name),
        await Promise.all(['deletion', 'offline', 'second-person', 'directory'].map((name) => catalog.settings.find(name))),
        (await catalog.accounts.list({ limit: 100 })).items.map(({ name, roles, isDisabled, passwordHash }) => [
          name,
          roles,
          isDisabled,
          passwordHash,
        ]),
      ]),
    )
  const before = await state()
  const asked = takings(world)
  for (const each of asked) {
    await admin.stepUp()
    const got = await send(admin, each)
    assert.deepEqual([got.status, got.json.approval?.act], [202, each.act], `${each.act} ${JSON.stringify(each.body)}: ${got.text}`)
    // Who asked is not another person.
    const alone = await admin.send(`/api/v1/approvals/${got.json.approval.id}/approve`, { method: 'POST' })
    assert.equal(alone.json.code, 'AUTH_SAME_PERSON', each.act)
  }
  assert.deepEqual(await state(), before)
  assert.deepEqual([...new Set(asked.map(({ act }) => act))].sort(), ACTS)

  // Seen by the others, without what must stay secret; and one of them is agreed to.
  await bob.signIn()
  const { items } = (await bob.send('/api/v1/approvals?waiting=true&limit=500')).json
  assert.equal(items.length, asked.length)
  const ofChannel = items.find(({ act }: { act: string }) => act === 'channel.change')
  assert.equal(ofChannel.request.body.secret, '(given, not shown)')
  const unpin = items.find(({ act }: { act: string }) => act === 'recovery-point.unpin')
  const agreed = await bob.send(`/api/v1/approvals/${unpin.id}/approve`, { method: 'POST' })
  assert.equal(agreed.status, 200, agreed.text)
  assert.equal((await catalog.points.get(world.pinned)).pinnedUntilMs, undefined)
  const { items: entries } = (await bob.send('/api/v1/audit?action=recovery-point.unpin')).json
  assert.deepEqual([entries[0].actor.name, entries[0].details.requestedBy], ['bob', admin.id])
})

test('they need a fresh proof, also where the rest of the act does not, and no token can give one', async (t) => {
  const world = await aWorld(t)
  const { server, admin } = world
  const { secret } = (
    await admin.send('/api/v1/tokens', { method: 'POST', body: { name: 'x', roles: ['backup-admin', 'security-admin'] } })
  ).json
  server.clock.advance(6 * 60_000)
  for (const each of takings(world)) {
    assert.equal((await send(admin, each)).json.code, 'AUTH_STEP_UP_REQUIRED', each.act)
    const headers = { authorization: `Bearer ${secret}`, ...(each.version !== undefined && { 'if-match': `"${each.version}"` }) }
    const got = await server.send(`/api/v1${each.path}`, { method: each.method, ...(each.body && { body: each.body }), headers })
    assert.equal(got.json.code, 'AUTH_STEP_UP_REQUIRED', each.act)
  }
})

test('what is like them and takes nothing away is done by one', async (t) => {
  const world = await aWorld(t)
  for (const each of harmless(world)) {
    await world.admin.stepUp()
    const got = await send(world.admin, each)
    assert.notEqual(got.status, 202, `${each.act}: ${got.text}`)
    assert.ok(!String(got.json?.code).startsWith('AUTH_'), `${each.act}: ${got.text}`)
  }
})

test('a pin is not made shorter by who may only make it longer', async (t) => {
  const { server, admin, pinned } = await aWorld(t)
  const cyd = await server.person('cyd', ['operator'])
  const pin = (who: Person, body: object) => who.send(`/api/v1/recovery-points/${pinned}/pin`, { method: 'PUT', body })
  for (const who of [cyd, admin]) {
    assert.equal((await pin(who, { until: '2026-11-22T10:00:01.000Z' })).json.code, 'POINT_PINNED_LONGER')
    assert.equal((await pin(who, { note: 'still' })).status, 200)
  }
})

test('who alone decides on accounts can not make himself two', async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  // The one security administrator, beside a backup administrator.
  await server.person('bob', ['backup-admin'])
  await admin.stepUp()
  const make = { act: 'account.create', method: 'POST', path: '/accounts', body: { name: 'puppet', roles: ['backup-admin'] } }
  assert.equal((await send(admin, make)).status, 202)
  const off = { act: 'settings.change-second-person', method: 'PUT', path: '/settings/second-person', body: { rule: 'off' }, version: 0 }
  assert.equal((await send(admin, off)).status, 202)
})
