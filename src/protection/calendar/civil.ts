/**
 * Dates without a time zone, as arithmetic. A *day* is the number of days since 1970-01-01; *local ms* are the milliseconds that a wall
 * clock shows, counted from there as if there were no zone. The formulas are the usual ones for the proleptic Gregorian calendar.
 */
import { DAY_MS } from '../limits.ts'

export interface CivilDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
}

/** In order: 0 is Monday. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof WEEKDAYS)[number]

export function dayOf({ year, month, day }: CivilDate): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

export function dateOf(dayNumber: number): CivilDate {
  const z = dayNumber + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shifted + (shifted < 10 ? 3 : -9)
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  }
}

/** 0 is Monday. */
export const weekdayIndexOf = (dayNumber: number): number => (((dayNumber + 3) % 7) + 7) % 7

export const weekdayOf = (dayNumber: number): Weekday => WEEKDAYS[weekdayIndexOf(dayNumber)] as Weekday

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

export const localDayOf = (localMs: number): number => Math.floor(localMs / DAY_MS)
export const timeOfDayMs = (localMs: number): number => localMs - localDayOf(localMs) * DAY_MS

/** The same time of day so many months later; the 31st becomes the last day of a shorter month. */
export function addMonths(localMs: number, months: number): number {
  const { year, month, day } = dateOf(localDayOf(localMs))
  const index = year * 12 + month - 1 + months
  const target = { year: Math.floor(index / 12), month: (((index % 12) + 12) % 12) + 1 }
  return dayOf({ ...target, day: Math.min(day, daysInMonth(target.year, target.month)) }) * DAY_MS + timeOfDayMs(localMs)
}

/** `2026-03-29`, as a day; undefined where the date does not exist. */
export function parseDate(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return undefined
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > daysInMonth(date.year, date.month)) return undefined
  return dayOf(date)
}

/** `08:00` or `08:00:30`, as ms since midnight. The shape has been checked. */
export function parseTimeOfDay(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number)
  return ((hours * 60 + minutes) * 60 + seconds) * 1000
}

const two = (n: number) => String(n).padStart(2, '0')

/** `2026-03-29 08:00` of local ms. */
export function formatLocal(localMs: number): string {
  const { year, month, day } = dateOf(localDayOf(localMs))
  const minutes = Math.floor(timeOfDayMs(localMs) / 60_000)
  return `${year}-${two(month)}-${two(day)} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
