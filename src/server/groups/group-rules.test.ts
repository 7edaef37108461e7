/** Every rule of a protection group, asked over the API: what is refused, with its number, what was seen, and what to do. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { VaultInProcess } from '../../../test/support/vault-link.ts'
import { DAY_MS, WEEKDAYS } from '../../protection/index.ts'
import { aControl, type TestControl } from '../jobs/control.fixture.ts'
import { remember } from './source-memory.ts'

interface Refused {
  readonly code: string
  readonly domainCode?: number
  readonly severity: string
  readonly message: string
  readonly hint: string
  readonly path: string
}

const ID = 'e'.repeat(32)
const weekly = (times: string[], weekdays: readonly string[] = WEEKDAYS) => ({ kind: 'weekly', times, weekdays })
const short = (retentionDays: number, times: string[], minutes = 15) => ({
  shortTerm: { retentionDays, recoveryPoints: weekly(times), synchronisation: { kind: 'every', minutes } },
})
const online = (change: object = {}) => ({
  online: { schedule: weekly(['12:00', '20:00']), retention: { daily: { days: 30, times: ['12:00'] } }, ...change },
})

async function asking(t: TestContext) {
  const vault = new VaultInProcess()
  const control = await aControl(t, { vault })
  const agent = await control.agent('srv1')
  await control.control().gate.register(vault)
  const folder = join(control.root, 'files')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  const member = { agentId: agent.id, path: folder }
  const group = (change: object = {}) => ({ name: 'Group', members: [member], ...change })
  const check = async (change: object, groupId?: string): Promise<Refused[]> =>
    (await control.ask('POST', `/groups/check${groupId === undefined ? '' : `?group=${groupId}`}`, group(change))).refusals
  const codes = async (change: object, groupId?: string) =>
    (await check(change, groupId)).map(({ domainCode, code, severity }) =>
      `${domainCode ?? ''} ${code}${severity === 'warning' ? ' (warning)' : ''}`.trim(),
    )
  return { control, agent, folder, member, group, check, codes }
}

test('§3.1 to §3.10: what stands against a group is told with its number, over the API', async (t) => {
  const { control, agent, folder, member, check, codes } = await asking(t)
  assert.deepEqual(await codes({}), [])
  const cases: readonly [string, object, string[]][] = [
    ['146', { name: 'a|b' }, ['146 GROUP_NAME_INVALID']],
    ['146: 65 characters', { name: 'x'.repeat(65) }, ['146 GROUP_NAME_INVALID']],
    ['time zone', { timeZone: 'Mars/Olympus' }, ['GROUP_TIME_ZONE_UNKNOWN']],
    ['agent', { members: [{ agentId: ID, path: '/srv' }] }, ['MEMBER_AGENT_UNKNOWN']],
    ['131', { excludedExtensions: ['tmp'] }, ['131 EXTENSION_MALFORMED']],
    ['132', { excludedExtensions: ['.tmp', '.TMP'] }, ['132 EXTENSION_TWICE']],
    ['path', { members: [{ ...member, selection: { includes: ['srv'] } }] }, ['SELECTION_PATH_INVALID']],
    ['outside', { members: [{ ...member, selection: { includes: ['/srv'], excludes: ['/var'] } }] }, ['SELECTION_ITEM_OUTSIDE']],
    ['nothing left', { members: [{ ...member, selection: { includes: ['/srv'], excludes: ['/srv'] } }] }, ['SELECTION_EMPTY']],
    ['1 to 448 days', { shortTerm: { retentionDays: 0 } }, ['RETENTION_RANGE_INVALID']],
    ['frequency', { shortTerm: { synchronisation: { kind: 'every', minutes: 20 } } }, ['SYNC_FREQUENCY_INVALID']],
    ['133', short(5, ['13:00', '13:30'], 45), ['133 RECOVERY_POINT_CLOSER_THAN_SYNC']],
    ['§13: 3 a day for 21 days', short(21, ['08:00', '12:00', '18:00']), []],
    ['130, §13: 3 a day for 22 days', short(22, ['08:00', '12:00', '18:00']), ['130 RECOVERY_POINTS_OVER_CAP']],
    ['§13: 8 a day for 8 days', short(8, ['00:00', '03:00', '06:00', '09:00', '12:00', '15:00', '18:00', '21:00']), []],
    ['§13: once a day for 64 days', short(64, ['12:00']), []],
    ['§13: once a week for 448 days', { shortTerm: { retentionDays: 448, recoveryPoints: weekly(['12:00'], ['sat']) } }, []],
    [
      '8 a day',
      short(1, ['00:00', '01:00', '02:00', '03:00', '04:00', '05:00', '06:00', '07:00', '08:00']),
      ['130 RECOVERY_POINTS_PER_DAY_OVER_CAP'],
    ],
    ['schedule', { shortTerm: { recoveryPoints: { kind: 'cron', expression: 'nonsense' } } }, ['SCHEDULE_INVALID']],
    ['never', { shortTerm: { recoveryPoints: { kind: 'calendar', expression: '2020-01-01 12:00' } } }, ['SCHEDULE_NEVER_RUNS']],
    [
      '448 express fulls',
      {
        members: [{ ...member, workload: 'sql-full', path: 'db' }],
        shortTerm: { retentionDays: 448, expressFull: weekly(['08:00', '20:00']) },
      },
      ['130 EXPRESS_FULLS_OVER_CAP'],
    ],
    [
      '96 increments',
      { members: [{ ...member, workload: 'sql-full', path: 'db' }], shortTerm: { expressFull: weekly(['20:00'], ['sat']) } },
      ['130 INCREMENTS_OVER_CAP'],
    ],
    ['31257', { isOnDisk: false }, ['31257 ONLINE_NEEDS_DISK']],
    ['online without a policy', { members: [{ ...member, isOnline: true }] }, ['ONLINE_NO_POLICY']],
    ['online', online(), []],
    ['33461', online({ schedule: weekly(['08:00', '12:00', '20:00']) }), ['33461 ONLINE_TOO_OFTEN']],
    ['100015', online({ schedule: weekly(['12:15']), retention: { daily: { days: 30, times: ['12:15'] } } }), ['100015 ONLINE_TIME_STEP']],
    [
      '33465',
      online({ retention: { weekly: { weeks: 8, weekdays: ['sat'], times: ['13:00'] } } }),
      ['33465 ONLINE_RETENTION_TIME_NOT_SCHEDULED'],
    ],
    ['33468', online({ retention: { daily: { days: 6, times: ['12:00'] } } }), ['33468 ONLINE_RETENTION_BELOW_FLOOR']],
    [
      '33468: months',
      online({ retention: { monthly: { months: 2, on: { kind: 'date', day: 1 }, times: ['12:00'] } } }),
      ['33468 ONLINE_RETENTION_BELOW_FLOOR'],
    ],
    ['33422', online({ retention: { daily: { days: 5000, times: ['12:00', '20:00'] } } }), ['33422 ONLINE_POINTS_OVER_CAP']],
    ['no row', online({ retention: {} }), ['ONLINE_RETENTION_EMPTY']],
    ['31061', { replicaCreation: { method: 'later', at: '2030-01-01T00:00:00Z' } }, ['31061 REPLICA_CREATION_DATE']],
    ['windows', { consistencyCheck: { daily: { time: '22:00', maxDurationMinutes: 0 } } }, ['WINDOW_INVALID']],
    ['blackouts', { blackouts: [{ fromDate: '2026-02-02', toDate: '2026-02-01' }] }, ['WINDOW_INVALID']],
    ['offset', { startOffsetMinutes: 15 }, ['OFFSET_INVALID']],
    ['SLA', { slaHours: 7 }, ['SLA_INVALID']],
    ['script', { members: [{ ...member, preScript: { path: 'relative' } }] }, ['SCRIPT_INVALID']],
    [
      '140',
      {
        throttles: [
          {
            agentId: agent.id,
            workDays: ['mon'],
            workFrom: '08:00',
            workTo: '18:00',
            workMegabitsPerSecond: 0,
            otherMegabitsPerSecond: 10,
          },
        ],
      },
      ['140 THROTTLE_OUT_OF_RANGE'],
    ],
    [
      '280006',
      {
        throttles: [
          { agentId: agent.id, workDays: [], workFrom: '08:00', workTo: '18:00', workMegabitsPerSecond: 1, otherMegabitsPerSecond: 10 },
        ],
      },
      ['280006 THROTTLE_NO_WORK_DAY'],
    ],
    [
      '280007',
      {
        throttles: [
          {
            agentId: agent.id,
            workDays: ['mon'],
            workFrom: '08:00',
            workTo: '08:00',
            workMegabitsPerSecond: 1,
            otherMegabitsPerSecond: 10,
          },
        ],
      },
      ['280007 THROTTLE_HOURS_EQUAL'],
    ],
    ['own bare metal', { members: [{ ...member, workload: 'bare-metal', path: 'machine' }] }, ['MEMBER_IS_BACKUP_SERVER']],
  ]
  for (const [name, change, expected] of cases) assert.deepEqual(await codes(change), expected, name)
  for (const { message, hint } of await check({ name: '', slaHours: 7 })) assert.ok(message.length > 5 && hint.length > 10)

  // S-043: a warning by deployment profile; it stops nothing.
  const profile = async (deploymentProfile: string) =>
    await control.server.running().context.catalog.settings.put('protection', { deploymentProfile, spreadSeconds: 0 }, { by: 'test' })
  await profile('private-cloud')
  assert.deepEqual(await codes(short(6, ['12:00'])), ['FIVE_DAY_RULE (warning)'])
  assert.deepEqual(await codes(short(5, ['12:00'])), [])
  await profile('public-cloud')
  assert.deepEqual(await codes(short(2, ['12:00'])), ['FIVE_DAY_RULE (warning)'])
  // The caps that a setting lifts: 64, 8 a day, lists and half hours too.
  await control.server.running().context.catalog.settings.put('protection', { caps: 'lifted' }, { by: 'test' })
  assert.deepEqual(await codes(short(500, ['08:00', '12:00', '18:00'], 20)), [])
  assert.deepEqual(await codes(online({ schedule: weekly(['08:15', '12:00', '20:00']) })), [])
  await profile('own-hardware')

  // Refused as a whole, with all reasons; nothing of it was made.
  const got = await control.admin.send('/api/v1/groups', { method: 'POST', body: { name: 'a.b', members: [member, member], slaHours: 7 } })
  assert.deepEqual([got.status, got.json.code, got.json.context.domain_code], [400, 'GROUP_NAME_INVALID', 146])
  assert.deepEqual(
    got.json.context.refusals.map(({ code }: Refused) => code),
    ['GROUP_NAME_INVALID', 'MEMBER_TWICE', 'SLA_INVALID'],
  )
  assert.deepEqual([(await control.ask('GET', '/groups')).items, (await control.ask('GET', '/sources')).items], [[], []])
  assert.ok(folder)
})

test('137, 157, 195, frozen type, kinds of machines, system state apart: what other groups and other people have to do with it', async (t) => {
  const { control, agent, folder, member, group, codes } = await asking(t)
  const made = (await control.ask('POST', '/groups', group())).group
  assert.deepEqual(await codes({ name: 'GROUP', members: [{ ...member, path: join(folder, 'sub') }] }), ['137 GROUP_NAME_TAKEN'])
  assert.deepEqual(await codes({ name: 'Other' }), ['157 MEMBER_PROTECTED_ELSEWHERE'])
  assert.deepEqual(await codes({}, made.id), [], 'the group itself is no other')
  assert.deepEqual(await codes({ type: 'clients' }, made.id), ['GROUP_TYPE_FROZEN'])
  const elsewhere = { name: 'Laptops', type: 'clients', members: [{ ...member, path: join(folder, 'sub') }] }
  assert.deepEqual(await codes(elsewhere), ['MEMBER_WRONG_TYPE'])

  const change = async (version: number) =>
    await control.admin.send(`/api/v1/groups/${made.id}`, {
      method: 'PUT',
      body: group({ slaHours: 24 }),
      headers: { 'if-match': `"${version}"` },
    })
  assert.equal((await change(1)).status, 200)
  const late = await change(1)
  assert.deepEqual([late.status, late.json.code, late.json.context.domain_code], [412, 'GROUP_CHANGED_MEANWHILE', 195])
  assert.equal((await control.admin.send(`/api/v1/groups/${made.id}`, { method: 'PUT', body: group() })).status, 428)
  const stop = await control.admin.send(`/api/v1/groups/${made.id}/stop`, {
    method: 'POST',
    body: { data: 'retain' },
    headers: { 'if-match': '"1"' },
  })
  assert.ok([412, 409].includes(stop.status), stop.text)

  const machine = async (name: string, workload: string) =>
    await codes({ name, members: [{ agentId: agent.id, workload, path: workload }] })
  await control.ask('POST', '/groups', { name: 'State', members: [{ agentId: agent.id, workload: 'system-state', path: 'state' }] })
  assert.ok((await machine('Metal', 'bare-metal')).includes('MEMBER_SYSTEM_STATE_APART'))
})

test('31006 and 136: without an agent, and without a pool volume, nothing is protected', async (t) => {
  const control = await aControl(t)
  const codes = async () =>
    (await control.ask('POST', '/groups/check', { name: 'Group', members: [{ agentId: ID, path: '/srv' }] })).refusals.map(
      ({ domainCode, code }: Refused) => `${domainCode ?? ''} ${code}`.trim(),
    )
  assert.deepEqual(await codes(), ['31006 GROUP_NO_AGENT', 'MEMBER_AGENT_UNKNOWN'])
  await control.keeper().remove(control.poolId)
  assert.deepEqual(await codes(), ['31006 GROUP_NO_AGENT', '136 GROUP_NO_POOL', 'MEMBER_AGENT_UNKNOWN'])
})

test('33478 and 100128: what is frozen once a copy went to the vault, or while a seed is on its way', async (t) => {
  const { control, group, member, codes } = await asking(t)
  const { catalog, op } = control.server.running().context
  const body = (change: object = {}) => group({ members: [{ ...member, isOnline: true }], ...online(change) })
  const made = (await control.ask('POST', '/groups', body())).group
  const [source] = (await control.ask('GET', '/sources')).items
  const offline = { initialCopy: { method: 'offline', stagingPath: '/seed' } }
  assert.deepEqual(await codes(body(offline), made.id), [])
  await remember(catalog, source.id, { online: { pointId: ID, dataMs: 0, copiedMs: 0, points: 1 } })
  assert.deepEqual(await codes(body(offline), made.id), ['33478 ONLINE_INITIAL_COPY_FROZEN'])
  await remember(catalog, source.id, { online: undefined, seedSinceMs: op.clock.nowMs() })
  assert.deepEqual(await codes(body({ schedule: weekly(['12:00']) }), made.id), ['100128 ONLINE_SEED_PENDING'])
})

const canMount = process.getuid?.() === 0 && hasLoop()
function hasLoop(): boolean {
  try {
    execFileSync('losetup', ['-f'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('164, 40: a volume that is too small, one that can not be written to, and one in the middle of what is protected', {
  skip: canMount ? false : 'needs loop devices',
}, async (t) => {
  const { control, agent, folder, codes } = await asking(t)
  const mounted: string[] = []
  const volume = (control_: TestControl, name: string, megabytes: number, options: string) => {
    const image = join(control_.root, `${name}.img`)
    const place = join(folder, name)
    mkdirSync(place)
    execFileSync('truncate', ['-s', `${megabytes}M`, image])
    execFileSync('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', '-E', 'lazy_itable_init=1', image])
    execFileSync('mount', ['-o', `loop,${options}`, image, place])
    mounted.push(place)
    return place
  }
  try {
    const small = volume(control, 'small', 64, 'rw')
    const of = (path: string, selection?: object) => ({ members: [{ agentId: agent.id, path, ...(selection && { selection }) }] })
    assert.deepEqual(await codes(of(small)), ['164 MEMBER_TOO_SMALL'])
    // What was said is believed for a while; then it is asked anew.
    const large = volume(control, 'large', 1200, 'ro')
    control.server.clock.advance(11 * 60_000)
    assert.deepEqual(await codes(of(large)), ['MEMBER_NOT_PROTECTABLE'])
    assert.deepEqual(await codes(of(folder)), ['40 MOUNT_POINT_UNDECIDED', '40 MOUNT_POINT_UNDECIDED'])
    const answered = {
      includes: [folder],
      mountPoints: [
        { path: small, isIncluded: false },
        { path: large, isIncluded: true },
      ],
    }
    assert.deepEqual(await codes(of(folder, answered)), [])
  } finally {
    for (const place of mounted) execFileSync('umount', [place])
  }
})

test('§3.3: at most 100 data sources on one volume, over all groups', async (t) => {
  const { control, agent, folder, codes } = await asking(t)
  const members = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ agentId: agent.id, path: join(folder, `d${from + n}`) }))
  const { items } = await control.ask('GET', `/agents/${agent.id}/discover`)
  if (items.length === 0) return t.skip('this machine has no volume that is told')
  await control.ask('POST', '/groups', {
    name: 'One',
    members: members(0, 60),
    replicaCreation: { method: 'later', at: new Date(control.server.clock.nowMs() + DAY_MS).toISOString() },
  })
  const [refusal] = await codes({ name: 'Two', members: members(60, 41) })
  assert.equal(refusal, 'MEMBER_TOO_MANY_ON_VOLUME')
  assert.deepEqual(await codes({ name: 'Two', members: members(60, 40) }), [])
})
