/**
 * Which recovery points stay and which go, and why. One pure function of points, policy and the server's time: the same for any order of the
 * points, and it deletes nothing. What always holds:
 *
 * - A point that any reason keeps stays; where several give a time, the latest counts.
 * - The last good points of a source, pinned and held ones never go, nor what any kept point depends on.
 * - While the replica is inconsistent nothing goes, and such time does not count.
 * - A cap takes only points that nothing but the range keeps.
 */
import { DAY_MS, ONLINE_FLOORS } from '../limits.ts'
import { type CompiledRow, compileRows, tagPoints } from './rows.ts'
import type {
  ExpireWhy,
  ExpiringPoint,
  KeepReason,
  KeptPoint,
  RetainedPoint,
  RetentionContext,
  RetentionPlan,
  RetentionPolicy,
} from './types.ts'

export const DEFAULT_KEEP_LAST_GOOD = 3
export const DEFAULT_MAX_SHARE_AT_ONCE = 0.3

export type RetentionPlanner = <P extends RetainedPoint>(points: readonly P[], context: RetentionContext) => RetentionPlan<P>

export function planRetention<P extends RetainedPoint>(
  points: readonly P[],
  policy: RetentionPolicy,
  context: RetentionContext,
): RetentionPlan<P> {
  return createRetentionPlanner(policy)(points, context)
}

/** For many runs with one policy. */
export function createRetentionPlanner(policy: RetentionPolicy): RetentionPlanner {
  const hasFloors = policy.hasFloors === true
  const rows = policy.online === undefined ? [] : compileRows(policy.online, policy.timeZone, hasFloors)
  return (points, context) => plan(points, policy, rows, context)
}

interface Judged<P> {
  readonly point: P
  readonly reasons: KeepReason[]
  /** When the last range that covers it is over; undefined where none does. */
  rangeEndMs: number | undefined
  why: ExpireWhy | undefined
}

function plan<P extends RetainedPoint>(
  points: readonly P[],
  policy: RetentionPolicy,
  rows: readonly CompiledRow[],
  context: RetentionContext,
): RetentionPlan<P> {
  const sorted = [...points].sort(byAge)
  const tagged = tagPoints(rows, sorted)
  const judged = sorted.map((point) => judgeByTime(point, policy, rows, tagged, context))
  const byId = new Map(judged.map((each) => [each.point.id, each]))
  const open = context.inconsistencies?.find((period) => period.toMs === undefined && period.fromMs <= context.nowMs)
  if (open !== undefined) for (const { reasons } of judged) reasons.push({ kind: 'replica-inconsistent', sinceMs: open.fromMs })
  const lastGood = judged.filter(({ point }) => point.isGood).slice(-(policy.keepLastGood ?? DEFAULT_KEEP_LAST_GOOD) || judged.length)
  for (const [i, each] of lastGood.entries()) each.reasons.push({ kind: 'last-good', rank: lastGood.length - i })
  keepDependencies(judged, byId)
  applyCap(judged, byId, policy.maxPoints)

  const keep: KeptPoint<P>[] = []
  const expire: ExpiringPoint<P>[] = []
  for (const { point, reasons, rangeEndMs, why } of judged) {
    if (why !== undefined) expire.push({ point, why })
    else if (reasons.length > 0) keep.push({ point, reasons, expiresMs: heldOtherwise(reasons) ? undefined : rangeEndMs })
    else expire.push({ point, why: rangeEndMs === undefined ? { kind: 'no-row' } : { kind: 'range-over', sinceMs: rangeEndMs } })
  }
  return { keep, expire, ...needsPerson(points, expire.length, policy, context) }
}

/** Two points of one moment have an order too, so that the result never depends on that of the input. */
const byAge = (a: RetainedPoint, b: RetainedPoint) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

function judgeByTime<P extends RetainedPoint>(
  point: P,
  policy: RetentionPolicy,
  rows: readonly CompiledRow[],
  tagged: ReturnType<typeof tagPoints>,
  context: RetentionContext,
): Judged<P> {
  const ranges: Extract<KeepReason, { untilMs: number }>[] = []
  const paused = pausedMs(point.createdMs, context)
  if (policy.shortTermDays !== undefined) {
    ranges.push({ kind: 'short-term', untilMs: point.createdMs + policy.shortTermDays * DAY_MS + paused })
  }
  for (const { row, slotMs } of tagged.get(point.id) ?? []) {
    ranges.push({ kind: 'row', row: row.row, slotMs, untilMs: row.untilMs(point.createdMs) + paused })
  }
  // Nobody planned it, so it stays as long as the row that keeps for the shortest time.
  if (point.isOnDemand === true && rows.length > 0) {
    ranges.push({ kind: 'on-demand', untilMs: Math.min(...rows.map((row) => row.untilMs(point.createdMs))) + paused })
  }
  if (policy.hasFloors === true) ranges.push({ kind: 'floor', untilMs: point.createdMs + ONLINE_FLOORS.days * DAY_MS })
  const reasons: KeepReason[] = ranges.filter(({ untilMs }) => untilMs > context.nowMs)
  if (policy.shortTermDays === undefined && rows.length === 0) reasons.push({ kind: 'no-policy' })
  if (point.isPinned === true) reasons.push({ kind: 'pinned' })
  if (point.pinnedUntilMs !== undefined && point.pinnedUntilMs > context.nowMs)
    reasons.push({ kind: 'pinned', untilMs: point.pinnedUntilMs })
  if (point.hasLegalHold === true) reasons.push({ kind: 'legal-hold' })
  return { point, reasons, rangeEndMs: ranges.length === 0 ? undefined : Math.max(...ranges.map(({ untilMs }) => untilMs)), why: undefined }
}

/** Time since the point was made during which the replica was inconsistent. Periods may overlap. */
function pausedMs(createdMs: number, { inconsistencies = [], nowMs }: RetentionContext): number {
  let total = 0
  let counted = createdMs
  for (const { fromMs, toMs = nowMs } of [...inconsistencies].sort((a, b) => a.fromMs - b.fromMs)) {
    const from = Math.max(fromMs, counted)
    const to = Math.min(toMs, nowMs)
    if (to <= from) continue
    total += to - from
    counted = to
  }
  return total
}

/** What a kept point depends on stays with it, however long the chain. */
function keepDependencies<P extends RetainedPoint>(judged: readonly Judged<P>[], byId: ReadonlyMap<string, Judged<P>>): void {
  const waiting = judged.filter((each) => each.reasons.length > 0)
  const done = new Set<string>()
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    if (done.has(each.point.id)) continue
    done.add(each.point.id)
    const needed = each.point.dependsOn === undefined ? undefined : byId.get(each.point.dependsOn)
    if (needed === undefined) continue
    needed.reasons.push({ kind: 'needed-by', pointId: each.point.id })
    waiting.push(needed)
  }
}

/** Reasons that a cap does not override. */
const heldOtherwise = (reasons: readonly KeepReason[]): boolean =>
  reasons.some(({ kind }) => kind !== 'short-term' && kind !== 'row' && kind !== 'on-demand' && kind !== 'floor')
const isCapProof = (reasons: readonly KeepReason[]): boolean => heldOtherwise(reasons) || reasons.some(({ kind }) => kind === 'floor')

/** Oldest first. A chain goes from its end: a point that others need becomes free once they are gone. */
function applyCap<P extends RetainedPoint>(
  judged: readonly Judged<P>[],
  byId: ReadonlyMap<string, Judged<P>>,
  maxPoints: number | undefined,
): void {
  if (maxPoints === undefined) return
  const kept = judged.filter((each) => each.reasons.length > 0)
  let over = kept.length - maxPoints
  for (let progress = true; over > 0 && progress; ) {
    progress = false
    for (const each of kept) {
      if (over <= 0) break
      if (each.why !== undefined || isCapProof(each.reasons)) continue
      each.why = { kind: 'over-cap', maxPoints }
      over--
      progress = true
      const needed = each.point.dependsOn === undefined ? undefined : byId.get(each.point.dependsOn)
      if (needed === undefined) continue
      const index = needed.reasons.findIndex((reason) => reason.kind === 'needed-by' && reason.pointId === each.point.id)
      if (index !== -1) needed.reasons.splice(index, 1)
    }
  }
}

/** R12. What goes may be as much as what came: that is how a short range looks in everyday life. */
function needsPerson(
  points: readonly RetainedPoint[],
  expiring: number,
  policy: RetentionPolicy,
  { lastRunMs, nowMs }: RetentionContext,
): Pick<RetentionPlan, 'needsPerson'> {
  const maxShare = policy.maxShareAtOnce ?? DEFAULT_MAX_SHARE_AT_ONCE
  const share = points.length === 0 ? 0 : expiring / points.length
  if (share <= maxShare) return {}
  const came =
    lastRunMs === undefined ? 0 : points.filter(({ isGood, createdMs }) => isGood && createdMs > lastRunMs && createdMs <= nowMs).length
  return expiring <= came ? {} : { needsPerson: { share, maxShare } }
}
