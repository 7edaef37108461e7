/** What could be restored now, what would be lost, and whether that keeps the promise of the group (§3.10, 3183, 33442). */
import { HOUR_MS } from './limits.ts'

export interface SlaPoint {
  readonly createdMs: number
  /** The moment whose data it holds: a copy in the vault is younger than what it holds. */
  readonly dataMs: number
  readonly isGood: boolean
}

export interface SlaFacts {
  readonly nowMs: number
  /** Absent: nothing was promised. */
  readonly slaHours?: number
  /** Since when it is protected: a new source has time for its first point. */
  readonly protectedSinceMs: number
  readonly points: readonly SlaPoint[]
}

export interface SlaState {
  /** The newest moment that can be restored. */
  readonly newestRestorableMs: number | undefined
  /** What a loss at this moment would cost, as time; undefined where nothing can be restored. */
  readonly atRiskMs: number | undefined
  readonly isBreached: boolean
  /** When the promise breaks if nothing more succeeds; in the past where it is broken. */
  readonly breachesAtMs: number | undefined
}

/** For one copy of one source. Points that are not good don't count. A point from the future, by a clock that was set back, is as good as now. */
export function slaState({ nowMs, slaHours, protectedSinceMs, points }: SlaFacts): SlaState {
  let newest: number | undefined
  for (const point of points) if (point.isGood && (newest === undefined || point.dataMs > newest)) newest = point.dataMs
  const atRiskMs = newest === undefined ? undefined : Math.max(0, nowMs - newest)
  if (slaHours === undefined) return { newestRestorableMs: newest, atRiskMs, isBreached: false, breachesAtMs: undefined }
  const breachesAtMs = (newest ?? protectedSinceMs) + slaHours * HOUR_MS
  return { newestRestorableMs: newest, atRiskMs, isBreached: nowMs > breachesAtMs, breachesAtMs }
}

/** Hours without a point that a source may have where its group promises nothing: two rounds of what its schedule has as longest pause. */
export function impliedSlaMs(longestGapMs: number): number {
  return 2 * longestGapMs
}
