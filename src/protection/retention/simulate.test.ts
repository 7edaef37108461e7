import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { countOnlinePoints } from '../sizing/online-points.ts'
import { type SimulatedDay, simulateRetention } from './simulate.ts'
import type { RetentionPolicy } from './types.ts'

const DAY = 86_400_000
const START = Date.parse('2024-01-01T00:00:00Z')
const ALL = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const last = (days: Iterable<SimulatedDay>): SimulatedDay => [...days].at(-1) ?? assert.fail('no day')

describe('§13 retention over many days', () => {
  it('3 a day for 5 days are 15 points', () => {
    const policy: RetentionPolicy = { timeZone: 'Europe/Amsterdam', shortTermDays: 5 }
    const schedule = { kind: 'weekly' as const, times: ['08:00', '12:00', '18:00'], weekdays: [...ALL] }
    const days = [...simulateRetention({ policy, schedule, fromMs: START, days: 400 })]
    assert.deepEqual(new Set(days.slice(10).map(({ kept }) => kept.length)), new Set([15]))
    assert.ok(days.every(({ needsPerson }) => !needsPerson))
    assert.equal(days[5]?.date, '2024-01-06')
  })

  it('1 day on disk goes on without asking anybody', () => {
    const policy: RetentionPolicy = { timeZone: 'UTC', shortTermDays: 1 }
    const schedule = { kind: 'weekly' as const, times: ['08:00', '12:00', '18:00'], weekdays: [...ALL] }
    for (const day of simulateRetention({ policy, schedule, fromMs: START, days: 30 })) {
      assert.equal(day.needsPerson, false)
      assert.ok(day.kept.length <= 6)
    }
  })

  it('180 d × 2 + 104 w + 60 m + 10 y stays below 534, and 14 + 8 + 24 + 10 below 56', () => {
    const saturday = { kind: 'relative' as const, which: 'last' as const, weekday: 'sat' as const }
    const rows = (daily: number, times: string[], weekly: number, monthly: number, yearly: number) => ({
      daily: { days: daily, times },
      weekly: { weeks: weekly, weekdays: ['sat' as const], times: ['12:00'] },
      monthly: { months: monthly, on: saturday, times: ['12:00'] },
      yearly: { years: yearly, inMonths: [3], on: saturday, times: ['12:00'] },
    })
    const cases = [
      [rows(180, ['12:00', '20:00'], 104, 60, 10), 534, 30],
      [rows(14, ['12:00'], 8, 24, 10), 56, 60],
    ] as const
    for (const [online, upperBound, every] of cases) {
      assert.equal(countOnlinePoints(online).upperBound, upperBound)
      // Eleven years, made at once: simulated days show it for the last month.
      const schedule = { kind: 'weekly' as const, times: [...online.daily.times], weekdays: [...ALL] }
      const points = Array.from({ length: 11 * 365 * 2 }, (_, i) => START - 11 * 365 * DAY + i * DAY * 0.5)
        .map((ms, i) => ({ id: `p${i}`, createdMs: ms + (i % 2 === 0 ? 12 : 8) * 3_600_000, isGood: true }))
        .filter(({ createdMs }) => createdMs < START)
      const policy: RetentionPolicy = { timeZone: 'UTC', online, maxShareAtOnce: 1 }
      const { kept } = last(simulateRetention({ policy, schedule, fromMs: START, days: every, points }))
      assert.ok(kept.length <= upperBound, `${kept.length}`)
      assert.ok(kept.length > upperBound * 0.8, `${kept.length}`)
    }
  })

  it('nothing goes while backups fail: the last three stay', () => {
    const policy: RetentionPolicy = { timeZone: 'UTC', shortTermDays: 5 }
    const schedule = { kind: 'weekly' as const, times: ['12:00'], weekdays: [...ALL] }
    const day = last(simulateRetention({ policy, schedule, fromMs: START, days: 100, fails: (at) => at > START + 20 * DAY }))
    assert.equal(day.kept.length, 3)
  })

  it('nothing goes while the replica is inconsistent, and the points of before live on for as long', () => {
    const policy: RetentionPolicy = { timeZone: 'UTC', shortTermDays: 5 }
    const schedule = { kind: 'weekly' as const, times: ['12:00'], weekdays: [...ALL] }
    const from = START + 20 * DAY
    const days = [
      ...simulateRetention({
        policy,
        schedule,
        fromMs: START,
        days: 60,
        fails: (at) => at >= from && at < from + 10 * DAY,
        inconsistencies: [{ fromMs: from, toMs: from + 10 * DAY }],
      }),
    ]
    assert.ok(days.slice(20, 29).every(({ expired }) => expired.length === 0))
    assert.ok(days.slice(20, 33).every(({ kept }) => kept.length >= 5))
    assert.equal(days.at(-1)?.kept.length, 5)
  })
})
