import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../base/errors.ts'
import { WEEKDAYS } from '../calendar/civil.ts'
import { parseCalendar } from './calendar-expression.ts'
import { patternOf } from './day-rule.ts'
import { localPatternOf } from './occurrences.ts'

const local = (text: string) => Date.parse(`${text}Z`)
const show = (ms: number | undefined) => (ms === undefined ? 'never' : new Date(ms).toISOString().slice(0, 19))

/** The next ones after 2026-01-01T00:00:00, a Thursday; as `systemd-analyze calendar` (252) has them, which only refuses `Sat..Mon`. */
const NEXT: readonly [expression: string, ...next: string[]][] = [
  ['mon..fri 8..17:0/15', '2026-01-01T08:00:00', '2026-01-01T08:15:00', '2026-01-01T08:30:00'],
  ['Sat *-1..7 15:00', '2026-01-03T15:00:00', '2026-02-07T15:00:00', '2026-03-07T15:00:00'],
  ['daily', '2026-01-02T00:00:00', '2026-01-03T00:00:00'],
  ['weekly', '2026-01-05T00:00:00', '2026-01-12T00:00:00'],
  ['monthly', '2026-02-01T00:00:00'],
  ['quarterly', '2026-04-01T00:00:00', '2026-07-01T00:00:00'],
  ['yearly', '2027-01-01T00:00:00'],
  ['hourly', '2026-01-01T01:00:00', '2026-01-01T02:00:00'],
  ['minutely', '2026-01-01T00:01:00'],
  ['*-*~1 23:30', '2026-01-31T23:30:00', '2026-02-28T23:30:00'],
  ['Sat *-*~7/1 12:00', '2026-01-31T12:00:00', '2026-02-28T12:00:00', '2026-03-28T12:00:00'],
  ['*-02-29', '2028-02-29T00:00:00', '2032-02-29T00:00:00'],
  ['Mon 2-29 08:00', '2044-02-29T08:00:00'],
  ['2026-06-05', '2026-06-05T00:00:00', 'never'],
  ['Sat..Mon 9:00', '2026-01-03T09:00:00', '2026-01-04T09:00:00', '2026-01-05T09:00:00', '2026-01-10T09:00:00'],
  ['Monday,WED 6:30', '2026-01-05T06:30:00', '2026-01-07T06:30:00'],
  ['*:0/20', '2026-01-01T00:20:00', '2026-01-01T00:40:00', '2026-01-01T01:00:00'],
  ['2027..2028-1,7-1 0:00:30', '2027-01-01T00:00:30', '2027-07-01T00:00:30', '2028-01-01T00:00:30', '2028-07-01T00:00:30', 'never'],
  ['*-*-1/10 00:00', '2026-01-11T00:00:00', '2026-01-21T00:00:00', '2026-01-31T00:00:00', '2026-02-01T00:00:00'],
]

describe('§3.4 calendar expressions', () => {
  for (const [expression, ...expected] of NEXT) {
    it(`${expression} runs when systemd says`, () => {
      const pattern = patternOf(parseCalendar(expression))
      let at: number | undefined = local('2026-01-01T00:00:00')
      for (const each of expected) {
        at = at === undefined ? undefined : pattern.nextAfter(at)
        assert.equal(show(at), each)
      }
    })
  }

  it('are refused with what is wrong', () => {
    const wrong = [
      '',
      'mon..',
      'foo',
      '25:00',
      '8:60',
      '*-13-01',
      '*-0-1',
      '1-2-3-4',
      'mon tue',
      '8:00 mon',
      '*:0/0',
      '17..8:00',
      '8:00:00:00',
      '*-*~0',
      'mon 8:00 UTC',
      '8:00 9:00',
      '*-*-32',
      '8.5:00',
      'toString',
    ]
    for (const expression of wrong) {
      assert.throws(
        () => parseCalendar(expression),
        (error) => hasCode(error, 'SCHEDULE_INVALID') && error.message.includes(expression),
        expression,
      )
    }
  })

  const subset = (min: number, max: number) => fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })

  it('match exactly the moments that their parts name', () => {
    const parts = fc.record({
      weekdays: fc.option(subset(0, 6)),
      months: fc.option(subset(1, 12)),
      days: fc.option(subset(1, 31)),
      fromEnd: fc.boolean(),
      hours: subset(0, 23),
      minutes: subset(0, 59),
    })
    fc.assert(
      fc.property(parts, fc.integer({ min: 0, max: 3000 }), ({ weekdays, months, days, fromEnd, hours, minutes }, startDay) => {
        const date = `*-${months?.join(',') ?? '*'}${fromEnd ? '~' : '-'}${days?.join(',') ?? '*'}`
        const expression = `${weekdays?.map((i) => WEEKDAYS[i]).join(',') ?? ''} ${date} ${hours.join(',')}:${minutes.join(',')}`
        const rule = parseCalendar(expression)
        for (let day = 19_000 + startDay; day < 19_000 + startDay + 70; day++) {
          const known = new Date(day * 86_400_000)
          const length = new Date(Date.UTC(known.getUTCFullYear(), known.getUTCMonth() + 1, 0)).getUTCDate()
          const inMonth = fromEnd ? length - known.getUTCDate() + 1 : known.getUTCDate()
          const expected =
            (weekdays?.includes((known.getUTCDay() + 6) % 7) ?? true) &&
            (months?.includes(known.getUTCMonth() + 1) ?? true) &&
            (days?.includes(inMonth) ?? true)
          assert.equal(rule.matchesDay(day), expected, `${expression} on ${known.toISOString()}`)
        }
        assert.deepEqual(
          rule.timesMs,
          hours.flatMap((h) => minutes.map((m) => (h * 60 + m) * 60_000)).sort((a, b) => a - b),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('mean what cron means where both can say it', () => {
    const simple = fc.record({ weekdays: fc.option(subset(0, 6)), hours: subset(0, 23), minutes: subset(0, 59) })
    fc.assert(
      fc.property(simple, fc.integer({ min: 0, max: 10 ** 9 }), ({ weekdays, hours, minutes }, seconds) => {
        const calendar = `${weekdays?.map((i) => WEEKDAYS[i]).join(',') ?? ''} ${hours.join(',')}:${minutes.join(',')}`
        const cron = `${minutes.join(',')} ${hours.join(',')} * * ${weekdays?.map((i) => (i + 1) % 7).join(',') ?? '*'}`
        let at: number | undefined = local('2020-01-01T00:00:00') + seconds * 1000
        for (let i = 0; i < 8 && at !== undefined; i++) {
          const next: number | undefined = localPatternOf({ kind: 'calendar', expression: calendar }).nextAfter(at)
          assert.equal(localPatternOf({ kind: 'cron', expression: cron }).nextAfter(at), next, `${calendar} | ${cron}`)
          if (next === undefined) break
          for (const kind of ['calendar', 'cron'] as const) {
            const back = localPatternOf({ kind, expression: kind === 'cron' ? cron : calendar })
            assert.equal(back.lastBefore(next + 1), next)
            assert.ok((back.lastBefore(next) ?? 0) <= at)
          }
          at = next
        }
      }),
      { numRuns: 60 },
    )
  })
})
