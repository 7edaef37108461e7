import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_SETTINGS } from '../limits.ts'
import { isRefused, type Refusal, refusalError } from '../refusal.ts'
import type { GroupFacts } from './facts.ts'
import { check, codes, goals, group, id, lifted, member, weekly } from './group.fixture.ts'

describe('§3.2 a group with nothing but a name and a member', () => {
  it('has the defaults of the domain, and nothing stands against it', () => {
    const { type, shortTerm, replicaCreation, consistencyCheck, isCompressedOnWire } = group()
    assert.equal(type, 'servers')
    assert.deepEqual([shortTerm.retentionDays, shortTerm.synchronisation], [5, { kind: 'every', minutes: 15 }])
    assert.deepEqual(shortTerm.recoveryPoints.kind === 'weekly' && shortTerm.recoveryPoints.times, ['08:00', '12:00', '18:00'])
    assert.deepEqual(shortTerm.expressFull.kind === 'weekly' && shortTerm.expressFull.times, ['20:00'])
    assert.deepEqual(replicaCreation, { method: 'now' })
    assert.deepEqual([consistencyCheck.whenInconsistent, consistencyCheck.daily, isCompressedOnWire], [true, undefined, false])
    assert.deepEqual(check(), [])
  })

  it('tells all that is wrong at once, each with what was seen and what to do', () => {
    const refusals = check(
      { name: '', timeZone: 'Mars/Olympus', slaHours: 7, excludedExtensions: ['tmp'] },
      { agents: [], poolVolumeCount: 0 },
    )
    assert.deepEqual(codes(refusals), [
      '31006 GROUP_NO_AGENT',
      '136 GROUP_NO_POOL',
      '146 GROUP_NAME_INVALID',
      'GROUP_TIME_ZONE_UNKNOWN',
      'MEMBER_AGENT_UNKNOWN',
      '131 EXTENSION_MALFORMED',
      'SLA_INVALID',
    ])
    for (const { message, hint } of refusals) assert.ok(message.length > 0 && hint.length > 0)
    const error = refusalError(refusals[2] as Refusal)
    assert.deepEqual([error.code, error.context], ['GROUP_NAME_INVALID', { domain_code: 146, path: 'name' }])
  })
})

describe('§3.1 naming', () => {
  it('137 and 146: letters, digits and spaces, 1 to 64, one a letter, unique', () => {
    const name = (text: string, facts: Partial<GroupFacts> = {}) => codes(check({ name: text }, facts))
    for (const fine of ['a', 'Group 1', 'Données', '日本', 'x'.repeat(64)]) assert.deepEqual(name(fine), [], fine)
    for (const bad of [
      '',
      '123',
      'x'.repeat(65),
      'a|b',
      'a/b',
      '(a)',
      'a.b',
      'a<b',
      'a%',
      'a&b',
      'a:b',
      'a\\b',
      'a?',
      'a#',
      ' a',
      'a ',
      'a\nb',
    ]) {
      assert.deepEqual(name(bad), ['146 GROUP_NAME_INVALID'], bad)
    }
    const otherGroups = [{ id: id(9), name: 'FILES of alpha', members: [] }]
    assert.deepEqual(name('files of Alpha', { otherGroups }), ['137 GROUP_NAME_TAKEN'])
  })

  it('the type is final', () => {
    const before = { group: group(), hasInitialCopy: false, isSeedPending: false }
    assert.ok(codes(check({ type: 'clients' }, { before })).includes('GROUP_TYPE_FROZEN'))
  })
})

describe('§3.3 members', () => {
  const others = (dataSourceId: string, workload = 'files') => [
    { id: id(9), name: 'Other', members: [{ dataSourceId, agentId: id(1), workload }] },
  ]

  it('157: a data source is in one group at a time, and there once', () => {
    assert.deepEqual(codes(check({}, { otherGroups: others(id(101)) })), ['157 MEMBER_PROTECTED_ELSEWHERE'])
    assert.deepEqual(codes(check({ members: [member(1), member(1)] })), ['MEMBER_TWICE'])
  })

  it('164: a volume has at least 1 GB, is fixed, online, writable and unlocked', () => {
    const source = (rest: object) => ({ dataSources: [{ id: id(101), ...rest }] })
    assert.deepEqual(codes(check({}, source({ volumeSizeBytes: 999_999_999 }))), ['164 MEMBER_TOO_SMALL'])
    assert.deepEqual(check({}, source({ volumeSizeBytes: 1_000_000_000, isFixed: true, isOnline: true })), [])
    for (const flag of ['isFixed', 'isOnline', 'isWritable', 'isUnlocked']) {
      assert.deepEqual(codes(check({}, source({ [flag]: false }))), ['MEMBER_NOT_PROTECTABLE'], flag)
    }
    assert.deepEqual(codes(check({}, source({ mountPoints: ['/mnt'] }))), ['40 MOUNT_POINT_UNDECIDED'])
  })

  it('§7.1: at most 100 data sources are on a volume, over all groups', () => {
    const sources = Array.from({ length: 101 }, (_, i) => ({ id: id(100 + i), volumeName: '/' }))
    const members = Array.from({ length: 60 }, (_, i) => member(i))
    const otherGroups = [
      {
        id: id(9),
        name: 'Other',
        members: Array.from({ length: 41 }, (_, i) => ({ dataSourceId: id(160 + i), agentId: id(1), workload: 'files' })),
      },
    ]
    assert.deepEqual(codes(check({ members }, { dataSources: sources, otherGroups })), ['MEMBER_TOO_MANY_ON_VOLUME'])
    assert.deepEqual(check({ members }, { dataSources: sources.slice(0, 100), otherGroups }), [])
    assert.deepEqual(check({ members }, { dataSources: sources, otherGroups, ...lifted }), [])
  })

  it('173 and 174: a farm and its databases exclude each other', () => {
    const farm = { id: id(150), partIds: [id(101), id(102)] }
    const asFarm = member(50, { workload: 'sharepoint' })
    const database = member(1, { workload: 'sql-full' })
    const inGroup = { dataSources: [farm] }
    assert.deepEqual(codes(check({ members: [database] }, { ...inGroup, otherGroups: others(id(150), 'sharepoint') })), [
      '173 MEMBER_PART_OF_FARM',
    ])
    assert.deepEqual(codes(check({ members: [asFarm] }, { ...inGroup, otherGroups: others(id(102), 'sql-full') })), [
      '174 MEMBER_FARM_HAS_MEMBERS',
    ])
    assert.deepEqual(codes(check({ members: [asFarm, database] }, inGroup)), ['174 MEMBER_FARM_HAS_MEMBERS', '173 MEMBER_PART_OF_FARM'])
  })

  it('bare metal and system state of one machine stay together; the server is not its own bare metal', () => {
    const bare = member(1, { workload: 'bare-metal' })
    assert.deepEqual(codes(check({ members: [bare] }, { otherGroups: others(id(102), 'system-state') })), ['MEMBER_SYSTEM_STATE_APART'])
    assert.deepEqual(check({ members: [bare, member(2, { workload: 'system-state' })] }), [])
    assert.deepEqual(codes(check({ members: [{ ...bare, agentId: id(3) }] })), ['MEMBER_IS_BACKUP_SERVER'])
  })

  it('servers and clients are in groups of their own', () => {
    assert.deepEqual(codes(check({ members: [member(1, { agentId: id(2) })] })), ['MEMBER_WRONG_TYPE'])
    assert.deepEqual(check({ type: 'clients', members: [member(1, { agentId: id(2) })] }), [])
  })
})

describe('§3.4 short-term goals', () => {
  it('1 to 448 days', () => {
    const range = (days: number) => codes(check({ shortTerm: { retentionDays: days, recoveryPoints: weekly(['08:00'], ['mon']) } }))
    assert.deepEqual(
      [0, 1, 448, 449, -1].map((days) => range(days).includes('RETENTION_RANGE_INVALID')),
      [true, false, false, true, true],
    )
  })

  it('synchronises at one of nine frequencies, or before each point', () => {
    for (const minutes of [15, 30, 45, 60, 120, 240]) assert.deepEqual(check(goals(5, ['08:00'], minutes)), [])
    assert.deepEqual(codes(check(goals(5, ['08:00'], 20))), ['SYNC_FREQUENCY_INVALID'])
    assert.deepEqual(check(goals(5, ['08:00'], 20), lifted), [])
    assert.deepEqual(check({ shortTerm: { synchronisation: { kind: 'before-recovery-point' } } }), [])
  })

  it('133: a synchronisation fits between two points; 45 minutes forbid 13:00 and 13:30', () => {
    assert.deepEqual(codes(check(goals(5, ['13:00', '13:30'], 45))), ['133 RECOVERY_POINT_CLOSER_THAN_SYNC'])
    assert.deepEqual(check(goals(5, ['13:00', '13:30'], 30)), [])
    assert.deepEqual(codes(check(goals(5, ['23:50', '00:10'], 30))), ['133 RECOVERY_POINT_CLOSER_THAN_SYNC'], 'over midnight')
  })

  it('130, §13: days × points a week ÷ 7 ≤ 64, and 8 a day', () => {
    const over = (days: number, times: string[], facts: Partial<GroupFacts> = {}) => codes(check(goals(days, times), facts))
    const day = ['00:00', '03:00', '06:00', '09:00', '12:00', '15:00', '18:00', '21:00']
    assert.deepEqual(over(5, ['08:00', '12:00', '18:00']), [])
    assert.deepEqual(over(21, ['08:00', '12:00', '18:00']), [])
    assert.deepEqual(over(22, ['08:00', '12:00', '18:00']), ['130 RECOVERY_POINTS_OVER_CAP'])
    assert.deepEqual(over(8, day), [])
    assert.deepEqual(over(9, day), ['130 RECOVERY_POINTS_OVER_CAP'])
    assert.deepEqual(over(64, ['08:00']), [])
    assert.deepEqual(over(65, ['08:00']), ['130 RECOVERY_POINTS_OVER_CAP'])
    assert.deepEqual(over(1, [...day, '22:00']), ['130 RECOVERY_POINTS_PER_DAY_OVER_CAP'])
    assert.deepEqual(over(448, [...day, '22:00'], lifted), [])
    assert.deepEqual(check({ shortTerm: { retentionDays: 448, recoveryPoints: weekly(['08:00'], ['sat']) } }), [])
    assert.match(check(goals(22, ['08:00', '12:00', '18:00']))[0]?.hint ?? '', /at most 21 days/)
  })

  it('§7.2: 448 express fulls, 96 increments after one', () => {
    const sql = (workload: string, shortTerm: object) => codes(check({ members: [member(1, { workload })], shortTerm }))
    assert.deepEqual(sql('sql-full', {}), [], '§13: 15 minutes, a full a day: 96 points a day')
    assert.deepEqual(sql('sql-full', { retentionDays: 448 }), [])
    assert.deepEqual(sql('sql-simple', { retentionDays: 300, expressFull: weekly(['08:00', '20:00']) }), ['130 EXPRESS_FULLS_OVER_CAP'])
    assert.deepEqual(sql('sql-full', { expressFull: weekly(['20:00'], ['mon', 'wed']) }), ['130 INCREMENTS_OVER_CAP'])
    assert.deepEqual(sql('sql-simple', { expressFull: weekly(['20:00'], ['mon', 'wed']) }), [], 'no increments')
    assert.deepEqual(sql('sql-full', { recoveryPoints: weekly(['08:00', '08:05']) }), [], 'points of files are not asked of databases')
  })

  it('S-043: the five-day rule is a warning where the server is on a private cloud', () => {
    const profile = (deploymentProfile: 'own-hardware' | 'private-cloud' | 'public-cloud', days: number) =>
      check(goals(days, ['08:00']), { settings: { ...DEFAULT_SETTINGS, deploymentProfile } })
    assert.deepEqual(profile('private-cloud', 5), [])
    const warned = profile('private-cloud', 6)
    assert.deepEqual(codes(warned), ['FIVE_DAY_RULE'])
    assert.equal(isRefused(warned), false)
    assert.deepEqual(profile('own-hardware', 30), [])
    assert.deepEqual(codes(profile('public-cloud', 2)), ['FIVE_DAY_RULE'])
    assert.deepEqual(profile('public-cloud', 1), [])
  })

  it('schedules that can not be read, or never run', () => {
    const points = (recoveryPoints: object) => codes(check({ shortTerm: { recoveryPoints: recoveryPoints as never } }))
    assert.deepEqual(points({ kind: 'cron', expression: 'nonsense' }), ['SCHEDULE_INVALID'])
    assert.deepEqual(points({ kind: 'calendar', expression: '1999-01-01' }), ['SCHEDULE_NEVER_RUNS'])
    assert.deepEqual(points({ kind: 'every', every: 1, unit: 'day', from: '2026-02-30', times: ['08:00'] }), ['SCHEDULE_INVALID'])
    assert.deepEqual(points({ kind: 'calendar', expression: 'mon..fri 8..12:00' }), [])
  })
})
