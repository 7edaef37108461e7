/** When jobs may run: within a window where there is any, and in no blackout. A stretch begins on the wall clock and lasts elapsed time. */
import { localDayOf, parseDate } from '../calendar/civil.ts'
import { openZone } from '../calendar/zone.ts'
import { DAY_MS, MINUTE_MS } from '../limits.ts'
import { occurrencesOf } from './occurrences.ts'
import type { DateRange, WeeklyWindow } from './shape.ts'

export interface RunningTimes {
  /** None means always. */
  readonly windows: readonly WeeklyWindow[]
  readonly blackouts: readonly (WeeklyWindow | DateRange)[]
  readonly timeZone: string
}

export interface OpenState {
  readonly isOpen: boolean
  /** When that changes next; undefined where it does not within 60 days. */
  readonly untilMs: number | undefined
}

interface Stretches {
  /** The end of the stretch that covers an instant. */
  endOf(atMs: number): number | undefined
  /** The next beginning after an instant. */
  nextStart(afterMs: number): number | undefined
}

const HORIZON_MS = 60 * DAY_MS

export function openState(times: RunningTimes, atMs: number): OpenState {
  const windows = times.windows.map((window) => weekly(window, times.timeZone))
  const blackouts = times.blackouts.map((blackout) =>
    'fromDate' in blackout ? dates(blackout, times.timeZone) : weekly(blackout, times.timeZone),
  )
  const isOpenAt = (ms: number) =>
    (windows.length === 0 || windows.some((window) => window.endOf(ms) !== undefined)) &&
    !blackouts.some((blackout) => blackout.endOf(ms) !== undefined)
  const isOpen = isOpenAt(atMs)
  // It can only change where a stretch begins or ends: go from one such instant to the next.
  const all = [...windows, ...blackouts]
  for (let at = atMs; at < atMs + HORIZON_MS; ) {
    const edges = all.flatMap((stretch) => [stretch.endOf(at), stretch.nextStart(at)]).filter((edge) => edge !== undefined && edge > at)
    if (edges.length === 0) break
    at = Math.min(...(edges as number[]))
    if (isOpenAt(at) !== isOpen) return { isOpen, untilMs: at }
  }
  return { isOpen, untilMs: undefined }
}

/** The first instant from `atMs` on at which a job may run; undefined where there is none within 60 days. */
export function nextOpenMs(times: RunningTimes, atMs: number): number | undefined {
  const state = openState(times, atMs)
  return state.isOpen ? atMs : state.untilMs
}

function weekly(window: WeeklyWindow, timeZone: string): Stretches {
  const starts = occurrencesOf({ kind: 'weekly', times: [window.start], weekdays: window.weekdays }, timeZone)
  const lastsMs = window.durationMinutes * MINUTE_MS
  return {
    endOf: (atMs) => {
      const start = starts.last(atMs - lastsMs, atMs)
      return start === undefined ? undefined : start + lastsMs
    },
    nextStart: (afterMs) => starts.next(afterMs),
  }
}

function dates(range: DateRange, timeZone: string): Stretches {
  const zone = openZone(timeZone)
  const from = parseDate(range.fromDate)
  const to = parseDate(range.toDate)
  if (from === undefined || to === undefined) return { endOf: () => undefined, nextStart: () => undefined }
  const startMs = zone.toInstant(from * DAY_MS)
  const endMs = zone.toInstant((to + 1) * DAY_MS)
  return {
    endOf: (atMs) => {
      const day = localDayOf(zone.toLocal(atMs))
      return day >= from && day <= to ? endMs : undefined
    },
    nextStart: (afterMs) => (startMs > afterMs ? startMs : undefined),
  }
}
