import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_SETTINGS } from '../limits.ts'
import { changeOf } from './change.ts'
import type { GroupFacts } from './facts.ts'
import { check, codes, group, id, lifted, member, RETENTION, weekly } from './group.fixture.ts'
import type { ProtectionGroupInput } from './shape.ts'
import { validateOnlineThrottle } from './validate-options.ts'

describe('§3.7 online schedule', () => {
  const online = (schedule: object, rest: object = {}, facts: Partial<GroupFacts> = {}) =>
    codes(check({ online: { schedule: schedule as never, retention: RETENTION, ...rest } }, facts))

  it('31257: needs the copy on disk', () => {
    assert.deepEqual(codes(check({ isOnDisk: false, online: { retention: RETENTION } })), ['31257 ONLINE_NEEDS_DISK'])
    assert.deepEqual(codes(check({ members: [member(1, { isOnline: true })] })), ['ONLINE_NO_POLICY'])
    assert.deepEqual(online(weekly(['12:00']), {}, { isRegistered: false }), ['ONLINE_NEEDS_REGISTRATION'])
  })

  it('33461: twice a day at most', () => {
    assert.deepEqual(online(weekly(['12:00', '20:00'])), [])
    assert.deepEqual(online(weekly(['06:00', '12:00', '20:00'])), ['33461 ONLINE_TOO_OFTEN'])
    assert.deepEqual(online(weekly(['06:00', '12:00', '20:00']), {}, lifted), [], 'complaint 10')
    assert.deepEqual(online({ kind: 'cron', expression: '0 */8 * * *' }, { retention: { daily: { days: 30, times: ['08:00'] } } }), [
      '33461 ONLINE_TOO_OFTEN',
    ])
  })

  it('100015: on half hours', () => {
    assert.deepEqual(online(weekly(['12:00', '20:30'])), [])
    assert.deepEqual(online(weekly(['12:00', '20:15'])), ['100015 ONLINE_TIME_STEP'])
    assert.deepEqual(online({ kind: 'calendar', expression: '12:00:30' }, { retention: { daily: { days: 30, times: ['12:00'] } } }), [
      '100015 ONLINE_TIME_STEP',
      '33465 ONLINE_RETENTION_TIME_NOT_SCHEDULED',
    ])
  })
})

describe('§3.8 online retention', () => {
  const rows = (retention: object, schedule: object = weekly(['12:00', '20:00']), facts: Partial<GroupFacts> = {}) =>
    codes(check({ online: { schedule: schedule as never, retention: retention as never } }, facts))
  const SQL_PAGE = {
    daily: { days: 180, times: ['12:00', '20:00'] },
    weekly: { weeks: 104, weekdays: ['sat'], times: ['12:00'] },
    monthly: { months: 60, on: { kind: 'relative', which: 'last', weekday: 'sat' }, times: ['12:00'] },
    yearly: { years: 10, inMonths: [3], on: { kind: 'relative', which: 'last', weekday: 'sat' }, times: ['12:00'] },
  }

  it("the documents' example is fine, and so is none of a row", () => {
    assert.deepEqual(rows(SQL_PAGE), [])
    assert.deepEqual(rows({ monthly: SQL_PAGE.monthly }), [])
    assert.deepEqual(rows({}), ['ONLINE_RETENTION_EMPTY'])
  })

  it('33468: 7 days, 4 weeks, 3 months, 1 year while the security features are on', () => {
    const { weekly: w, monthly: m } = SQL_PAGE
    assert.deepEqual(rows({ daily: { days: 7, times: ['12:00'] }, weekly: { ...w, weeks: 4 }, monthly: { ...m, months: 3 } }), [])
    const short = { daily: { days: 6, times: ['12:00'] }, weekly: { ...w, weeks: 3 }, monthly: { ...m, months: 2 } }
    assert.deepEqual(rows(short), Array(3).fill('33468 ONLINE_RETENTION_BELOW_FLOOR'))
    assert.deepEqual(rows(short, undefined, { settings: { ...DEFAULT_SETTINGS, hasOnlineFloors: false } }), [])
  })

  it('33422: 9999 points in all', () => {
    assert.deepEqual(rows({ daily: { days: 4999, times: ['12:00', '20:00'] } }), [])
    assert.deepEqual(rows({ daily: { days: 5000, times: ['12:00', '20:00'] } }), ['33422 ONLINE_POINTS_OVER_CAP'])
    assert.deepEqual(rows({ daily: { days: 5000, times: ['12:00', '20:00'] } }, undefined, lifted), [])
  })

  it('33465: a row names times and days that the schedule has', () => {
    assert.deepEqual(rows({ daily: { days: 30, times: ['13:00'] } }), ['33465 ONLINE_RETENTION_TIME_NOT_SCHEDULED'])
    const onMonday = weekly(['12:00'], ['mon'])
    assert.deepEqual(rows({ weekly: { weeks: 8, weekdays: ['mon', 'sat'], times: ['12:00'] } }, onMonday), [
      '33465 ONLINE_RETENTION_TIME_NOT_SCHEDULED',
    ])
    assert.deepEqual(
      rows({ monthly: { months: 12, on: { kind: 'date', day: 15 }, times: ['12:00'] } }, onMonday),
      [],
      'some 15ths are Mondays',
    )
    assert.deepEqual(rows({ yearly: { ...SQL_PAGE.yearly, times: ['12:30'] } }), ['33465 ONLINE_RETENTION_TIME_NOT_SCHEDULED'])
  })
})

describe('§3.9 initial online copy', () => {
  const offline = { method: 'offline' as const, stagingPath: '//seed/share' }
  const before = (hasInitialCopy: boolean, isSeedPending: boolean) => ({
    before: { group: group({ online: { retention: RETENTION, initialCopy: offline } }), hasInitialCopy, isSeedPending },
  })

  it('33478: how it travels is final once it has begun', () => {
    assert.deepEqual(codes(check({ online: { retention: RETENTION } }, before(true, false))), ['33478 ONLINE_INITIAL_COPY_FROZEN'])
    assert.deepEqual(check({ online: { retention: RETENTION } }, before(false, false)), [])
  })

  it('100128: members, times and retention stay while an offline seed is on its way', () => {
    const seeding = { retention: RETENTION, initialCopy: offline }
    assert.deepEqual(check({ online: seeding, slaHours: 24 }, before(true, true)), [])
    const refusals = check(
      { members: [member(2)], online: { ...seeding, schedule: weekly(['12:00']), retention: { daily: { days: 31, times: ['12:00'] } } } },
      before(true, true),
    )
    assert.deepEqual(codes(refusals), Array(3).fill('100128 ONLINE_SEED_PENDING'))
  })
})

describe('§3.6 and §3.10 options', () => {
  it('31061: a later replica creation is less than a year ahead', () => {
    const later = (at: string) => codes(check({ replicaCreation: { method: 'later', at } }))
    assert.deepEqual(later('2026-12-31T23:59:59Z'), [])
    assert.deepEqual(later('2027-01-01T00:00:00Z'), ['31061 REPLICA_CREATION_DATE'])
    assert.deepEqual(later('2025-12-31T23:59:59Z'), ['31061 REPLICA_CREATION_DATE'])
  })

  it('an offset is shorter than the frequency', () => {
    assert.deepEqual(check({ startOffsetMinutes: 14 }), [])
    assert.deepEqual(codes(check({ startOffsetMinutes: 15 })), ['OFFSET_INVALID'])
  })

  it('140 and 280005 to 280007: throttling', () => {
    const throttle = {
      agentId: id(1),
      workDays: ['mon' as const],
      workFrom: '08:00',
      workTo: '18:00',
      workMegabitsPerSecond: 1,
      otherMegabitsPerSecond: 10_000,
    }
    assert.deepEqual(check({ throttles: [throttle] }), [])
    assert.deepEqual(
      codes(check({ throttles: [{ ...throttle, workMegabitsPerSecond: 0.5, otherMegabitsPerSecond: 10_001 }] })),
      Array(2).fill('140 THROTTLE_OUT_OF_RANGE'),
    )
    assert.deepEqual(codes(check({ throttles: [{ ...throttle, workDays: [], workTo: '08:00' }] })), [
      '280006 THROTTLE_NO_WORK_DAY',
      '280007 THROTTLE_HOURS_EQUAL',
    ])
    const online = { workDays: ['mon'], workFrom: '08:00', workTo: '18:00', workKilobitsPerSecond: 512, otherKilobitsPerSecond: 1_023_000 }
    assert.deepEqual(validateOnlineThrottle(online), [])
    assert.deepEqual(
      codes(validateOnlineThrottle({ ...online, workKilobitsPerSecond: 511, otherKilobitsPerSecond: 1_023_001 })),
      Array(2).fill('280005 THROTTLE_ONLINE_OUT_OF_RANGE'),
    )
  })

  it('an SLA is a divisor or a multiple of 24 hours, 2160 at most', () => {
    for (const hours of [1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 2160]) assert.deepEqual(check({ slaHours: hours }), [], String(hours))
    for (const hours of [0, 5, 7, 36, 2184, -24]) assert.deepEqual(codes(check({ slaHours: hours })), ['SLA_INVALID'], String(hours))
  })

  it('windows, blackouts and scripts make sense', () => {
    assert.deepEqual(codes(check({ consistencyCheck: { daily: { time: '02:00', maxDurationMinutes: 0 } } })), ['WINDOW_INVALID'])
    assert.deepEqual(
      codes(
        check({
          blackouts: [
            { fromDate: '2026-12-26', toDate: '2026-12-24' },
            { fromDate: '2026-02-30', toDate: '2026-03-01' },
          ],
        }),
      ),
      Array(2).fill('WINDOW_INVALID'),
    )
    const scripted = member(1, { preScript: { path: 'freeze.sh' }, postScript: { path: '/opt/thaw.sh' }, scriptTimeoutSeconds: 0 })
    assert.deepEqual(codes(check({ members: [scripted] })), Array(2).fill('SCRIPT_INVALID'))
  })
})

describe('§3.10 a change', () => {
  it('says who joins, who leaves, what is checked, and whether points will live shorter', () => {
    const before = group({ members: [member(1), member(2), member(3)], online: { retention: RETENTION } })
    const narrower = member(2, { selection: { excludes: ['/tmp'] } })
    const change = changeOf(before, group({ members: [member(1), narrower, member(4)], online: { retention: RETENTION } }))
    assert.deepEqual(
      change.added.map(({ name }) => name),
      ['source 4'],
    )
    assert.deepEqual(
      change.removed.map(({ name }) => name),
      ['source 3'],
    )
    assert.deepEqual(
      change.toCheck.map(({ name }) => name),
      ['source 2'],
    )
    assert.deepEqual([change.isRetentionShortened, change.isScheduleChanged], [false, false])
    const all = { members: [member(1), member(2), member(3)] }
    assert.equal(changeOf(before, group({ ...all, excludedExtensions: ['.tmp'], online: { retention: RETENTION } })).toCheck.length, 3)
    const shortened = (rest: Partial<ProtectionGroupInput>) => changeOf(before, group({ ...all, ...rest })).isRetentionShortened
    assert.equal(shortened({ online: { retention: RETENTION } }), false)
    assert.equal(shortened({ online: { retention: { daily: { days: 31, times: ['12:00'] } } } }), false)
    assert.equal(shortened({ online: { retention: { daily: { days: 29, times: ['12:00'] } } } }), true)
    assert.equal(shortened({ online: { retention: { daily: { days: 30, times: ['20:00'] } } } }), true)
    assert.equal(shortened({}), true)
    assert.equal(shortened({ shortTerm: { retentionDays: 4 }, online: { retention: RETENTION } }), true)
  })
})
