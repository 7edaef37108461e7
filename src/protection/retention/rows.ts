/**
 * Rows of long-term retention. A row has slots: the times at which its schedule runs. A slot's tag goes to the first good point made from then
 * on, before the next slot of the row: so it passes to the next success where a backup was missed.
 */
import { addMonths } from '../calendar/civil.ts'
import { openZone, type Zone } from '../calendar/zone.ts'
import type { OnlineRetention } from '../group/shape.ts'
import { DAY_MS, ONLINE_FLOORS } from '../limits.ts'
import { type Occurrences, occurrencesOf } from '../schedule/occurrences.ts'
import type { Schedule } from '../schedule/shape.ts'
import type { RetainedPoint, Row } from './types.ts'

export interface CompiledRow {
  readonly row: Row
  /** The newest slot that is not later; undefined where none is within reach. */
  slotOf(createdMs: number): number | undefined
  /** How long a point stays that the row takes. */
  untilMs(createdMs: number): number
}

/** Each row as the schedule of its slots. */
export function rowSchedules(retention: OnlineRetention): { readonly row: Row; readonly schedule: Schedule }[] {
  const { daily, weekly, monthly, yearly } = retention
  const from = '1970-01-01'
  const rows: { row: Row; schedule: Schedule }[] = []
  if (daily) rows.push({ row: 'daily', schedule: { kind: 'every', every: 1, unit: 'day', from, times: daily.times } })
  if (weekly) rows.push({ row: 'weekly', schedule: { kind: 'weekly', times: weekly.times, weekdays: weekly.weekdays } })
  if (monthly)
    rows.push({ row: 'monthly', schedule: { kind: 'every', every: 1, unit: 'month', from, times: monthly.times, on: monthly.on } })
  if (yearly) {
    const { times, on, inMonths } = yearly
    rows.push({ row: 'yearly', schedule: { kind: 'every', every: 1, unit: 'year', from, times, on, months: inMonths } })
  }
  return rows
}

const SLOTS_APART_MS: Readonly<Record<Row, number>> = { daily: 3 * DAY_MS, weekly: 9 * DAY_MS, monthly: 64 * DAY_MS, yearly: 734 * DAY_MS }

export function compileRows(retention: OnlineRetention, timeZone: string, hasFloors: boolean): CompiledRow[] {
  const zone = openZone(timeZone)
  return rowSchedules(retention).map(({ row, schedule }) => {
    const slots = occurrencesOf(schedule, timeZone)
    return {
      row,
      slotOf: remembered(slots, SLOTS_APART_MS[row]),
      untilMs: (createdMs) => endOf(retention, row, createdMs, zone, hasFloors),
    }
  })
}

/** Points are asked about again with every run of a simulation. */
function remembered(slots: Occurrences, reachMs: number): (createdMs: number) => number | undefined {
  const known = new Map<number, number | undefined>()
  return (createdMs) => {
    if (!known.has(createdMs)) known.set(createdMs, slots.last(createdMs - reachMs, createdMs))
    return known.get(createdMs)
  }
}

function endOf(retention: OnlineRetention, row: Row, createdMs: number, zone: Zone, hasFloors: boolean): number {
  const atLeast = (value: number | undefined, floor: number) => (hasFloors ? Math.max(value ?? 0, floor) : (value ?? 0))
  const inMonths = (months: number) => zone.toInstant(addMonths(zone.toLocal(createdMs), months))
  switch (row) {
    case 'daily':
      return createdMs + atLeast(retention.daily?.days, ONLINE_FLOORS.days) * DAY_MS
    case 'weekly':
      return createdMs + atLeast(retention.weekly?.weeks, ONLINE_FLOORS.weeks) * 7 * DAY_MS
    case 'monthly':
      return inMonths(atLeast(retention.monthly?.months, ONLINE_FLOORS.months))
    case 'yearly':
      return inMonths(12 * atLeast(retention.yearly?.years, ONLINE_FLOORS.years))
  }
}

/** For each row the points that carry its tags, with their slots. `sorted`: oldest first. */
export function tagPoints(
  rows: readonly CompiledRow[],
  sorted: readonly RetainedPoint[],
): Map<string, { row: CompiledRow; slotMs: number }[]> {
  const tags = new Map<string, { row: CompiledRow; slotMs: number }[]>()
  for (const row of rows) {
    let taken: number | undefined
    for (const point of sorted) {
      if (!point.isGood) continue
      const slotMs = row.slotOf(point.createdMs)
      if (slotMs === undefined || slotMs === taken) continue
      taken = slotMs
      const own = tags.get(point.id)
      if (own === undefined) tags.set(point.id, [{ row, slotMs }])
      else own.push({ row, slotMs })
    }
  }
  return tags
}
