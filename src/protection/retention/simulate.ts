/** What a policy comes to, day by day, before it is set: backups run as scheduled, retention runs once a day. Nothing real is touched. */
import { HOUR_MS } from '../limits.ts'
import { occurrencesOf } from '../schedule/occurrences.ts'
import type { Schedule } from '../schedule/shape.ts'
import { localDays } from '../schedule/sync.ts'
import { createRetentionPlanner } from './plan.ts'
import type { ExpireWhy, RetainedPoint, RetentionContext, RetentionPolicy } from './types.ts'

export interface Simulation {
  readonly policy: RetentionPolicy
  /** When backups run. */
  readonly schedule: Schedule
  readonly fromMs: number
  readonly days: number
  /** Points that are there already. */
  readonly points?: readonly RetainedPoint[]
  /** Whether the backup of this time fails. */
  readonly fails?: (atMs: number) => boolean
  readonly inconsistencies?: RetentionContext['inconsistencies']
}

export interface SimulatedDay {
  /** In the policy's zone. */
  readonly date: string
  readonly made: number
  readonly expired: readonly { readonly point: RetainedPoint; readonly why: ExpireWhy }[]
  /** After retention ran. */
  readonly kept: readonly RetainedPoint[]
  readonly needsPerson: boolean
}

/** A day at a time; retention runs an hour after midnight. Where a person would be asked, nothing goes on that day. */
export function* simulateRetention(simulation: Simulation): Generator<SimulatedDay> {
  const { policy, schedule, fromMs, days, fails = () => false } = simulation
  const planner = createRetentionPlanner(policy)
  const runs = occurrencesOf(schedule, policy.timeZone)
  let points: readonly RetainedPoint[] = simulation.points ?? []
  let lastRunMs = fromMs
  let madeMs = fromMs
  let count = 0
  for (const day of localDays(fromMs, Number.POSITIVE_INFINITY, policy.timeZone)) {
    if (count++ === days) return
    const nowMs = day.endMs + HOUR_MS
    const made: RetainedPoint[] = []
    for (const atMs of runs.between(madeMs, nowMs)) if (!fails(atMs)) made.push({ id: `at ${atMs}`, createdMs: atMs, isGood: true })
    madeMs = nowMs
    const plan = planner([...points, ...made], { nowMs, lastRunMs, inconsistencies: startedBy(simulation.inconsistencies, nowMs) })
    const needsPerson = plan.needsPerson !== undefined
    points = needsPerson ? [...points, ...made] : plan.keep.map(({ point }) => point)
    if (!needsPerson) lastRunMs = nowMs
    yield { date: day.date, made: made.length, expired: needsPerson ? [] : plan.expire, kept: points, needsPerson }
  }
}

/** The future is not known yet: a period that ends later is open. */
function startedBy(periods: RetentionContext['inconsistencies'] = [], nowMs: number): { fromMs: number; toMs?: number }[] {
  return periods
    .filter(({ fromMs }) => fromMs <= nowMs)
    .map(({ fromMs, toMs }) => (toMs === undefined || toMs > nowMs ? { fromMs } : { fromMs, toMs }))
}
