/** Retention of a source: which of its points stay and which go, by the rules of its group and the server's own time (docs: protection/retention). It writes the ledger. */
import type { DataSource, Deletion, Json, RecoveryPoint } from '../../catalog/index.ts'
import {
  type Caps,
  type ExpiringPoint,
  explainKept,
  explainWhy,
  type KeepReason,
  type KeptPoint,
  planRetention,
  type RetainedPoint,
  type RetentionContext,
  type RetentionPlan,
  type RetentionPolicy,
  WORKLOADS,
  type Workload,
} from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from '../groups/group-facts.ts'
import { memoryOf } from '../groups/source-memory.ts'
import { ON_DEMAND_POINT, POINT_KINDS } from '../jobs/backup-jobs.ts'
import { deletionSetting, protectionSettings } from '../jobs/settings.ts'
import { readSetting } from '../settings/setting.ts'
import { ClockGuard } from './clock-guard.ts'
import { isPinned, type Leaving, type Ledger, STOPPED, SUPERSEDED } from './ledger.ts'

type Retained = RetainedPoint & { readonly record: RecoveryPoint }

export interface Why {
  readonly verdict: 'kept' | 'goes' | 'gone'
  readonly reasons: readonly string[]
  readonly expiresMs?: number | undefined
}

/** What makes a point live on that was on its way out: what somebody decided since, not that the replica is inconsistent at this moment. */
const BRINGS_BACK: ReadonlySet<KeepReason['kind']> = new Set([
  'short-term',
  'row',
  'on-demand',
  'floor',
  'pinned',
  'legal-hold',
  'no-policy',
])

const lastRunOf = (sourceId: string) => `retention-run-${sourceId}`

export class Retention {
  readonly #context: ServerContext
  readonly #ledger: Ledger
  readonly #alerts: AlertDesk
  readonly clock: ClockGuard

  constructor({ context, ledger, alerts }: { readonly context: ServerContext; readonly ledger: Ledger; readonly alerts: AlertDesk }) {
    this.#context = context
    this.#ledger = ledger
    this.#alerts = alerts
    this.clock = new ClockGuard(context, alerts)
  }

  /**
   * Of one source; of one that no group protects nothing goes by itself, unless that was asked for when its protection was stopped. Points that
   * are on their way out and that the policy keeps by now come back. Returns how many points were given up.
   */
  async plan(sourceId: string): Promise<number> {
    if ((await this.clock.look()) !== undefined) return 0
    const { catalog } = this.#context
    const source = await catalog.sources.find(sourceId)
    const policy = source && (await this.policyOf(source))
    if (!source || !policy) return 0
    await this.#bringBack(source, policy)
    const { plan, superseded } = await this.#judge(source, policy)
    const leaving: Leaving[] = superseded.map((point) => ({ point, reason: SUPERSEDED, isAtOnce: true }))
    const share = plan.needsPerson && Math.round(plan.needsPerson.share * 100)
    for (const { point, why } of plan.expire) {
      const details = { why: explainWhy(why, policy.timeZone), kind: why.kind }
      leaving.push({
        point: point.record,
        reason: why.kind,
        details,
        ...(share !== undefined && { holdReason: `${share} % of the source would go at once` }),
      })
    }
    const fresh: Leaving[] = []
    for (const each of leaving) if (!(await catalog.deletions.openOf(each.point.id))) fresh.push(each)
    const coolOffMs = await this.#ledger.coolOffMs()
    await catalog.transaction(async (records) => {
      await this.#ledger.write(records, fresh, coolOffMs)
      for (const { point, reasons, expiresMs } of plan.keep) {
        const keep = reasons.map(({ kind }) => kind) as Json
        if (point.record.expiresMs !== expiresMs || JSON.stringify(point.record.keep) !== JSON.stringify(keep)) {
          await records.points.setExpiry(point.id, expiresMs, keep)
        }
      }
      if (!plan.needsPerson) await records.settings.put(lastRunOf(sourceId), this.#context.op.clock.nowMs(), { by: 'server' })
    })
    await this.#tell(source, plan)
    return fresh.length
  }

  async #tell(source: DataSource, { needsPerson, expire }: RetentionPlan): Promise<void> {
    if (!needsPerson) return await this.#alerts.resolve('expiry-needs-person', source.id)
    const percent = Math.round(needsPerson.share * 100)
    const message = `retention would give up ${expire.length} recovery points at once, ${percent} % of the source`
    await this.#alerts.raise('expiry-needs-person', { id: source.id, name: source.name, message, groupId: source.groupId })
  }

  /** §3.8: a range that was made longer counts for the points that are there, also for those that were given up and are not gone yet. */
  async #bringBack(source: DataSource, policy: RetentionPolicy): Promise<void> {
    const { catalog, op } = this.#context
    const open = (await catalog.deletions.list({ limit: 100_000 }, { sourceId: source.id, states: ['held', 'due'] })).items
    const byPolicy = open.filter(({ reason }) => reason !== SUPERSEDED && reason !== STOPPED)
    if (byPolicy.length === 0) return
    const there = new Map<string, RecoveryPoint>()
    for (const point of await catalog.points.validOf(source.id)) there.set(point.id, point)
    for (const { pointId } of byPolicy) {
      const point = there.has(pointId) ? undefined : await catalog.points.find(pointId)
      if (point?.state === 'expired') there.set(pointId, point)
    }
    const { keep } = planRetention([...there.values()].map(asRetained), policy, await this.#contextOf(source, op.clock.nowMs()))
    const kept = new Set(keep.filter(({ reasons }) => reasons.some(({ kind }) => BRINGS_BACK.has(kind))).map(({ point }) => point.id))
    const back: Deletion[] = byPolicy.filter(({ pointId }) => kept.has(pointId))
    if (back.length > 0) await this.#ledger.takeBack(back, 'server')
  }

  async policyOf(source: DataSource): Promise<RetentionPolicy | undefined> {
    const range = await this.#rangeOf(source)
    if (!range) return undefined
    const { keepLastGood, maxPercentAtOnce } = (await readSetting(this.#context, deletionSetting)).value
    const { caps } = await protectionSettings(this.#context)
    const maxPoints = mostPoints(source, caps)
    return { ...range, keepLastGood, maxShareAtOnce: maxPercentAtOnce / 100, ...(maxPoints !== null && { maxPoints }) }
  }

  async #rangeOf(source: DataSource): Promise<{ readonly timeZone: string; readonly shortTermDays: number } | undefined> {
    if (source.groupId === undefined) return memoryOf(source).retained
    const stored = await this.#context.catalog.groups.find(source.groupId)
    if (!stored) return undefined
    const { timeZone, shortTerm } = readGroup(stored.document)
    return { timeZone, shortTermDays: shortTerm.retentionDays }
  }

  async #judge(source: DataSource, policy: RetentionPolicy): Promise<{ plan: RetentionPlan<Retained>; superseded: RecoveryPoint[] }> {
    const points = await this.#context.catalog.points.validOf(source.id)
    const nowMs = this.#context.op.clock.nowMs()
    const newest = points.findLast(({ verifiedResult }) => verifiedResult !== 'damaged')
    const isSuperseded = (point: RecoveryPoint) =>
      point.kind === POINT_KINDS.synchronisation && newest !== undefined && point !== newest && point.finishedMs <= newest.finishedMs
    // §3.4: while the replica is inconsistent nothing goes.
    const isSound = memoryOf(source).unsound.at(-1)?.toMs !== undefined || memoryOf(source).unsound.length === 0
    const superseded = isSound ? points.filter((point) => isSuperseded(point) && !point.hasLegalHold && !isPinned(point, nowMs)) : []
    const gone = new Set(superseded)
    const retained = points.filter((point) => !gone.has(point)).map(asRetained)
    return { plan: planRetention(retained, policy, await this.#contextOf(source, nowMs)), superseded }
  }

  async #contextOf(source: DataSource, nowMs: number): Promise<RetentionContext> {
    const lastRunMs = (await this.#context.catalog.settings.find(lastRunOf(source.id)))?.value
    const inconsistencies = memoryOf(source).unsound.map(({ fromMs, toMs }) => ({
      fromMs: Math.min(fromMs, nowMs),
      ...(toMs !== undefined && { toMs }),
    }))
    return {
      nowMs,
      ...(typeof lastRunMs === 'number' && { lastRunMs }),
      ...(inconsistencies.length > 0 && { inconsistencies }),
    }
  }

  /** Those that retention decides upon, the oldest first. */
  async pointsOf(sourceId: string): Promise<readonly RetainedPoint[]> {
    return (await this.#context.catalog.points.validOf(sourceId)).map(asRetained)
  }

  /** `why-kept` and `why-expired` in one. */
  async why(pointId: string): Promise<Why> {
    const { catalog } = this.#context
    const point = await catalog.points.get(pointId)
    if (point.state === 'pruned') return { verdict: 'gone', reasons: ['it was given up, and its cool-off is over'] }
    const open = await catalog.deletions.openOf(pointId)
    const source = await catalog.sources.get(point.sourceId)
    const policy = await this.policyOf(source)
    if (open) {
      const details = open.details as { why?: string } | undefined
      const why = details?.why ?? REASONS[open.reason] ?? open.reason
      return {
        verdict: 'goes',
        reasons: [why, ...(open.holdReason === undefined ? [] : [`a person must agree: ${open.holdReason}`])],
        expiresMs: open.dueMs,
      }
    }
    if (!policy) return { verdict: 'kept', reasons: ['no group protects its data source, so nothing goes by itself'] }
    const { plan, superseded } = await this.#judge(source, policy)
    if (superseded.some(({ id }) => id === pointId)) return { verdict: 'goes', reasons: [REASONS[SUPERSEDED] ?? ''] }
    const kept: KeptPoint | undefined = plan.keep.find((each) => each.point.id === pointId)
    if (kept) return { verdict: 'kept', reasons: explainKept(kept, policy.timeZone), expiresMs: kept.expiresMs }
    const going: ExpiringPoint | undefined = plan.expire.find((each) => each.point.id === pointId)
    return { verdict: 'goes', reasons: going ? [explainWhy(going.why, policy.timeZone)] : [] }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  [SUPERSEDED]: 'it was made by a synchronisation between two recovery points, and there is a later one',
  'protection-stopped': 'the protection of its data source was stopped with deletion',
}

/** §7.2. Of workloads with increments, points hang together, and the caps are those of their schedules. */
function mostPoints({ workload }: DataSource, caps: Caps): number | null {
  const { goal } = WORKLOADS[workload as Workload] ?? WORKLOADS.files
  if (goal === 'files') return caps.filePoints
  return goal === 'express-full' ? caps.expressFulls : null
}

function asRetained(record: RecoveryPoint): Retained {
  return {
    record,
    id: record.id,
    createdMs: record.finishedMs,
    isGood: record.verifiedResult !== 'damaged',
    isOnDemand: record.kind === ON_DEMAND_POINT,
    hasLegalHold: record.hasLegalHold,
    ...(record.pinnedUntilMs !== undefined && { pinnedUntilMs: record.pinnedUntilMs }),
  }
}
