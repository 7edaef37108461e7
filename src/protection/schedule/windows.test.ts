import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { WEEKDAYS } from '../calendar/civil.ts'
import type { DateRange, WeeklyWindow } from './shape.ts'
import { spreadMs } from './spread.ts'
import { nextOpenMs, openState, type RunningTimes } from './windows.ts'

const HOUR = 3_600_000
const at = (text: string) => Date.parse(text)
const iso = (ms: number | undefined) => (ms === undefined ? 'never' : new Date(ms).toISOString().slice(0, 16))
const NIGHT: WeeklyWindow = { weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'], start: '22:00', durationMinutes: 480 }
const times = (windows: WeeklyWindow[], blackouts: (WeeklyWindow | DateRange)[] = [], timeZone = 'UTC'): RunningTimes => ({
  windows,
  blackouts,
  timeZone,
})

describe('§3.10 backup windows', () => {
  it('are open from their start for their duration, over midnight too', () => {
    // 2026-01-02 is a Friday.
    assert.deepEqual(openState(times([NIGHT]), at('2026-01-03T05:59Z')), { isOpen: true, untilMs: at('2026-01-03T06:00Z') })
    assert.deepEqual(openState(times([NIGHT]), at('2026-01-03T06:00Z')), { isOpen: false, untilMs: at('2026-01-05T22:00Z') })
    assert.equal(iso(nextOpenMs(times([NIGHT]), at('2026-01-03T12:00Z'))), '2026-01-05T22:00')
    assert.equal(iso(nextOpenMs(times([NIGHT]), at('2026-01-05T23:00Z'))), '2026-01-05T23:00')
  })

  it('without any, it is always open, but for blackouts', () => {
    assert.deepEqual(openState(times([]), 0), { isOpen: true, untilMs: undefined })
    const holidays: DateRange = { fromDate: '2026-12-24', toDate: '2026-12-26' }
    assert.deepEqual(openState(times([], [holidays], 'Europe/Amsterdam'), at('2026-12-20T00:00Z')), {
      isOpen: true,
      untilMs: at('2026-12-23T23:00Z'),
    })
    assert.equal(iso(nextOpenMs(times([], [holidays], 'Europe/Amsterdam'), at('2026-12-25T00:00Z'))), '2026-12-26T23:00')
    assert.equal(openState(times([], [holidays], 'Europe/Amsterdam'), at('2026-12-26T22:59Z')).isOpen, false, 'the last day is part of it')
    assert.equal(openState(times([], [holidays], 'Europe/Amsterdam'), at('2026-12-26T23:00Z')).isOpen, true)
  })

  it('blackouts win over windows, and what never opens says so', () => {
    const noon: WeeklyWindow = { weekdays: [...WEEKDAYS], start: '12:00', durationMinutes: 60 }
    assert.equal(openState(times([noon], [{ ...noon, durationMinutes: 30 }]), at('2026-01-03T12:10Z')).isOpen, false)
    assert.equal(iso(nextOpenMs(times([noon], [{ ...noon, durationMinutes: 30 }]), at('2026-01-03T12:10Z'))), '2026-01-03T12:30')
    assert.equal(nextOpenMs(times([noon], [noon]), at('2026-01-03T12:10Z')), undefined)
  })

  it('last their elapsed time across daylight saving', () => {
    const state = openState(
      times([{ weekdays: [...WEEKDAYS], start: '01:00', durationMinutes: 180 }], [], 'Europe/Amsterdam'),
      at('2026-03-29T00:30Z'),
    )
    assert.deepEqual(state, { isOpen: true, untilMs: at('2026-03-29T03:00Z') })
  })

  it('change only where they say', () => {
    const window = fc.record({
      weekdays: fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1 }),
      start: fc.integer({ min: 0, max: 23 }).map((h) => `${String(h).padStart(2, '0')}:00`),
      durationMinutes: fc.integer({ min: 1, max: 48 }).map((n) => n * 60),
    })
    const some = fc.array(window, { maxLength: 3 })
    fc.assert(
      fc.property(some, some, fc.integer({ min: 0, max: 8760 }), (windows, blackouts, hours) => {
        const running = times(windows, blackouts)
        const start = at('2026-01-01T00:00Z') + hours * HOUR
        const state = openState(running, start)
        const until = Math.min(state.untilMs ?? Number.POSITIVE_INFINITY, start + 200 * HOUR)
        for (let ms = start; ms < until; ms += HOUR) assert.equal(openState(running, ms).isOpen, state.isOpen)
        if (state.untilMs !== undefined) assert.equal(openState(running, state.untilMs).isOpen, !state.isOpen)
      }),
      { numRuns: 60 },
    )
  })
})

describe('§3.10 spread', () => {
  it('is the same for the same id, and even over many', () => {
    const buckets = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) {
      const id = i.toString(16).padStart(32, '0')
      const ms = spreadMs(id, HOUR)
      assert.equal(ms, spreadMs(id, HOUR))
      assert.ok(ms >= 0 && ms < HOUR)
      const bucket = Math.floor((ms / HOUR) * 10)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    assert.ok(
      buckets.every((count) => count > 850 && count < 1150),
      `even: ${buckets}`,
    )
    assert.equal(spreadMs('a', 0), 0)
  })
})
