/**
 * Recovery points as the catalog remembers them. The store is the truth: a row is written after the point is durable, and can be made again from
 * it (rebuild.ts). Only pins, legal holds and results of verification are the catalog's own.
 */
import { sql } from 'kysely'
import type { DiskPointState } from '../protection/index.ts'
import type { CatalogContext } from './context.ts'
import { notFound } from './errors.ts'
import { fromJsonOr, type Json, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { RecoveryPointRow } from './tables.ts'

/** What the store says about a point. */
export interface PointFacts {
  readonly id: string
  readonly sourceId: string
  readonly poolId: string
  /** Of its manifest. */
  readonly objectName: string
  readonly sequence: number
  readonly startedMs: number
  readonly finishedMs: number
  readonly bytes: number
  readonly files: number
  /** What it added to the pool. */
  readonly storedBytes: number
  readonly warnings: number
}

export interface RecoveryPoint extends PointFacts {
  /** Of the domain: `full`, `incremental`, … */
  readonly kind: string
  readonly state: DiskPointState
  readonly expiresMs: number | undefined
  /** Why it is kept, as retention said last. */
  readonly keep: Json | undefined
  readonly pinnedUntilMs: number | undefined
  readonly pinNote: string | undefined
  readonly hasLegalHold: boolean
  readonly verifiedMs: number | undefined
  readonly verifiedResult: 'good' | 'damaged' | undefined
}

/** The newest of each source, for status. */
export interface SourceSummary {
  readonly sourceId: string
  readonly points: number
  readonly oldestMs: number
  readonly newestMs: number
  readonly newestId: string
  readonly lastVerifiedMs: number | undefined
  /** The newest moment whose data can be restored, as far as is known. */
  readonly newestGoodMs: number | undefined
}

/** `pinnedUntilMs` of a pin without an end. */
export const FOREVER_MS = 253_402_300_799_000

export class RecoveryPoints {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** Again, if it is there: the same row, since a job that is resumed reports twice, and what was found in the store alone has no kind of its own. */
  async record(point: PointFacts & { readonly kind: string }): Promise<void> {
    const facts = toRow(point)
    await this.#context.db
      .insertInto('recovery_points')
      .values({ ...facts, ...UNTOUCHED, kind: point.kind })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ ...facts, kind: point.kind }))
      .execute()
  }

  async find(id: string): Promise<RecoveryPoint | undefined> {
    const row = await this.#context.db.selectFrom('recovery_points').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<RecoveryPoint> {
    const point = await this.find(id)
    if (!point) throw notFound('recovery point', id)
    return point
  }

  /** The newest first. */
  async list(
    { limit, cursor }: PageRequest,
    filter: {
      readonly sourceId?: string | undefined
      readonly poolId?: string | undefined
      readonly states?: readonly DiskPointState[] | undefined
      readonly fromMs?: number | undefined
      readonly untilMs?: number | undefined
    } = {},
  ): Promise<Page<RecoveryPoint>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('recovery_points').selectAll()
    if (filter.sourceId !== undefined) query = query.where('source_id', '=', filter.sourceId)
    if (filter.poolId !== undefined) query = query.where('pool_id', '=', filter.poolId)
    if (filter.states !== undefined) query = query.where('state', 'in', filter.states)
    if (filter.fromMs !== undefined) query = query.where('finished_ms', '>=', filter.fromMs)
    if (filter.untilMs !== undefined) query = query.where('finished_ms', '<', filter.untilMs)
    if (after) query = query.where((eb) => eb(eb.refTuple('finished_ms', 'id'), '<', eb.tuple(...after)))
    const rows = await query
      .orderBy('finished_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.finished_ms, row.id], present)
  }

  /** All of a source that can be restored, the oldest first: what retention decides upon. */
  async validOf(sourceId: string): Promise<RecoveryPoint[]> {
    const rows = await this.#context.db
      .selectFrom('recovery_points')
      .selectAll()
      .where('source_id', '=', sourceId)
      .where('state', '=', 'valid')
      .orderBy('finished_ms')
      .orderBy('id')
      .execute()
    return rows.map(present)
  }

  async newestOf(sourceId: string): Promise<RecoveryPoint | undefined> {
    const row = await this.#context.db
      .selectFrom('recovery_points')
      .selectAll()
      .where('source_id', '=', sourceId)
      .where('state', '=', 'valid')
      .orderBy('finished_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row && present(row)
  }

  /** Of all sources at once, or of some. */
  async summaries(sourceIds?: readonly string[]): Promise<SourceSummary[]> {
    const valid = this.#context.db.selectFrom('recovery_points').where('state', '=', 'valid')
    const wanted = sourceIds === undefined ? valid : valid.where('source_id', 'in', sourceIds)
    const rows = await wanted
      // SQLite takes the other columns from the row that has the maximum, if there is exactly one max() or min(): so the oldest is asked apart.
      .select((eb) => ['source_id', 'id', eb.fn.countAll<number>().as('points'), eb.fn.max<number>('finished_ms').as('newest')])
      .groupBy('source_id')
      .execute()
    const others = await wanted
      .select((eb) => [
        'source_id',
        eb.fn.min<number>('finished_ms').as('oldest'),
        eb.fn.max<number | null>('verified_ms').as('verified'),
        sql<number | null>`max(case when verified_result is not 'damaged' then min(started_ms, finished_ms) end)`.as('good'),
      ])
      .groupBy('source_id')
      .execute()
    const other = new Map(others.map((row) => [row.source_id, row]))
    return rows.map((row) => ({
      sourceId: row.source_id,
      points: row.points,
      newestId: row.id,
      newestMs: row.newest,
      oldestMs: other.get(row.source_id)?.oldest ?? row.newest,
      lastVerifiedMs: other.get(row.source_id)?.verified ?? undefined,
      newestGoodMs: other.get(row.source_id)?.good ?? undefined,
    }))
  }

  async setState(id: string, state: DiskPointState): Promise<void> {
    await this.#update(id, { state })
  }

  async setExpiry(id: string, expiresMs: number | undefined, keep: Json | undefined): Promise<void> {
    await this.#update(id, { expires_ms: expiresMs ?? null, keep_json: toJson(keep) })
  }

  async pin(id: string, { untilMs, note }: { readonly untilMs?: number | undefined; readonly note?: string | undefined }): Promise<void> {
    await this.#update(id, { pinned_until_ms: untilMs ?? FOREVER_MS, pin_note: note ?? null })
  }

  async unpin(id: string): Promise<void> {
    await this.#update(id, { pinned_until_ms: null, pin_note: null })
  }

  async setLegalHold(id: string, hasLegalHold: boolean): Promise<void> {
    await this.#update(id, { has_legal_hold: hasLegalHold ? 1 : 0 })
  }

  async verified(id: string, result: 'good' | 'damaged'): Promise<void> {
    await this.#update(id, { verified_ms: this.#context.clock.nowMs(), verified_result: result })
  }

  /** With what it has of a source, and how many of them. Also of points that are on their way out. */
  async sourcesOn(poolId: string): Promise<{ readonly sourceId: string; readonly points: number; readonly storedBytes: number }[]> {
    const rows = await this.#context.db
      .selectFrom('recovery_points')
      .select((eb) => ['source_id', eb.fn.countAll<number>().as('points'), eb.fn.sum<number>('stored_bytes').as('stored')])
      .where('pool_id', '=', poolId)
      .where('state', '<>', 'pruned')
      .groupBy('source_id')
      .execute()
    return rows.map((row) => ({ sourceId: row.source_id, points: row.points, storedBytes: row.stored }))
  }

  /** All of a source that are there, also those that are on their way out; the oldest first. */
  async presentOf(sourceId: string): Promise<RecoveryPoint[]> {
    const rows = await this.#context.db
      .selectFrom('recovery_points')
      .selectAll()
      .where('source_id', '=', sourceId)
      .where('state', '<>', 'pruned')
      .orderBy('finished_ms')
      .orderBy('id')
      .execute()
    return rows.map(present)
  }

  /** Rows of points that are gone for good. */
  async removePruned(beforeMs: number): Promise<void> {
    await this.#context.db.deleteFrom('recovery_points').where('state', '=', 'pruned').where('finished_ms', '<', beforeMs).execute()
  }

  async #update(id: string, set: Partial<RecoveryPointRow>): Promise<void> {
    const { numUpdatedRows } = await this.#context.db.updateTable('recovery_points').set(set).where('id', '=', id).executeTakeFirst()
    if (numUpdatedRows !== 1n) throw notFound('recovery point', id)
  }
}

/** What a row has that the store does not know, before anybody decided anything. */
export const UNTOUCHED = {
  state: 'valid' as const,
  expires_ms: null,
  keep_json: null,
  pinned_until_ms: null,
  pin_note: null,
  has_legal_hold: 0,
  verified_ms: null,
  verified_result: null,
}

export function toRow(facts: PointFacts) {
  return {
    id: facts.id,
    source_id: facts.sourceId,
    pool_id: facts.poolId,
    object_name: facts.objectName,
    sequence: facts.sequence,
    started_ms: facts.startedMs,
    finished_ms: facts.finishedMs,
    bytes: facts.bytes,
    files: facts.files,
    stored_bytes: facts.storedBytes,
    warnings: facts.warnings,
  }
}

export function toFacts(row: RecoveryPointRow): PointFacts {
  return {
    id: row.id,
    sourceId: row.source_id,
    poolId: row.pool_id,
    objectName: row.object_name,
    sequence: row.sequence,
    startedMs: row.started_ms,
    finishedMs: row.finished_ms,
    bytes: row.bytes,
    files: row.files,
    storedBytes: row.stored_bytes,
    warnings: row.warnings,
  }
}

function present(row: RecoveryPointRow): RecoveryPoint {
  return {
    ...toFacts(row),
    kind: row.kind,
    state: row.state,
    expiresMs: row.expires_ms ?? undefined,
    keep: fromJsonOr<Json, undefined>(row.keep_json, undefined),
    pinnedUntilMs: row.pinned_until_ms ?? undefined,
    pinNote: row.pin_note ?? undefined,
    hasLegalHold: row.has_legal_hold === 1,
    verifiedMs: row.verified_ms ?? undefined,
    verifiedResult: row.verified_result ?? undefined,
  }
}
