/**
 * The ledger: which points go, why, when, and about how many bytes that frees, said before anything goes. Until it is carried out each line can be undone; what needs a
 * person waits for one; and what is pinned or held meanwhile stays.
 */
import type { Operation } from '../../base/operation.ts'
import type { DataSource, Deletion, Json, NewDeletion, Records, RecoveryPoint } from '../../catalog/index.ts'
import { DAY_MS, MINUTE_MS, refusalError, refuseSingleDelete } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import { memoryOf } from '../groups/source-memory.ts'
import { applyEvent } from '../groups/source-state.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { deletionSetting } from '../jobs/settings.ts'
import { readSetting } from '../settings/setting.ts'
import { retentionError } from './errors.ts'

export const SUPERSEDED = 'superseded'
export const STOPPED = 'protection-stopped'
/** Also where there is no cool-off. */
const LEAST_RESPITE_MS = DAY_MS

export interface Leaving {
  readonly point: RecoveryPoint
  readonly reason: string
  readonly details?: Json | undefined
  readonly holdReason?: string | undefined
  /** Without the cool-off: it was never promised to anybody. */
  readonly isAtOnce?: boolean
}

export class Ledger {
  readonly #context: ServerContext
  /** Points that the store is giving up just now: it is too late to take them back. */
  readonly #going = new Set<string>()

  constructor(context: ServerContext) {
    this.#context = context
  }

  async coolOffMs(): Promise<number> {
    return (await readSetting(this.#context, deletionSetting)).value.coolOffDays * DAY_MS
  }

  async write(records: Records, leaving: readonly Leaving[], coolOffMs: number): Promise<readonly Deletion[]> {
    const nowMs = this.#context.op.clock.nowMs()
    const lines = leaving.map(
      ({ point, reason, details, holdReason, isAtOnce }): NewDeletion => ({
        sourceId: point.sourceId,
        pointId: point.id,
        poolId: point.poolId,
        reason,
        details,
        holdReason,
        bytes: point.storedBytes,
        dueMs: isAtOnce ? nowMs : nowMs + coolOffMs,
      }),
    )
    const planned = await records.deletions.plan(lines)
    for (const { point, holdReason } of leaving) if (holdReason === undefined) await records.points.setState(point.id, 'expired')
    return planned
  }

  /** Protection was stopped with deletion: all points of the source, but those that are pinned or on hold. In the caller's transaction. */
  async giveUp(records: Records, source: DataSource): Promise<void> {
    const setting = deletionSetting.shape.parse((await records.settings.find(deletionSetting.name))?.value ?? {})
    const leaving: Leaving[] = []
    for (const point of await records.points.validOf(source.id)) {
      if (await records.deletions.openOf(point.id)) continue
      const isHeld = isPinned(point, this.#context.op.clock.nowMs()) || point.hasLegalHold
      leaving.push({ point, reason: STOPPED, ...(isHeld && { holdReason: point.hasLegalHold ? 'on legal hold' : 'pinned' }) })
    }
    await this.write(records, leaving, setting.coolOffDays * DAY_MS)
    if (leaving.length === 0) await applyEvent(records, source, 'deleted')
  }

  /** A person takes it back: it is pinned for another cool-off, since the same policy would give it up again at once. POINT_NOT_LEAVING. */
  async undelete(pointId: string, by: string): Promise<void> {
    const untilMs = this.#context.op.clock.nowMs() + Math.max(LEAST_RESPITE_MS, await this.coolOffMs())
    await this.#context.catalog.transaction(async (records) => {
      const open = await records.deletions.openOf(pointId)
      if (!open) throw retentionError('POINT_NOT_LEAVING', `the recovery point ${pointId} is not on its way out`)
      if (this.#going.has(pointId)) throw retentionError('POINT_NOT_LEAVING', `the recovery point ${pointId} is being deleted just now`)
      await this.#keep(records, open, by)
      const point = await records.points.get(pointId)
      if ((point.pinnedUntilMs ?? 0) < untilMs)
        await records.points.pin(pointId, { untilMs, note: 'taken back; then retention decides again' })
    })
  }

  /** They stay after all. */
  async takeBack(lines: readonly Deletion[], by: string): Promise<void> {
    await this.#context.catalog.transaction(async (records) => {
      for (const line of lines) if (!this.#going.has(line.pointId)) await this.#keep(records, line, by)
    })
  }

  /** A person agrees to what was held. DELETION_NOT_HELD. */
  async approve(ids: readonly string[], by: string): Promise<void> {
    const dueMs = this.#context.op.clock.nowMs() + (await this.coolOffMs())
    await this.#context.catalog.transaction(async (records) => {
      for (const id of ids) {
        const line = await records.deletions.find(id)
        if (line?.state !== 'held') throw retentionError('DELETION_NOT_HELD', `the deletion ${id} does not wait for a person`)
        const point = await records.points.find(line.pointId)
        if (point?.hasLegalHold || (point && isPinned(point, this.#context.op.clock.nowMs()))) {
          const refusal = refuseSingleDelete({ isPinned: point.pinnedUntilMs !== undefined, hasLegalHold: point.hasLegalHold })
          throw refusalError(refusal)
        }
        await records.deletions.approve(id, { by, dueMs })
        if (point?.state === 'valid') await records.points.setState(point.id, 'expired')
      }
    })
  }

  /** Carries out what is due on one pool: the store first, then the word that it is done. Returns how many points went. */
  async carryOut(
    op: Operation,
    pools: PoolWork,
    poolId: string,
  ): Promise<{ readonly points: number; readonly bytes: number; readonly kept: number }> {
    const { catalog } = this.#context
    const due = (await catalog.deletions.due(op.clock.nowMs(), 10_000)).filter((line) => line.poolId === poolId)
    const { keepLastGood } = (await readSetting(this.#context, deletionSetting)).value
    // A recovery that waits or runs may begin anew: what it was promised stays until it has ended.
    const read = await pointsBeingRestored(catalog)
    const decided: Deletion[] = []
    let kept = 0
    for (const line of due) {
      op.check()
      const point = await catalog.points.find(line.pointId)
      // What was pinned or held since then stays; and never so many go that too few good ones are left.
      if (read.has(line.pointId)) kept++
      else if (point && (point.hasLegalHold || isPinned(point, op.clock.nowMs()))) {
        await catalog.transaction((records) => this.#keep(records, line, 'hold'))
        kept++
      } else if (line.reason !== STOPPED && (await this.#mustWait(line, keepLastGood))) kept++
      else decided.push(line)
    }
    const going = await this.#begin(decided)
    try {
      if (going.length > 0)
        await pools.expire(
          op,
          poolId,
          going.map(({ pointId }) => pointId),
        )
      const bytes = await this.#done(going)
      return { points: going.length, bytes, kept: kept + decided.length - going.length }
    } finally {
      for (const { pointId } of going) this.#going.delete(pointId)
    }
  }

  /** From here on nobody takes them back. Without those that somebody did since they were looked at. */
  async #begin(decided: readonly Deletion[]): Promise<Deletion[]> {
    const { catalog, op } = this.#context
    return await catalog.transaction(async (records) => {
      const going: Deletion[] = []
      const read = await pointsBeingRestored(records)
      for (const line of decided) {
        if (read.has(line.pointId)) continue
        const point = await records.points.find(line.pointId)
        if (point && (point.hasLegalHold || isPinned(point, op.clock.nowMs()))) continue
        const now = await records.deletions.find(line.id)
        if (now?.state === 'due' && now.poolId === line.poolId) going.push(line)
      }
      for (const { pointId } of going) this.#going.add(pointId)
      return going
    })
  }

  /** After the store has done it. How many bytes that were. */
  async #done(going: readonly Deletion[]): Promise<number> {
    const { catalog } = this.#context
    let bytes = 0
    for (const line of going) {
      bytes += line.bytes ?? 0
      await catalog.transaction(async (records) => {
        // It was moved meanwhile: it goes there with the next run.
        if ((await records.deletions.find(line.id))?.poolId !== line.poolId) return
        await records.deletions.done(line.id)
        if (await records.points.find(line.pointId)) await records.points.setState(line.pointId, 'pruned')
        await this.#settle(records, line.sourceId)
      })
    }
    return bytes
  }

  /** §10.8: nothing goes while the replica is inconsistent; and never so much that too few good points are left. */
  async #mustWait({ sourceId, reason }: Deletion, least: number): Promise<boolean> {
    const source = await this.#context.catalog.sources.find(sourceId)
    const last = source && memoryOf(source).unsound.at(-1)
    if (last && last.toMs === undefined) return true
    return !(await this.#hasEnough(sourceId, least, reason))
  }

  async #hasEnough(sourceId: string, least: number, reason: string): Promise<boolean> {
    const good = (await this.#context.catalog.points.validOf(sourceId)).filter(({ verifiedResult }) => verifiedResult !== 'damaged')
    // A synchronisation between points is needless as soon as there is a later one.
    return good.length >= (reason === SUPERSEDED ? 1 : least)
  }

  async #keep(records: Records, line: Deletion, by: string): Promise<void> {
    await records.deletions.undo(line.id, by)
    const point = await records.points.find(line.pointId)
    if (point?.state === 'expired') await records.points.setState(point.id, 'valid')
    await this.#settle(records, line.sourceId)
  }

  /** A source whose data was given up is protected by nobody once nothing of it is left to go. */
  async #settle(records: Records, sourceId: string): Promise<void> {
    const source = await records.sources.find(sourceId)
    if (source?.state !== 'deleting') return
    const open = await records.deletions.list({ limit: 1 }, { sourceId, states: ['held', 'due'] })
    if (open.items.length === 0) await applyEvent(records, source, 'deleted')
  }
}

export async function pointsBeingRestored({ jobs }: Pick<Records, 'jobs'>): Promise<ReadonlySet<string>> {
  const filter = {
    states: ['scheduled', 'queued', 'in-progress'],
    types: ['recovery', 'online-recovery', 'staging-recovery', 'test-restore'],
  } as const
  const { items } = await jobs.list({ limit: 100_000 }, filter)
  return new Set(items.flatMap(({ pointId }) => pointId ?? []))
}

export function isPinned(point: Pick<RecoveryPoint, 'pinnedUntilMs'>, nowMs: number): boolean {
  return point.pinnedUntilMs !== undefined && point.pinnedUntilMs > nowMs - MINUTE_MS
}
