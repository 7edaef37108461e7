/**
 * When a replica is synchronised. Up to an hour, it is elapsed time since midnight of the group's zone, so that the hour that comes twice has
 * its runs too and no pause is ever longer than the frequency. Above, it is times of the wall clock, so that noon stays noon.
 */
import { dateOf, dayOf, localDayOf } from '../calendar/civil.ts'
import { openZone } from '../calendar/zone.ts'
import { DAY_MS, MINUTE_MS } from '../limits.ts'
import { type Occurrences, occurrencesOfPattern, withBetween } from './occurrences.ts'

export interface SyncEvery {
  readonly everyMinutes: number
  /** Shifts every run, so that groups don't all begin at once. */
  readonly offsetMinutes?: number
}

const LONGEST_ELAPSED_MINUTES = 60

export function syncOccurrences(sync: SyncEvery, timeZone: string): Occurrences {
  const zone = openZone(timeZone)
  const every = sync.everyMinutes * MINUTE_MS
  const offset = (sync.offsetMinutes ?? 0) * MINUTE_MS
  if (sync.everyMinutes > LONGEST_ELAPSED_MINUTES) {
    /** The newest time of the day's grid that is not later, on a wall clock. */
    const gridAt = (localMs: number): number => {
      const day = localDayOf(localMs - offset) * DAY_MS
      return day + Math.floor((localMs - offset - day) / every) * every + offset
    }
    const nextAfter = (localMs: number): number => {
      const at = gridAt(localMs) + every
      // The last step of a day that is not whole ends with it.
      return Math.min(at, (localDayOf(localMs - offset) + 1) * DAY_MS + offset)
    }
    return occurrencesOfPattern({ nextAfter, lastBefore: (localMs) => gridAt(localMs - 1) }, zone)
  }
  const startOf = (day: number) => zone.toInstant(day * DAY_MS) + offset
  /** The day whose grid an instant is on: an offset reaches over midnight. */
  const dayAt = (atMs: number): number => {
    let day = localDayOf(zone.toLocal(atMs)) + 1
    while (startOf(day) > atMs) day--
    return day
  }
  const gridAt = (atMs: number, day: number) => startOf(day) + Math.floor((atMs - startOf(day)) / every) * every
  return withBetween({
    next(afterMs) {
      const day = dayAt(afterMs)
      return Math.min(gridAt(afterMs, day) + every, startOf(day + 1))
    },
    last(afterMs, atMs) {
      const at = gridAt(atMs, dayAt(atMs))
      return at > afterMs ? at : undefined
    },
  })
}

/** Days of a wall clock that lie between two instants, for reports by day. */
export function* localDays(fromMs: number, toMs: number, timeZone: string): Generator<{ date: string; startMs: number; endMs: number }> {
  const zone = openZone(timeZone)
  for (let day = localDayOf(zone.toLocal(fromMs)); ; day++) {
    const startMs = zone.toInstant(day * DAY_MS)
    if (startMs >= toMs) return
    const { year, month, day: number } = dateOf(day)
    const date = `${year}-${String(month).padStart(2, '0')}-${String(number).padStart(2, '0')}`
    yield { date, startMs, endMs: zone.toInstant((dayOf({ year, month, day: number }) + 1) * DAY_MS) }
  }
}
