import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Weekday } from '../calendar/civil.ts'
import { planRetention } from './plan.ts'
import { gone, HOUR, kept, NOW, plan, point } from './points.fixture.ts'
import type { RetentionPolicy } from './types.ts'

const anyPoint = fc.record({
  hoursAgo: fc.integer({ min: 0, max: 24 * 500 }),
  isGood: fc.boolean(),
  isOnDemand: fc.boolean(),
  isPinned: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  hasLegalHold: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  dependsOnNext: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
})
const anyPoints = fc.array(anyPoint, { maxLength: 40 }).map((all) => {
  const made = all.map(({ hoursAgo, dependsOnNext: _, ...rest }, i) => point(`p${i}`, NOW - hoursAgo * HOUR, rest))
  return made.map((each, i) => {
    const older = made.find((other) => other.createdMs < each.createdMs)
    return all[i]?.dependsOnNext && older !== undefined ? { ...each, dependsOn: older.id } : each
  })
})
const times = fc.constantFrom<string[]>(['12:00'], ['00:00', '12:00'], ['20:30'])
const anyPolicy: fc.Arbitrary<RetentionPolicy> = fc.record(
  {
    timeZone: fc.constantFrom('UTC', 'Europe/Amsterdam', 'Australia/Lord_Howe'),
    shortTermDays: fc.integer({ min: 1, max: 100 }),
    online: fc.record(
      {
        daily: fc.record({ days: fc.integer({ min: 1, max: 60 }), times }),
        weekly: fc.record({
          weeks: fc.integer({ min: 1, max: 20 }),
          weekdays: fc.constantFrom<Weekday[]>(['sat'], ['mon', 'thu']),
          times,
        }),
        monthly: fc.record({
          months: fc.integer({ min: 1, max: 15 }),
          on: fc.constantFrom(
            { kind: 'date' as const, day: 31 },
            { kind: 'relative' as const, which: 'last' as const, weekday: 'sat' as const },
          ),
          times,
        }),
      },
      { requiredKeys: [] },
    ),
    hasFloors: fc.boolean(),
    keepLastGood: fc.integer({ min: 0, max: 4 }),
  },
  { requiredKeys: ['timeZone', 'keepLastGood'] },
)

describe('retention, for any points and policy', () => {
  it('does not depend on the order of the points, and answers for each once', () => {
    fc.assert(
      fc.property(
        anyPoints,
        anyPolicy,
        fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
        fc.integer(),
        (points, base, maxPoints, seed) => {
          const policy = maxPoints === undefined ? base : { ...base, maxPoints }
          const shuffled = [...points].sort((a, b) => ((a.createdMs * 31 + seed) % 97) - ((b.createdMs * 31 + seed) % 97))
          const result = plan(points, policy)
          assert.deepEqual(plan(shuffled, policy), result)
          assert.deepEqual([...kept(result), ...gone(result)].sort(), points.map(({ id }) => id).sort())
        },
      ),
    )
  })

  it('never lets pinned, held or the last good go, nor what a kept point needs', () => {
    fc.assert(
      fc.property(anyPoints, anyPolicy, fc.integer({ min: 0, max: 30 }), (points, base, maxPoints) => {
        const policy = { ...base, maxPoints }
        const result = plan(points, policy)
        const left = new Set(kept(result))
        for (const each of points) if (each.isPinned || each.hasLegalHold) assert.ok(left.has(each.id))
        const good = points.filter(({ isGood }) => isGood).length
        const goodLeft = result.keep.filter(({ point: { isGood } }) => isGood).length
        assert.ok(goodLeft >= Math.min(good, policy.keepLastGood ?? 3))
        for (const { point: each } of result.keep) if (each.dependsOn !== undefined) assert.ok(left.has(each.dependsOn))
      }),
    )
  })

  it('a point more never takes an older one away, but for counts of points', () => {
    fc.assert(
      fc.property(anyPoints, anyPolicy, fc.integer({ min: 0, max: 24 * 500 }), (points, base, hoursAgo) => {
        const policy = { ...base, keepLastGood: 0 }
        const added = point('added', NOW - hoursAgo * HOUR)
        const before = plan(points, policy)
        const after = new Set(kept(plan([...points, added], policy)))
        // A tag passes to the earliest point of its slot: that may take it from a younger one, and from what that needs.
        const chain = new Set<string>()
        for (const { point: each } of [...before.keep].reverse()) {
          if (each.createdMs > added.createdMs || chain.has(each.id)) if (each.dependsOn !== undefined) chain.add(each.dependsOn)
        }
        for (const { point: each } of before.keep) {
          if (each.createdMs < added.createdMs && !chain.has(each.id)) assert.ok(after.has(each.id), each.id)
        }
      }),
    )
  })

  it('a policy that keeps for longer keeps at least as much', () => {
    fc.assert(
      fc.property(anyPoints, anyPolicy, fc.integer({ min: 0, max: 30 }), (points, policy, more) => {
        const online = policy.online
        const longer: RetentionPolicy = {
          ...policy,
          ...(policy.shortTermDays === undefined ? {} : { shortTermDays: policy.shortTermDays + more }),
          ...(online === undefined
            ? {}
            : {
                online: {
                  ...(online.daily ? { daily: { ...online.daily, days: online.daily.days + more } } : {}),
                  ...(online.weekly ? { weekly: { ...online.weekly, weeks: online.weekly.weeks + more } } : {}),
                  ...(online.monthly ? { monthly: { ...online.monthly, months: online.monthly.months + more } } : {}),
                },
              }),
          hasFloors: policy.hasFloors === true || more % 2 === 1,
          keepLastGood: (policy.keepLastGood ?? 3) + (more % 3),
        }
        const left = new Set(kept(plan(points, longer)))
        for (const id of kept(plan(points, policy))) assert.ok(left.has(id))
      }),
    )
  })

  it('time alone never brings a point back', () => {
    fc.assert(
      fc.property(anyPoints, anyPolicy, fc.integer({ min: 1, max: 24 * 90 }), (points, policy, hours) => {
        const now = new Set(kept(plan(points, policy)))
        for (const id of kept(planRetention(points, policy, { nowMs: NOW + hours * HOUR }))) assert.ok(now.has(id))
      }),
    )
  })
})
