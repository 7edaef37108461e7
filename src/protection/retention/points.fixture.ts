/** Points and policies for tests of retention, around one moment. */
import { planRetention } from './plan.ts'
import type { KeepReason, RetainedPoint, RetentionContext, RetentionPlan, RetentionPolicy } from './types.ts'

export const DAY = 86_400_000
export const HOUR = 3_600_000
export const at = (text: string) => Date.parse(text)
export const NOW = at('2026-06-01T00:00:00Z')
export const point = (id: string, createdMs: number, rest: Partial<RetainedPoint> = {}): RetainedPoint => ({
  id,
  createdMs,
  isGood: true,
  ...rest,
})
/** `count` points, one a day, the newest an hour ago; d0 is the oldest. */
export const daily = (count: number, rest: Partial<RetainedPoint> = {}) =>
  Array.from({ length: count }, (_, i) => point(`d${i}`, NOW - HOUR - (count - 1 - i) * DAY, rest))
export const disk = (shortTermDays: number, rest: Partial<RetentionPolicy> = {}): RetentionPolicy => ({
  timeZone: 'UTC',
  shortTermDays,
  keepLastGood: 3,
  ...rest,
})
export const kept = (plan: RetentionPlan) => plan.keep.map(({ point: { id } }) => id)
export const gone = (plan: RetentionPlan) => plan.expire.map(({ point: { id } }) => id)
export const reasons = (plan: RetentionPlan, id: string): KeepReason['kind'][] =>
  plan.keep.find((each) => each.point.id === id)?.reasons.map(({ kind }) => kind) ?? []
export const plan = (points: RetainedPoint[], policy: RetentionPolicy, rest: Partial<RetentionContext> = {}) =>
  planRetention(points, policy, { nowMs: NOW, ...rest })
