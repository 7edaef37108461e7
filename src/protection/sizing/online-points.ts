/** How many points rows of long-term retention come to (§3.8, §13). */
import type { OnlineRetention } from '../group/shape.ts'

export interface OnlinePointCount {
  readonly daily: number
  readonly weekly: number
  readonly monthly: number
  readonly yearly: number
  /** As if no point had two tags. Points that are weekly and daily at once make it fewer. */
  readonly upperBound: number
}

export function countOnlinePoints(retention: OnlineRetention): OnlinePointCount {
  const daily = retention.daily ? retention.daily.days * retention.daily.times.length : 0
  const weekly = retention.weekly ? retention.weekly.weeks * retention.weekly.weekdays.length * retention.weekly.times.length : 0
  const monthly = retention.monthly ? retention.monthly.months * retention.monthly.times.length : 0
  const yearly = retention.yearly ? retention.yearly.years * retention.yearly.inMonths.length * retention.yearly.times.length : 0
  return { daily, weekly, monthly, yearly, upperBound: daily + weekly + monthly + yearly }
}

/** Years until a cap is reached when nothing is pruned. */
export const yearsToCap = (cap: number, pointsPerDay: number): number => cap / pointsPerDay / 365.25
