/** Retention of a source: which of its points stay and which go, by the rules of its group and the server's own time (docs: protection/retention). It writes the ledger. */
import type { DataSource, Json, RecoveryPoint } from '../../catalog/index.ts'
import {
  type ExpiringPoint,
  explainKept,
  explainWhy,
  type KeptPoint,
  planRetention,
  type RetainedPoint,
  type RetentionContext,
  type RetentionPlan,
  type RetentionPolicy,
} from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from '../groups/group-facts.ts'
import { ON_DEMAND_POINT, POINT_KINDS } from '../jobs/backup-jobs.ts'
import { deletionSetting } from '../jobs/settings.ts'
import { readSetting } from '../settings/setting.ts'
import { ClockGuard } from './clock-guard.ts'
import { isPinned, type Leaving, type Ledger, SUPERSEDED } from './ledger.ts'

type Retained = RetainedPoint & { readonly record: RecoveryPoint }

export interface Why {
  readonly verdict: 'kept' | 'goes' | 'gone'
  readonly reasons: readonly string[]
  readonly expiresMs?: number | undefined
}

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

  /** Of one source; of one that no group protects nothing goes by itself. Returns how many points were given up. */
  async plan(sourceId: string): Promise<number> {
    if ((await this.clock.look()) !== undefined) return 0
    const { catalog } = this.#context
    const source = await catalog.sources.find(sourceId)
    const policy = source && (await this.policyOf(source))
    if (!source || !policy) return 0
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

  async policyOf(source: DataSource): Promise<RetentionPolicy | undefined> {
    const stored = source.groupId === undefined ? undefined : await this.#context.catalog.groups.find(source.groupId)
    if (!stored) return undefined
    const { timeZone, shortTerm } = readGroup(stored.document)
    const { keepLastGood, maxPercentAtOnce } = (await readSetting(this.#context, deletionSetting)).value
    return { timeZone, shortTermDays: shortTerm.retentionDays, keepLastGood, maxShareAtOnce: maxPercentAtOnce / 100 }
  }

  async #judge(source: DataSource, policy: RetentionPolicy): Promise<{ plan: RetentionPlan<Retained>; superseded: RecoveryPoint[] }> {
    const points = await this.#context.catalog.points.validOf(source.id)
    const nowMs = this.#context.op.clock.nowMs()
    const newest = points.findLast(({ verifiedResult }) => verifiedResult !== 'damaged')
    const isSuperseded = (point: RecoveryPoint) =>
      point.kind === POINT_KINDS.synchronisation && newest !== undefined && point !== newest && point.finishedMs <= newest.finishedMs
    const superseded = points.filter((point) => isSuperseded(point) && !point.hasLegalHold && !isPinned(point, nowMs))
    const gone = new Set(superseded)
    const retained = points.filter((point) => !gone.has(point)).map(asRetained)
    return { plan: planRetention(retained, policy, await this.#contextOf(source, nowMs)), superseded }
  }

  async #contextOf(source: DataSource, nowMs: number): Promise<RetentionContext> {
    const lastRunMs = (await this.#context.catalog.settings.find(lastRunOf(source.id)))?.value
    const isUnsound = source.state === 'inconsistent' || source.state === 'missing' || source.state === 'invalid'
    return {
      nowMs,
      ...(typeof lastRunMs === 'number' && { lastRunMs }),
      ...(isUnsound && { inconsistencies: [{ fromMs: Math.min(source.stateSinceMs, nowMs) }] }),
    }
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
