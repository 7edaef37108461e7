/**
 * When a pool volume is full: a straight line through daily usage, by least squares. It says so where there is too little to go by, or where
 * usage jumps about so much that a date would be a guess.
 */
import { DAY_MS } from '../limits.ts'

export interface UsageSample {
  readonly atMs: number
  readonly usedBytes: number
}

export type Forecast =
  | { readonly kind: 'full-at'; readonly atMs: number; readonly bytesPerDay: number /** 1: a straight line. */; readonly fit: number }
  | { readonly kind: 'not-growing'; readonly bytesPerDay: number }
  | { readonly kind: 'not-enough-data'; readonly why: string }
  | { readonly kind: 'full' }

export const FORECAST_LEAST_DAYS = 7
const LEAST_FIT = 0.3
/** Nobody plans further, and a nearly flat line would name any date. */
const HORIZON_DAYS = 3650

/** One sample a day is used, the last of each day, so that a busy day counts no more than others. */
export function forecastFull(samples: readonly UsageSample[], capacityBytes: number, nowMs: number): Forecast {
  const byDay = new Map<number, UsageSample>()
  for (const sample of [...samples].sort((a, b) => a.atMs - b.atMs)) byDay.set(Math.floor(sample.atMs / DAY_MS), sample)
  const daily = [...byDay.values()]
  const newest = daily.at(-1)
  const oldest = daily[0]
  if (newest === undefined || oldest === undefined) return { kind: 'not-enough-data', why: 'usage was never measured' }
  if (newest.usedBytes >= capacityBytes) return { kind: 'full' }
  const spanDays = (newest.atMs - oldest.atMs) / DAY_MS
  if (daily.length < FORECAST_LEAST_DAYS || spanDays < FORECAST_LEAST_DAYS - 1) {
    return { kind: 'not-enough-data', why: `usage is known for ${daily.length} of the ${FORECAST_LEAST_DAYS} days that it takes` }
  }
  const { slope, fit } = regress(daily.map(({ atMs, usedBytes }) => [(atMs - oldest.atMs) / DAY_MS, usedBytes]))
  const leftBytes = capacityBytes - newest.usedBytes
  if (slope <= 0 || leftBytes / slope > HORIZON_DAYS) return { kind: 'not-growing', bytesPerDay: slope }
  if (fit < LEAST_FIT) return { kind: 'not-enough-data', why: 'usage goes up and down too much to say' }
  // From what is used now, not from the line: the line says how fast, the disk says from where.
  return { kind: 'full-at', atMs: Math.max(nowMs, newest.atMs + (leftBytes / slope) * DAY_MS), bytesPerDay: slope, fit }
}

function regress(points: readonly (readonly [x: number, y: number])[]): { slope: number; fit: number } {
  const count = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  let xx = 0
  let xy = 0
  let yy = 0
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (y - meanY)
    yy += (y - meanY) ** 2
  }
  const slope = xx === 0 ? 0 : xy / xx
  return { slope, fit: yy === 0 || xx === 0 ? 1 : xy ** 2 / (xx * yy) }
}
