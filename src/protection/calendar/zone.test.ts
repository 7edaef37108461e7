import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { addMonths, dateOf, dayOf, daysInMonth, formatLocal, parseDate, weekdayOf } from './civil.ts'
import { isTimeZone, openZone } from './zone.ts'

const ZONES = [
  'UTC',
  'Europe/Amsterdam',
  'Australia/Lord_Howe', // half an hour of daylight saving
  'America/Sao_Paulo', // until 2019, midnight did not exist once a year
  'Asia/Kathmandu', // +05:45
  'America/New_York',
  'Pacific/Apia', // 2011-12-30 never was
  'Africa/Casablanca', // twice a year, by the moon
  'Pacific/Kiritimati',
]
const HOUR = 3_600_000
const zoneName = fc.constantFrom(...ZONES)
const instant = fc.integer({ min: Date.UTC(2008, 0, 1) / 1000, max: Date.UTC(2037, 0, 1) / 1000 }).map((seconds) => seconds * 1000)

describe('dates without a zone', () => {
  it('are those of the calendar', () => {
    fc.assert(
      fc.property(fc.integer({ min: -200_000, max: 200_000 }), (day) => {
        const date = dateOf(day)
        const known = new Date(day * 86_400_000)
        assert.deepEqual([date.year, date.month, date.day], [known.getUTCFullYear(), known.getUTCMonth() + 1, known.getUTCDate()])
        assert.equal(dayOf(date), day)
        assert.equal(weekdayOf(day), ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][known.getUTCDay()])
        assert.equal(daysInMonth(date.year, date.month), new Date(Date.UTC(date.year, date.month, 0)).getUTCDate())
      }),
    )
  })

  it('stay within a month when months are added', () => {
    const local = (text: string) => Date.parse(`${text}Z`)
    assert.equal(addMonths(local('2024-01-31T12:00:00'), 1), local('2024-02-29T12:00:00'))
    assert.equal(addMonths(local('2024-02-29T12:00:00'), 12), local('2025-02-28T12:00:00'))
    assert.equal(addMonths(local('2024-11-30T00:30:00'), 3), local('2025-02-28T00:30:00'))
    assert.equal(formatLocal(local('2024-02-03T04:05:06')), '2024-02-03 04:05')
    assert.deepEqual(['2024-02-30', '2024-13-01', '2024-2-1', 'x'].map(parseDate), [undefined, undefined, undefined, undefined])
  })
})

describe('a wall clock', () => {
  it('shows what Intl shows', () => {
    fc.assert(
      fc.property(zoneName, instant, (name, ms) => {
        const shown = new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'medium' }).format(ms)
        assert.equal(new Date(openZone(name).toLocal(ms)).toISOString().slice(0, 19).replace('T', ' '), shown)
      }),
    )
  })

  it('leads back to the instant, to the first where there are two, to the end of the gap where there is none', () => {
    fc.assert(
      fc.property(zoneName, instant, (name, near) => {
        const zone = openZone(name)
        const local = zone.toLocal(near)
        const at = zone.toInstant(local)
        assert.equal(zone.toLocal(at), local, 'a time that was shown exists')
        assert.ok(at <= near, 'the first of two')
        for (let back = 900_000; back <= 2 * HOUR; back += 900_000) {
          assert.ok(zone.toLocal(at - back) !== local, 'no earlier instant shows it')
        }
      }),
    )
  })

  it('never goes back when the wall time goes on', () => {
    fc.assert(
      fc.property(zoneName, instant, fc.integer({ min: 0, max: 48 * HOUR }), (name, local, more) => {
        const zone = openZone(name)
        assert.ok(zone.toInstant(local) <= zone.toInstant(local + more))
      }),
    )
  })

  it('knows the changes of 2026 in Amsterdam', () => {
    const { toInstant } = openZone('Europe/Amsterdam')
    const at = (text: string) => new Date(toInstant(Date.parse(`${text}Z`))).toISOString()
    assert.equal(at('2026-03-29T01:59:59'), '2026-03-29T00:59:59.000Z')
    assert.equal(at('2026-03-29T02:00:00'), '2026-03-29T01:00:00.000Z', 'does not exist: the first instant after the gap')
    assert.equal(at('2026-03-29T02:30:00'), '2026-03-29T01:00:00.000Z')
    assert.equal(at('2026-03-29T03:00:00'), '2026-03-29T01:00:00.000Z')
    assert.equal(at('2026-10-25T02:30:00'), '2026-10-25T00:30:00.000Z', 'exists twice: the first')
    assert.equal(at('2026-10-25T03:00:00'), '2026-10-25T02:00:00.000Z')
  })

  it('knows a day that never was, and one without a midnight', () => {
    const at = (zone: string, text: string) => new Date(openZone(zone).toInstant(Date.parse(`${text}Z`))).toISOString()
    assert.equal(at('Pacific/Apia', '2011-12-30T12:00:00'), '2011-12-30T10:00:00.000Z')
    assert.equal(at('America/Sao_Paulo', '2018-11-04T00:00:00'), '2018-11-04T03:00:00.000Z')
    assert.equal(at('Australia/Lord_Howe', '2026-10-04T02:15:00'), '2026-10-03T15:30:00.000Z')
  })

  it('is refused under a name that nobody knows', () => {
    assert.ok(ZONES.every(isTimeZone))
    assert.deepEqual(['', 'Europe/Atlantis', '+01:00', 'foo'].map(isTimeZone), [false, false, false, false])
  })
})
