/**
 * Calendar expressions as systemd.time(7) writes them: `[weekdays] [[year-]month-day] [hour:minute[:second]]`.
 *
 *     mon..fri 8..17:0/15     Sat *-1..7 15:00     *-*~1 23:30 (the last day of each month)     daily
 *
 * Each part is `*`, a value, a range `a..b`, a step `a/s` or `a..b/s`, or several with commas. `~` in place of the `-` before the day counts
 * from the month's end. No zone (it belongs to the group) and no fractions of a second. There is no library for it on npm that is kept.
 */
import { dateOf, daysInMonth, weekdayIndexOf } from '../calendar/civil.ts'
import { protectionError } from '../errors.ts'
import type { DayRule } from './day-rule.ts'

const SHORTHANDS: Readonly<Record<string, string>> = {
  minutely: '*-*-* *:*:00',
  hourly: '*-*-* *:00:00',
  daily: '*-*-* 00:00:00',
  weekly: 'mon *-*-* 00:00:00',
  monthly: '*-*-01 00:00:00',
  quarterly: '*-01,04,07,10-01 00:00:00',
  semiannually: '*-01,07-01 00:00:00',
  yearly: '*-01-01 00:00:00',
  annually: '*-01-01 00:00:00',
}
const WEEKDAY_NAMES = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']
const FIRST_YEAR = 1970
const LAST_YEAR = 2199

/** Values that a part allows; undefined is `*`. */
type Values = ReadonlySet<number> | undefined

export function parseCalendar(expression: string): DayRule {
  const fail = (why: string): never => {
    throw protectionError('SCHEDULE_INVALID', `the calendar expression "${expression}" ${why}`)
  }
  const text = expression.trim().toLowerCase()
  const parts = (Object.hasOwn(SHORTHANDS, text) ? (SHORTHANDS[text] as string) : text).split(/\s+/)
  let weekdays: Values
  let date: ReturnType<typeof parseDatePart> | undefined
  let timesMs: number[] | undefined
  for (const [i, part] of parts.entries()) {
    if (part.includes(':') && timesMs === undefined) timesMs = parseTimes(part, fail)
    else if (/^[a-z]/.test(part) && i === 0) weekdays = parseWeekdays(part, fail)
    else if (/[-~]/.test(part) && date === undefined && timesMs === undefined) date = parseDatePart(part, fail)
    else fail(`has "${part}" where weekdays, a date or a time was expected`)
  }
  const matchesDate = date
  return {
    matchesDay: (day) => (weekdays === undefined || weekdays.has(weekdayIndexOf(day))) && (matchesDate === undefined || matchesDate(day)),
    timesMs: timesMs ?? [0],
  }
}

type Fail = (why: string) => never

function parseWeekdays(text: string, fail: Fail): Values {
  const indexOf = (name: string) => {
    const index = WEEKDAY_NAMES.findIndex((weekday) => weekday === name || weekday.slice(0, 3) === name)
    return index === -1 ? fail(`names no weekday with "${name}"`) : index
  }
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const [first = '', last = first, ...more] = item.split(/\.\.|-/)
    if (more.length > 0) fail(`has a range "${item}"`)
    const from = indexOf(first)
    // Saturday to Tuesday goes over the end of the week.
    const length = (indexOf(last) - from + 7) % 7
    for (let i = 0; i <= length; i++) values.add((from + i) % 7)
  }
  return values
}

function parseDatePart(text: string, fail: Fail): (day: number) => boolean {
  const isFromEnd = text.includes('~')
  const at = text.lastIndexOf(isFromEnd ? '~' : '-')
  const dayText = text.slice(at + 1)
  const [first = '', second, ...more] = text.slice(0, at).split('-')
  if (more.length > 0) fail(`has a date with too many parts: "${text}"`)
  const years = second === undefined ? undefined : parseValues(first, FIRST_YEAR, LAST_YEAR, 'year', fail)
  const months = parseValues(second ?? first, 1, 12, 'month', fail)
  const matchesDay = isFromEnd ? parseDaysFromEnd(dayText, fail) : parseValues(dayText, 1, 31, 'day', fail)
  return (dayNumber) => {
    const { year, month, day } = dateOf(dayNumber)
    if (years !== undefined && !years.has(year)) return false
    if (months !== undefined && !months.has(month)) return false
    return matchesDay === undefined || matchesDay.has(isFromEnd ? daysInMonth(year, month) - day + 1 : day)
  }
}

/** Days counted from the end: 1 is the last. A step goes towards the end, so that `7/1` is the last seven days. */
function parseDaysFromEnd(text: string, fail: Fail): Values {
  if (text === '*') return undefined
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const match = /^(\d{1,2})(?:\.\.(\d{1,2}))?(?:\/(\d{1,2}))?$/.exec(item)
    if (match === null) return fail(`has "${item}" for a day`)
    const [, from, to, step] = match.map((digits) => (digits === undefined ? undefined : Number(digits)))
    const start = from as number
    const end = to ?? (step === undefined ? start : 1)
    if (start < 1 || start > 31 || end < 1 || end > 31 || step === 0) return fail(`has "${item}" for a day`)
    for (let value = Math.max(start, end); value >= Math.min(start, end); value -= step ?? 1) values.add(value)
  }
  return values
}

function parseTimes(text: string, fail: Fail): number[] {
  const [hour = '', minute = '', second = '00', ...more] = text.split(':')
  if (more.length > 0) fail(`has a time with too many parts: "${text}"`)
  const all = (values: Values, count: number) => (values === undefined ? Array.from({ length: count }, (_, i) => i) : [...values])
  const hours = all(parseValues(hour, 0, 23, 'hour', fail), 24)
  const minutes = all(parseValues(minute, 0, 59, 'minute', fail), 60)
  const seconds = all(parseValues(second, 0, 59, 'second', fail), 60)
  const times: number[] = []
  for (const h of hours) for (const m of minutes) for (const s of seconds) times.push(((h * 60 + m) * 60 + s) * 1000)
  return times.sort((a, b) => a - b)
}

function parseValues(text: string, min: number, max: number, what: string, fail: Fail): Values {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    if (item === '*') return undefined
    const match = /^(?:(\*)|(\d{1,4})(?:\.\.(\d{1,4}))?)(?:\/(\d{1,4}))?$/.exec(item)
    if (match === null) return fail(`has "${item}" for ${what === 'hour' ? 'an hour' : `a ${what}`}`)
    const step = match[4] === undefined ? undefined : Number(match[4])
    const from = match[1] === '*' ? min : Number(match[2])
    const to = match[3] !== undefined ? Number(match[3]) : step === undefined ? from : max
    if (from < min || to > max || from > to) return fail(`has a ${what} outside ${min} to ${max}: "${item}"`)
    if (step === 0) return fail(`has a step of 0: "${item}"`)
    for (let value = from; value <= to; value += step ?? 1) values.add(value)
  }
  return values
}
