/** A schedule without its zone: which days, and which times of such a day. Calendar expressions, weekly times and intervals all are that. */
import {
  dateOf,
  dayOf,
  daysInMonth,
  localDayOf,
  parseDate,
  parseTimeOfDay,
  timeOfDayMs,
  WEEKDAYS,
  weekdayIndexOf,
} from '../calendar/civil.ts'
import { DAY_MS } from '../limits.ts'
import type { MonthDay, Schedule } from './shape.ts'

export interface DayRule {
  matchesDay(day: number): boolean
  /** Ms since midnight, ascending, without doubles. */
  readonly timesMs: readonly number[]
}

/** Times of a wall clock. */
export interface LocalPattern {
  /** The first time after `localMs`, or undefined where there is none in the next 40 years. */
  nextAfter(localMs: number): number | undefined
  /** The last time before `localMs`, or undefined where there is none in the 40 years before. */
  lastBefore(localMs: number): number | undefined
}

/** The 29th of February on a given weekday comes back after 40 years at the latest. */
const HORIZON_DAYS = 40 * 366

export function patternOf(rule: DayRule): LocalPattern {
  return {
    nextAfter(localMs) {
      const first = localDayOf(localMs)
      if (rule.matchesDay(first)) {
        const time = rule.timesMs[countUpTo(rule.timesMs, timeOfDayMs(localMs))]
        if (time !== undefined) return first * DAY_MS + time
      }
      const [time] = rule.timesMs
      if (time === undefined) return undefined
      for (let day = first + 1; day <= first + HORIZON_DAYS; day++) if (rule.matchesDay(day)) return day * DAY_MS + time
      return undefined
    },
    lastBefore(localMs) {
      const last = localDayOf(localMs)
      if (rule.matchesDay(last)) {
        const time = rule.timesMs[countUpTo(rule.timesMs, timeOfDayMs(localMs) - 1) - 1]
        if (time !== undefined) return last * DAY_MS + time
      }
      const time = rule.timesMs.at(-1)
      if (time === undefined) return undefined
      for (let day = last - 1; day >= last - HORIZON_DAYS; day--) if (rule.matchesDay(day)) return day * DAY_MS + time
      return undefined
    },
  }
}

/** How many of the sorted values are not greater. */
function countUpTo(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) > value) high = middle
    else low = middle + 1
  }
  return low
}

/** The day of a month, from 1. */
export function dayInMonth(on: MonthDay, year: number, month: number): number {
  const length = daysInMonth(year, month)
  if (on.kind === 'date') return on.day === 'last' ? length : Math.min(on.day, length)
  const weekday = WEEKDAYS.indexOf(on.weekday)
  const first = 1 + ((weekday - weekdayIndexOf(dayOf({ year, month, day: 1 })) + 7) % 7)
  if (on.which === 'last') return first + 7 * Math.floor((length - first) / 7)
  return first + 7 * ['first', 'second', 'third', 'fourth'].indexOf(on.which)
}

const sortedTimes = (times: readonly string[]) => [...new Set(times.map(parseTimeOfDay))].sort((a, b) => a - b)

export function weeklyRule(schedule: Extract<Schedule, { kind: 'weekly' }>): DayRule {
  const days = new Set(schedule.weekdays.map((weekday) => WEEKDAYS.indexOf(weekday)))
  return { matchesDay: (day) => days.has(weekdayIndexOf(day)), timesMs: sortedTimes(schedule.times) }
}

/** Nothing matches before `from`, nor where `from` is no date (validate-group.ts says so). */
export function everyRule(schedule: Extract<Schedule, { kind: 'every' }>): DayRule {
  const { every, unit, times } = schedule
  const from = parseDate(schedule.from) ?? Number.POSITIVE_INFINITY
  const start = dateOf(Number.isFinite(from) ? from : 0)
  const on: MonthDay = schedule.on ?? { kind: 'date', day: start.day }
  const weekdays = new Set(
    schedule.weekdays?.map((weekday) => WEEKDAYS.indexOf(weekday)) ?? [weekdayIndexOf(Number.isFinite(from) ? from : 0)],
  )
  const months = new Set(schedule.months ?? [start.month])
  const firstMonday = from - (Number.isFinite(from) ? weekdayIndexOf(from) : 0)
  const isDay = (day: number): boolean => {
    if (unit === 'day') return (day - from) % every === 0
    if (unit === 'week') return weekdays.has(weekdayIndexOf(day)) && Math.floor((day - firstMonday) / 7) % every === 0
    const { year, month, day: dayOfMonth } = dateOf(day)
    if (dayOfMonth !== dayInMonth(on, year, month)) return false
    if (unit === 'month') return ((year - start.year) * 12 + month - start.month) % every === 0
    return months.has(month) && (year - start.year) % every === 0
  }
  return { matchesDay: (day) => day >= from && isDay(day), timesMs: sortedTimes(times) }
}
