import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openZone } from '../calendar/zone.ts'
import { explainExpired, explainKept } from './explain.ts'
import { at, DAY, daily, disk, gone, HOUR, kept, NOW, plan, point, reasons } from './points.fixture.ts'
import type { RetainedPoint, RetentionContext, RetentionPlan, RetentionPolicy } from './types.ts'

describe('§3.4 short-term retention', () => {
  it('keeps points for their range, to the moment', () => {
    const points = [point('a', NOW - 5 * DAY), point('b', NOW - 5 * DAY + 1), ...daily(3)]
    assert.deepEqual(gone(plan(points, disk(5))), ['a'])
    assert.deepEqual(plan(points, disk(5)).expire[0]?.why, { kind: 'range-over', sinceMs: NOW })
    assert.equal(plan(points, disk(5)).keep[0]?.expiresMs, NOW + 1)
  })

  it('the last three good points never go, however old', () => {
    const old = daily(10).map((each) => ({ ...each, createdMs: each.createdMs - 900 * DAY }))
    assert.deepEqual(kept(plan(old, disk(5))), ['d7', 'd8', 'd9'])
    assert.deepEqual(kept(plan([...old, point('bad', NOW - 800 * DAY, { isGood: false })], disk(5))), ['d7', 'd8', 'd9'])
    assert.equal(plan(old, disk(5)).keep[0]?.expiresMs, undefined)
    assert.deepEqual(kept(plan(old, disk(5, { keepLastGood: 0 }))), [])
  })

  it('days on which the replica was inconsistent do not count', () => {
    const points = [point('a', NOW - 7 * DAY), ...daily(3)]
    const period = (from: number, to: number) => ({ inconsistencies: [{ fromMs: NOW - from * DAY, toMs: NOW - to * DAY }] })
    assert.deepEqual(gone(plan(points, disk(5))), ['a'])
    assert.deepEqual(gone(plan(points, disk(5), period(6, 3))), [])
    assert.deepEqual(gone(plan(points, disk(5), period(6, 4))), ['a'], 'two days: it is over now')
    assert.deepEqual(gone(plan(points, disk(5), period(20, 6))), ['a'], 'only from when it was made: one day')
    const overlapping = { inconsistencies: [...period(6, 4).inconsistencies, ...period(5, 4).inconsistencies] }
    assert.deepEqual(gone(plan(points, disk(5), overlapping)), ['a'], 'no time counts twice')
  })

  it('§10.8: nothing goes while the replica is inconsistent', () => {
    const points = daily(30)
    const result = plan(points, disk(5), { inconsistencies: [{ fromMs: NOW - HOUR }] })
    assert.deepEqual(gone(result), [])
    assert.deepEqual(reasons(result, 'd0'), ['replica-inconsistent'])
  })

  it('§10.8: a full stays with its chain', () => {
    const points = [
      point('full', NOW - 20 * DAY),
      point('log1', NOW - 19 * DAY, { dependsOn: 'full' }),
      point('log2', NOW - 2 * DAY, { dependsOn: 'log1' }),
      point('full2', NOW - 19 * DAY),
      ...daily(3),
    ]
    const result = plan(points, disk(5))
    assert.deepEqual(gone(result), ['full2'])
    assert.deepEqual(reasons(result, 'full'), ['needed-by'])
  })

  it('pinned and held points stay', () => {
    const points = [
      point('pin', NOW - 99 * DAY, { isPinned: true }),
      point('until', NOW - 99 * DAY, { pinnedUntilMs: NOW + 1 }),
      point('over', NOW - 99 * DAY, { pinnedUntilMs: NOW }),
      point('hold', NOW - 99 * DAY, { hasLegalHold: true }),
      ...daily(3),
    ]
    assert.deepEqual(gone(plan(points, disk(5))), ['over'])
  })

  it('without any policy nothing goes', () => {
    const result = plan(daily(9), { timeZone: 'UTC' })
    assert.deepEqual(gone(result), [])
    assert.deepEqual(reasons(result, 'd0'), ['no-policy'])
  })
})

describe('§3.8 online retention', () => {
  const SQL_PAGE: RetentionPolicy = {
    timeZone: 'UTC',
    keepLastGood: 0,
    online: {
      daily: { days: 30, times: ['12:00'] },
      weekly: { weeks: 8, weekdays: ['sat'], times: ['12:00'] },
      monthly: { months: 12, on: { kind: 'relative', which: 'last', weekday: 'sat' }, times: ['12:00'] },
      yearly: { years: 3, inMonths: [3], on: { kind: 'relative', which: 'last', weekday: 'sat' }, times: ['12:00'] },
    },
  }
  /** One point a day at 12:05, for `days` up to now. */
  const noons = (days: number) => Array.from({ length: days }, (_, i) => point(`n${i}`, at('2026-05-31T12:05:00Z') - (days - 1 - i) * DAY))
  const dates = (result: RetentionPlan) => result.keep.map(({ point: { createdMs } }) => new Date(createdMs).toISOString().slice(0, 10))

  it('keeps what each row asks for', () => {
    const result = plan(noons(1200), SQL_PAGE)
    const all = dates(result)
    assert.equal(all.filter((date) => date >= '2026-05-02').length, 30)
    const weekly = result.keep.filter(({ reasons: own }) => own.some((reason) => reason.kind === 'row' && reason.row === 'weekly'))
    assert.equal(weekly.length, 8)
    const monthly = result.keep.filter(({ reasons: own }) => own.some((reason) => reason.kind === 'row' && reason.row === 'monthly'))
    assert.deepEqual(
      monthly.map(({ point: { createdMs } }) => new Date(createdMs).toISOString().slice(0, 10)),
      [
        '2025-06-28',
        '2025-07-26',
        '2025-08-30',
        '2025-09-27',
        '2025-10-25',
        '2025-11-29',
        '2025-12-27',
        '2026-01-31',
        '2026-02-28',
        '2026-03-28',
        '2026-04-25',
        '2026-05-30',
      ],
    )
    assert.deepEqual(all.slice(0, 2), ['2024-03-30', '2025-03-29'])
  })

  it('one point satisfies several rows, and goes at the latest of them', () => {
    const result = plan(noons(100), SQL_PAGE)
    const march = result.keep.find(({ point: { createdMs } }) => createdMs === at('2026-03-28T12:05:00Z'))
    assert.equal(march?.expiresMs, at('2029-03-28T12:05:00Z'))
    assert.deepEqual(
      march?.reasons.map((reason) => reason.kind === 'row' && reason.row),
      ['monthly', 'yearly'],
      'nine weeks old: the weekly row is over',
    )
  })

  it('a tag passes to the next success where its backup was missed', () => {
    // The last Saturday of March, and the Sunday after.
    const missed = noons(100).filter(({ createdMs }) => createdMs < at('2026-03-28T00:00Z') || createdMs > at('2026-03-30T00:00Z'))
    const monday = plan(missed, SQL_PAGE).keep.find(({ point: { createdMs } }) => createdMs === at('2026-03-30T12:05:00Z'))
    const tags = monday?.reasons.map(
      (reason) => reason.kind === 'row' && `${reason.row} ${new Date(reason.slotMs).toISOString().slice(0, 10)}`,
    )
    assert.deepEqual(tags, ['monthly 2026-03-28', 'yearly 2026-03-28'])
    assert.equal(monday?.expiresMs, at('2029-03-30T12:05:00Z'))
  })

  it('a damaged point carries no tag: the next good one does', () => {
    const points = noons(100).map((each) => (each.createdMs === at('2026-03-28T12:05:00Z') ? { ...each, isGood: false } : each))
    const result = plan(points, SQL_PAGE)
    assert.ok(dates(result).includes('2026-03-29'))
    assert.ok(!dates(result).includes('2026-03-28'))
  })

  it('a tag keeps to the wall clock of its zone', () => {
    const points = [point('x', at('2026-03-28T11:01:00Z')), ...noons(3)]
    const zoned = plan(points, { ...SQL_PAGE, timeZone: 'Europe/Amsterdam' }).keep.find((each) => each.point.id === 'x')
    const slot = zoned?.reasons.find((reason) => reason.kind === 'row')
    assert.equal(slot?.kind === 'row' && slot.slotMs, at('2026-03-28T11:00:00Z'))
    assert.equal(openZone('Europe/Amsterdam').toLocal(zoned?.expiresMs ?? 0), at('2029-03-28T12:01:00Z'))
  })

  it('33468: floors of 7 days, 4 weeks, 3 months and 1 year hold, whatever the policy says', () => {
    const short: RetentionPolicy = {
      timeZone: 'UTC',
      keepLastGood: 0,
      online: {
        daily: { days: 1, times: ['12:00'] },
        weekly: { weeks: 1, weekdays: ['sat'], times: ['12:00'] },
        monthly: { months: 1, on: { kind: 'date', day: 1 }, times: ['12:00'] },
        yearly: { years: 1, inMonths: [1], on: { kind: 'date', day: 1 }, times: ['12:00'] },
      },
    }
    const count = (row: string, hasFloors: boolean) =>
      plan(noons(500), { ...short, hasFloors }).keep.filter(({ reasons: own }) =>
        own.some((reason) => reason.kind === 'row' && reason.row === row),
      ).length
    assert.deepEqual(
      ['daily', 'weekly', 'monthly', 'yearly'].map((row) => count(row, false)),
      [1, 1, 1, 1],
    )
    assert.deepEqual(
      ['daily', 'weekly', 'monthly', 'yearly'].map((row) => count(row, true)),
      [7, 4, 3, 1],
    )
    const unplanned = [...noons(30), point('extra', NOW - 6 * DAY)]
    assert.deepEqual(reasons(plan(unplanned, { ...short, hasFloors: true }), 'extra'), ['floor'])
  })

  it('a point on demand stays as long as the shortest row; a scheduled one that no row names goes', () => {
    const points = [...noons(40), point('demand', NOW - 2 * DAY - HOUR, { isOnDemand: true }), point('evening', NOW - 2 * DAY - 2 * HOUR)]
    const result = plan(points, SQL_PAGE)
    assert.deepEqual(reasons(result, 'demand'), ['on-demand'])
    assert.deepEqual(result.expire.find((each) => each.point.id === 'evening')?.why, { kind: 'no-row' })
  })
})

describe('§7.2 caps', () => {
  it('64, 448 and 9999: the oldest that nothing else holds go', () => {
    for (const maxPoints of [64, 448]) {
      const points = daily(maxPoints + 10)
      points[0] = { ...(points[0] as RetainedPoint), isPinned: true }
      const result = plan(points, disk(1000, { maxPoints }))
      assert.equal(result.keep.length, maxPoints)
      assert.deepEqual(
        gone(result),
        points.slice(1, 11).map(({ id }) => id),
      )
      assert.deepEqual(result.expire[0]?.why, { kind: 'over-cap', maxPoints })
    }
    const many = Array.from({ length: 10_005 }, (_, i) => point(`p${i}`, NOW - (10_005 - i) * HOUR))
    assert.equal(plan(many, disk(1000, { maxPoints: 9999 })).expire.length, 6)
  })

  it('never take the last good, what is pinned, or what a kept point needs', () => {
    assert.deepEqual(kept(plan(daily(6), disk(100, { maxPoints: 1 }))), ['d3', 'd4', 'd5'])
    const chain = [point('full', NOW - 5 * DAY), point('log', NOW - 4 * DAY, { dependsOn: 'full' }), ...daily(3)]
    assert.deepEqual(gone(plan(chain, disk(100, { maxPoints: 4 }))), ['log'])
    assert.deepEqual(gone(plan(chain, disk(100, { maxPoints: 3 }))), ['full', 'log'])
  })
})

describe('R12: much at once needs a person', () => {
  it('more than 30 % of a source', () => {
    const asks = (days: number, rest: Partial<RetentionContext> = {}) => plan(daily(10), disk(days), rest).needsPerson
    assert.equal(asks(7), undefined, '3 of 10')
    assert.deepEqual(asks(6), { share: 0.4, maxShare: 0.3 })
  })

  it('unless as many came since retention last ran: a short range is everyday life', () => {
    const points = [0, 1, 2, 3, 4, 5].map((i) => point(`p${i}`, NOW - 30 * HOUR + i * 6 * HOUR))
    const policy = disk(1, { keepLastGood: 3 })
    assert.equal(gone(plan(points, policy)).length, 2)
    assert.ok(plan(points, policy).needsPerson)
    assert.equal(plan(points, policy, { lastRunMs: NOW - DAY }).needsPerson, undefined)
    assert.ok(plan(points, policy, { lastRunMs: NOW - HOUR }).needsPerson)
  })
})

describe('retention explains itself', () => {
  it('in one sentence for each reason', () => {
    const result = plan([...daily(40), point('pin', NOW - 90 * DAY, { isPinned: true })], disk(5), { lastRunMs: 0 })
    const sentences = (id: string) => explainKept(result.keep.find((each) => each.point.id === id) ?? assert.fail(id), 'Europe/Amsterdam')
    assert.deepEqual(sentences('pin'), ['pinned'])
    assert.deepEqual(sentences('d39'), ['within the retention range until 2026-06-06 01:00', 'the newest good point'])
    assert.equal(explainExpired(result.expire[0] ?? assert.fail(), 'UTC'), 'its last range was over at 2026-04-27 23:00')
  })
})
