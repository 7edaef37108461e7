/**
 * When a schedule runs. Patterns count on the wall clock; `openZone` says which instant that is, so one rule holds for daylight saving
 * however a schedule is written: a time that does not exist runs at the first instant after the gap, one that exists twice runs once.
 */
import { Cron } from 'croner'
import { fromTimestamp, toTimestamp } from '../../base/clock.ts'
import { localDayOf } from '../calendar/civil.ts'
import { openZone, type Zone } from '../calendar/zone.ts'
import { protectionError } from '../errors.ts'
import { DAY_MS, HOUR_MS } from '../limits.ts'
import { parseCalendar } from './calendar-expression.ts'
import { everyRule, type LocalPattern, patternOf, weeklyRule } from './day-rule.ts'
import type { Schedule } from './shape.ts'

export interface Occurrences {
  /** The first one after an instant. */
  next(afterMs: number): number | undefined
  /** All with `fromMs` ≤ occurrence < `toMs`, ascending. */
  between(fromMs: number, toMs: number): Generator<number>
  /** The last one with `afterMs` < occurrence ≤ `atMs`. */
  last(afterMs: number, atMs: number): number | undefined
}

/** Throws SCHEDULE_INVALID where an expression can not be read. */
export function localPatternOf(schedule: Schedule): LocalPattern {
  switch (schedule.kind) {
    case 'weekly':
      return patternOf(weeklyRule(schedule))
    case 'every':
      return patternOf(everyRule(schedule))
    case 'calendar':
      return patternOf(parseCalendar(schedule.expression))
    case 'cron':
      return cronPattern(schedule.expression)
  }
}

/** croner counts in UTC here, which has no daylight saving: what it returns is taken for a wall time. */
function cronPattern(expression: string): LocalPattern {
  let cron: Cron
  try {
    cron = new Cron(expression, { timezone: 'UTC', mode: '5-or-6-parts' })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : String(cause)
    throw protectionError('SCHEDULE_INVALID', `the cron expression "${expression}" can not be read: ${why}`, { cause })
  }
  return {
    nextAfter: (localMs) => cron.nextRun(toTimestamp(localMs))?.getTime(),
    lastBefore: (localMs) => cron.previousRuns(1, toTimestamp(localMs))[0]?.getTime(),
  }
}

export function occurrencesOf(schedule: Schedule, timeZone: string): Occurrences {
  const zone = openZone(timeZone)
  return occurrencesOfPattern(localPatternOf(schedule), zone)
}

/** No zone repeats more of a wall clock than this. */
const LONGEST_OVERLAP_MS = 4 * HOUR_MS

/**
 * Several wall times of a gap are one instant, which runs once. Forwards, a search may begin at the wall time of the instant although that
 * can come twice: up to it, nothing runs later than the instant. Backwards, it begins behind any overlap.
 */
export function occurrencesOfPattern(pattern: LocalPattern, zone: Pick<Zone, 'toLocal' | 'toInstant'>): Occurrences {
  return withBetween({
    next(afterMs) {
      let local = pattern.nextAfter(zone.toLocal(afterMs))
      while (local !== undefined) {
        const instant = zone.toInstant(local)
        if (instant > afterMs) return instant
        local = pattern.nextAfter(local)
      }
      return undefined
    },
    last(afterMs, atMs) {
      let local = pattern.lastBefore(zone.toLocal(atMs) + LONGEST_OVERLAP_MS)
      while (local !== undefined) {
        const instant = zone.toInstant(local)
        if (instant <= atMs) return instant > afterMs ? instant : undefined
        local = pattern.lastBefore(local)
      }
      return undefined
    },
  })
}

export function withBetween({ next, last }: Pick<Occurrences, 'next' | 'last'>): Occurrences {
  function* between(fromMs: number, toMs: number): Generator<number> {
    for (let at = next(fromMs - 1); at !== undefined && at < toMs; at = next(at)) yield at
  }
  return { next, last, between }
}

/**
 * What to make up for after a pause: the newest run that was missed, however many were. `lastRunMs` is when the schedule last ran, or since
 * when it has been in force.
 */
export function missedRun(occurrences: Occurrences, lastRunMs: number, nowMs: number): number | undefined {
  return occurrences.last(lastRunMs, nowMs)
}

const REFERENCE_MS = fromTimestamp('2024-01-01T00:00:00Z')

export interface Frequency {
  /** On its busiest day. */
  readonly maxPerDay: number
  /** On average. */
  readonly perWeek: number
  /** Between one run and the next; infinite where it runs once at most. */
  readonly shortestGapMs: number
  readonly longestGapMs: number
}

/** Enough to know a schedule that runs often; croner needs a tenth of a millisecond for each. */
const MOST_RUNS_COUNTED = 2000

/** How often a schedule runs. Counted over four weeks of a wall clock without daylight saving, over two years where it runs rarely. */
export function frequencyOf(schedule: Schedule): Frequency {
  const pattern = localPatternOf(schedule)
  const from = schedule.kind === 'every' ? fromTimestamp(`${schedule.from}T00:00:00Z`) : REFERENCE_MS
  const start = Number.isNaN(from) ? REFERENCE_MS : Math.max(REFERENCE_MS, from)
  const short = countRuns(pattern, start, 28)
  return short.total >= 28 ? short : countRuns(pattern, start, 728)
}

function countRuns(pattern: LocalPattern, start: number, days: number): Frequency & { readonly total: number } {
  let end = start + days * DAY_MS
  let total = 0
  let day = -1
  let onDay = 0
  let maxPerDay = 0
  let shortestGapMs = Number.POSITIVE_INFINITY
  let longestGapMs = 0
  let last: number | undefined
  for (let at = pattern.nextAfter(start - 1); at !== undefined && at < end; at = pattern.nextAfter(at)) {
    onDay = localDayOf(at) === day ? onDay + 1 : 1
    day = localDayOf(at)
    maxPerDay = Math.max(maxPerDay, onDay)
    if (last !== undefined) {
      shortestGapMs = Math.min(shortestGapMs, at - last)
      longestGapMs = Math.max(longestGapMs, at - last)
    }
    last = at
    total++
    // Only whole days count.
    if (total === MOST_RUNS_COUNTED) end = Math.min(end, (localDayOf(at) + 1) * DAY_MS)
  }
  if (total < 2) longestGapMs = Number.POSITIVE_INFINITY
  return { total, maxPerDay, perWeek: (total * 7 * DAY_MS) / (end - start), shortestGapMs, longestGapMs }
}
