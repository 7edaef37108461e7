/** How a schedule is written. Four ways, one meaning: times on a wall clock. The zone belongs to the group. */
import { z } from 'zod'
import { WEEKDAYS } from '../calendar/civil.ts'

export const timeOfDayShape = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 08:00')
export const weekdayShape = z.enum(WEEKDAYS)
export const weekdaysShape = z.array(weekdayShape).min(1).max(7)
export const timesShape = z.array(timeOfDayShape).min(1).max(96)
export const dateShape = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date such as 2026-03-29')

/** A day of a month: by weekday, or by number. A number that a month does not have stands for its last day. */
export const monthDayShape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('relative'), which: z.enum(['first', 'second', 'third', 'fourth', 'last']), weekday: weekdayShape }),
  z.strictObject({ kind: z.literal('date'), day: z.union([z.int().min(1).max(31), z.literal('last')]) }),
])

export const weeklyShape = z.strictObject({
  kind: z.literal('weekly'),
  times: timesShape,
  weekdays: weekdaysShape.default([...WEEKDAYS]),
})

/** Every so many days, weeks, months or years, counted from a date. */
export const everyShape = z.strictObject({
  kind: z.literal('every'),
  every: z.int().min(1).max(99),
  unit: z.enum(['day', 'week', 'month', 'year']),
  from: dateShape.default('2024-01-01'),
  times: timesShape,
  /** Of a week; the weekday of `from` where none is given. */
  weekdays: weekdaysShape.optional(),
  /** Of a month or year; the day of `from` where none is given. */
  on: monthDayShape.optional(),
  /** Of a year; the month of `from` where none is given. */
  months: z.array(z.int().min(1).max(12)).min(1).max(12).optional(),
})

export const scheduleShape = z.discriminatedUnion('kind', [
  weeklyShape,
  everyShape,
  /** As systemd writes it: `mon..fri 8..17:0/15`, `Sat *-1..7 15:00`. */
  z.strictObject({ kind: z.literal('calendar'), expression: z.string().min(1).max(200) }),
  /** `0 20 * * 1-5` */
  z.strictObject({ kind: z.literal('cron'), expression: z.string().min(1).max(200) }),
])

/** A stretch of time that comes back each week. */
export const windowShape = z.strictObject({
  weekdays: weekdaysShape.default([...WEEKDAYS]),
  start: timeOfDayShape,
  durationMinutes: z.int().min(1).max(10_080),
})

/** A stretch of time that does not come back, in the wall time of the group: from the first moment of one day to the last of another. */
export const datesShape = z.strictObject({ fromDate: dateShape, toDate: dateShape })

export type MonthDay = z.infer<typeof monthDayShape>
export type Schedule = z.infer<typeof scheduleShape>
export type WeeklyWindow = z.infer<typeof windowShape>
export type DateRange = z.infer<typeof datesShape>
