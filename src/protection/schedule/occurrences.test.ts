import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../base/errors.ts'
import { WEEKDAYS } from '../calendar/civil.ts'
import { openZone } from '../calendar/zone.ts'
import { frequencyOf, missedRun, occurrencesOf } from './occurrences.ts'
import { type Schedule, scheduleShape } from './shape.ts'
import { localDays, syncOccurrences } from './sync.ts'

const ZONES = ['UTC', 'Europe/Amsterdam', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Asia/Kathmandu', 'Pacific/Apia', 'Africa/Casablanca']
const HOUR = 3_600_000
const DAY = 24 * HOUR
const at = (text: string) => Date.parse(text)
const iso = (ms: number | undefined) => (ms === undefined ? 'never' : new Date(ms).toISOString().slice(0, 16))
const weekly = (...times: string[]): Schedule => ({ kind: 'weekly', times, weekdays: [...WEEKDAYS] })

const zone = fc.constantFrom(...ZONES)
const instant = fc.integer({ min: at('2010-01-01T00:00Z') / 1000, max: at('2036-01-01T00:00Z') / 1000 }).map((s) => s * 1000)
const time = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((hm) => hm.map((n) => String(n).padStart(2, '0')).join(':'))
const schedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({
    kind: fc.constant('weekly' as const),
    times: fc.array(time, { minLength: 1, maxLength: 4 }),
    weekdays: fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1 }),
  }),
  fc.record({
    kind: fc.constant('every' as const),
    every: fc.integer({ min: 1, max: 5 }),
    unit: fc.constantFrom('day' as const, 'week' as const, 'month' as const),
    from: fc.constantFrom('2009-05-31', '2008-02-29'),
    times: fc.array(time, { minLength: 1, maxLength: 2 }),
  }),
  fc
    .constantFrom('*:0/15', 'mon..fri 8..17:0/15', 'Sat *-1..7 15:00', 'hourly')
    .map((expression) => ({ kind: 'calendar' as const, expression })),
  fc.constantFrom('30 2 * * *', '*/10 1-3 * * *', '0 12 * * 6#L').map((expression) => ({ kind: 'cron' as const, expression })),
)

describe('§3.4 schedules: across daylight saving', () => {
  it('complaint 15: a time that does not exist runs at the first instant after the gap, one that exists twice runs once', () => {
    const runs = (text: string, days: number) =>
      [...occurrencesOf(weekly('02:30'), 'Europe/Amsterdam').between(at(text), at(text) + days * DAY)].map(iso)
    assert.deepEqual(runs('2026-03-28T00:00Z', 3), ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'])
    assert.deepEqual(runs('2026-10-24T00:00Z', 3), ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'])
  })

  it('the same, however the schedule is written', () => {
    const same: Schedule[] = [weekly('02:30'), { kind: 'calendar', expression: '2:30' }, { kind: 'cron', expression: '30 2 * * *' }]
    const all = same.map((each) => [
      ...occurrencesOf(each, 'Australia/Lord_Howe').between(at('2026-01-01T00:00Z'), at('2027-01-01T00:00Z')),
    ])
    assert.equal(all[0]?.length, 365)
    assert.deepEqual(all[1], all[0])
    assert.deepEqual(all[2], all[0])
  })

  it('several times in one gap are one run, and the hour that comes twice has its times once', () => {
    const quarter: Schedule = { kind: 'calendar', expression: '*:0/15' }
    const count = (text: string) => {
      const start = openZone('Europe/Amsterdam').toInstant(at(`${text}T00:00Z`))
      const end = openZone('Europe/Amsterdam').toInstant(at(`${text}T00:00Z`) + DAY)
      return [...occurrencesOf(quarter, 'Europe/Amsterdam').between(start, end)].length
    }
    assert.deepEqual(['2026-03-28', '2026-03-29', '2026-10-25'].map(count), [96, 92, 96])
  })

  it('each wall time runs exactly once, at an instant that shows it or at the end of its gap', () => {
    fc.assert(
      fc.property(zone, schedule, instant, (name, each, from) => {
        const { toLocal, toInstant } = openZone(name)
        const utc = occurrencesOf(each, 'UTC')
        const expected = new Set<number>()
        for (const wall of utc.between(toLocal(from) - 3 * DAY, toLocal(from) + 6 * DAY)) {
          const run = toInstant(wall)
          if (run >= from && run < from + 3 * DAY) expected.add(run)
        }
        const runs = [...occurrencesOf(each, name).between(from, from + 3 * DAY)]
        assert.deepEqual(
          runs,
          [...expected].sort((a, b) => a - b),
        )
        assert.equal(new Set(runs).size, runs.length)
      }),
      { numRuns: 150 },
    )
  })

  it('next is after, between is made of nexts, and last is the end of between', () => {
    fc.assert(
      fc.property(zone, schedule, instant, fc.integer({ min: 0, max: 100 * DAY }), (name, each, from, span) => {
        const runs = occurrencesOf(each, name)
        const next = runs.next(from)
        assert.ok(next !== undefined && next > from)
        assert.equal(runs.next(next - 1), next)
        assert.equal([...runs.between(from + 1, next + 1)].length, 1)
        const back = Math.min(span, 20 * DAY)
        assert.equal(runs.last(from - back, from), [...runs.between(from - back + 1, from + 1)].at(-1))
      }),
      { numRuns: 100 },
    )
  })
})

describe('§3.7 intervals', () => {
  const every = (rest: object): Schedule => scheduleShape.parse({ kind: 'every', every: 1, unit: 'day', times: ['12:00'], ...rest })
  const first = (rest: object, count: number) => {
    const runs: string[] = []
    for (const each of occurrencesOf(every(rest), 'UTC').between(at('2026-01-01T00:00Z'), at('2040-01-01T00:00Z'))) {
      runs.push(iso(each).slice(0, 10))
      if (runs.length === count) break
    }
    return runs
  }

  it('every N days, weeks, months and years, counted from a date', () => {
    assert.deepEqual(first({ every: 3, from: '2026-01-02' }, 3), ['2026-01-02', '2026-01-05', '2026-01-08'])
    assert.deepEqual(first({ every: 2, unit: 'week', from: '2026-01-07', weekdays: ['mon', 'sat'] }, 4), [
      '2026-01-10',
      '2026-01-19',
      '2026-01-24',
      '2026-02-02',
    ])
    assert.deepEqual(first({ unit: 'month', from: '2026-01-31' }, 4), ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30'])
    assert.deepEqual(first({ unit: 'year', from: '2026-01-01', months: [3], on: { kind: 'relative', which: 'last', weekday: 'sat' } }, 3), [
      '2026-03-28',
      '2027-03-27',
      '2028-03-25',
    ])
    assert.deepEqual(first({ unit: 'month', on: { kind: 'relative', which: 'first', weekday: 'sun' } }, 3), [
      '2026-01-04',
      '2026-02-01',
      '2026-03-01',
    ])
    assert.deepEqual(first({ unit: 'month', on: { kind: 'date', day: 'last' } }, 2), ['2026-01-31', '2026-02-28'])
  })
})

describe('§3.4 synchronisation', () => {
  it('never pauses for longer than its frequency, and runs in the hour that comes twice', () => {
    fc.assert(
      fc.property(
        zone,
        fc.constantFrom(15, 30, 45, 60),
        fc.integer({ min: 0, max: 14 }),
        instant,
        (name, everyMinutes, offsetMinutes, from) => {
          const runs = [...syncOccurrences({ everyMinutes, offsetMinutes }, name).between(from, from + 2 * DAY)]
          for (const [i, run] of runs.entries()) {
            const before = runs[i - 1]
            if (before !== undefined) assert.ok(run - before > 0 && run - before <= everyMinutes * 60_000)
          }
          assert.ok(runs.length >= Math.floor(2880 / everyMinutes) - 1)
          const sync = syncOccurrences({ everyMinutes, offsetMinutes }, name)
          for (const probe of [from + DAY, from + DAY + 7 * 60_000]) {
            assert.equal(sync.last(from - 1, probe), runs.filter((run) => run <= probe).at(-1))
          }
          for (const { startMs } of localDays(from, from + 2 * DAY, name)) {
            const first = startMs + offsetMinutes * 60_000
            if (first >= from && first < from + 2 * DAY) assert.ok(runs.includes(first), 'each day begins anew')
          }
        },
      ),
      { numRuns: 150 },
    )
    const night = [...syncOccurrences({ everyMinutes: 15 }, 'Europe/Amsterdam').between(at('2026-10-25T00:00Z'), at('2026-10-25T02:00Z'))]
    assert.equal(night.length, 8)
  })

  it('above an hour keeps to the wall clock, so that noon stays noon; the offset shifts it', () => {
    const walls = (everyMinutes: number, offsetMinutes: number) => {
      const runs = [
        ...syncOccurrences({ everyMinutes, offsetMinutes }, 'Europe/Amsterdam').between(at('2026-03-27T23:00Z'), at('2026-03-30T22:00Z')),
      ]
      return runs.map((run) => new Date(openZone('Europe/Amsterdam').toLocal(run)).toISOString().slice(5, 16))
    }
    assert.deepEqual(walls(720, 10), ['03-28T00:10', '03-28T12:10', '03-29T00:10', '03-29T12:10', '03-30T00:10', '03-30T12:10'])
    assert.deepEqual(walls(1440, 600), ['03-28T10:00', '03-29T10:00', '03-30T10:00'])
  })

  it('shifts by the offset of a group', () => {
    const runs = [
      ...syncOccurrences({ everyMinutes: 15, offsetMinutes: 7 }, 'Asia/Kathmandu').between(
        at('2026-01-01T00:00Z'),
        at('2026-01-01T01:00Z'),
      ),
    ]
    assert.deepEqual(runs.map(iso), ['2026-01-01T00:07', '2026-01-01T00:22', '2026-01-01T00:37', '2026-01-01T00:52'])
  })
})

describe('runs that were missed', () => {
  it('in the hour that comes twice, the first pass counts', () => {
    const runs = occurrencesOf(weekly('02:30'), 'Europe/Amsterdam')
    assert.equal(iso(runs.last(0, at('2026-10-25T01:10Z'))), '2026-10-25T00:30', 'it is 02:10 for the second time')
    assert.equal(iso(runs.last(0, at('2026-03-29T01:00Z'))), '2026-03-29T01:00', 'the first instant after the gap')
    assert.equal(iso(runs.last(0, at('2026-03-29T00:59Z'))), '2026-03-28T01:30')
  })

  it('are made up for once, as the newest', () => {
    const runs = occurrencesOf(weekly('08:00', '12:00', '18:00'), 'UTC')
    assert.equal(iso(missedRun(runs, at('2026-01-01T08:00Z'), at('2026-01-09T17:00Z'))), '2026-01-09T12:00')
    assert.equal(missedRun(runs, at('2026-01-01T08:00Z'), at('2026-01-01T11:59Z')), undefined)
    assert.equal(iso(missedRun(runs, at('2026-01-01T11:59Z'), at('2026-01-01T12:00Z'))), '2026-01-01T12:00')
  })
})

describe('how often a schedule runs', () => {
  it('is counted on its busiest day, in a week, and between two runs', () => {
    assert.deepEqual(frequencyOf(weekly('08:00', '12:00', '18:00')), {
      maxPerDay: 3,
      perWeek: 21,
      shortestGapMs: 4 * HOUR,
      longestGapMs: 14 * HOUR,
      total: 84,
    })
    const often = frequencyOf({ kind: 'cron', expression: '* * * * *' })
    assert.equal(often.maxPerDay, 1440)
    assert.equal(often.perWeek, 10_080)
    const yearly = frequencyOf({ kind: 'calendar', expression: 'yearly' })
    assert.ok(yearly.perWeek > 0 && yearly.perWeek < 0.03)
    assert.equal(frequencyOf({ kind: 'calendar', expression: '2020-01-01' }).perWeek, 0)
  })

  it('of cron that can not be read is an error that says why', () => {
    for (const expression of ['bad', '60 * * * *', '* * * * * * *', '0 25 * * *']) {
      assert.throws(
        () => frequencyOf({ kind: 'cron', expression }),
        (error) => hasCode(error, 'SCHEDULE_INVALID'),
      )
    }
  })
})
