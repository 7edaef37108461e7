/**
 * Wall clocks. One rule for both changes of daylight saving, everywhere in this room: a wall time that does not exist is the first instant
 * after the gap; one that exists twice is the first of both. So `toInstant` never goes down when the wall time goes up.
 */
import { DAY_MS } from '../limits.ts'
import { dayOf } from './civil.ts'

export interface Zone {
  readonly name: string
  /** What the wall clock shows at an instant, as local ms (see civil.ts). */
  toLocal(instantMs: number): number
  toInstant(localMs: number): number
}

const FIELDS = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const

export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false // Intl has no question, only a RangeError.
  }
}

/** Making a formatter costs a thousand times what using it does. It holds nothing but the rules of its zone, so one is enough. */
const opened = new Map<string, Zone>()

export function openZone(name: string): Zone {
  const known = opened.get(name)
  if (known !== undefined) return known
  const zone = name === 'UTC' ? UTC : makeZone(name)
  opened.set(name, zone)
  return zone
}

const UTC: Zone = { name: 'UTC', toLocal: (instantMs) => instantMs, toInstant: (localMs) => localMs }

/** A hundred years of days, in a few megabytes at most. */
const MOST_DAYS_KEPT = 36_525

function makeZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, hourCycle: 'h23', era: 'short', ...FIELDS })
  const askOffset = (instantMs: number): number => {
    const wholeSeconds = Math.floor(instantMs / 1000) * 1000
    const field: Record<string, number> = {}
    for (const part of format.formatToParts(wholeSeconds)) field[part.type] = Number(part.value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = field
    return dayOf({ year, month, day }) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 - wholeSeconds
  }
  const daily = new Map<number, number | null>()
  /** Intl needs microseconds for an answer, and most days have one offset from end to end; `null` stands for those that have not. */
  const offsetAt = (instantMs: number): number => {
    const day = Math.floor(instantMs / DAY_MS)
    let offset = daily.get(day)
    if (offset === undefined) {
      const first = askOffset(day * DAY_MS)
      offset = first === askOffset((day + 1) * DAY_MS - 1000) ? first : null
      if (daily.size >= MOST_DAYS_KEPT) daily.clear()
      daily.set(day, offset)
    }
    return offset ?? askOffset(instantMs)
  }
  /** The instant at which the offset stops to be what it is at `from`; it changes once up to `to`. */
  const changeBetween = (from: number, to: number): number => {
    const before = offsetAt(from)
    let low = from
    let high = to
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offsetAt(middle) === before) low = middle
      else high = middle
    }
    return high
  }
  return {
    name,
    toLocal: (instantMs) => instantMs + offsetAt(instantMs),
    toInstant(localMs) {
      // No zone is further than a day from UTC, and none changes twice in two days.
      const before = offsetAt(localMs - DAY_MS)
      const after = offsetAt(localMs + DAY_MS)
      const early = localMs - before
      if (before === after || offsetAt(early) === before) return early
      const late = localMs - after
      if (offsetAt(late) === after) return late
      return changeBetween(localMs - DAY_MS, localMs + DAY_MS)
    },
  }
}
