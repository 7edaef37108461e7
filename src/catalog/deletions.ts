/**
 * The ledger of deletions: which recovery points will go, why, when, and how many bytes that frees, said before anything goes. A decision is
 * written first; it can be undone until it is carried out; and what needs a person is held until one agrees.
 */
import { isUniqueViolation, transact } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, notFound } from './errors.ts'
import { fromJsonOr, type Json, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { DeletionState } from './states.ts'
import type { DeletionRow } from './tables.ts'

export interface Deletion {
  readonly id: string
  readonly sourceId: string
  readonly pointId: string
  readonly poolId: string
  readonly state: DeletionState
  readonly reason: string
  readonly details: Json | undefined
  /** Why a person must agree. */
  readonly holdReason: string | undefined
  /** That it frees, as far as is known. */
  readonly bytes: number | undefined
  readonly decidedMs: number
  readonly dueMs: number
  readonly endedMs: number | undefined
  readonly endedBy: string | undefined
}

export interface NewDeletion {
  readonly sourceId: string
  readonly pointId: string
  readonly poolId: string
  readonly reason: string
  readonly details?: Json | undefined
  readonly holdReason?: string | undefined
  readonly bytes?: number | undefined
  readonly dueMs: number
}

export class Deletions {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** All or none. CATALOG_STATE_CONFLICT when one of the points is decided upon already. */
  async plan(deletions: readonly NewDeletion[]): Promise<Deletion[]> {
    const nowMs = this.#context.clock.nowMs()
    return await transact(this.#context.db, async (transaction) => {
      const planned: Deletion[] = []
      for (const deletion of deletions) {
        const row: DeletionRow = {
          id: newId(this.#context),
          source_id: deletion.sourceId,
          point_id: deletion.pointId,
          pool_id: deletion.poolId,
          state: deletion.holdReason === undefined ? 'due' : 'held',
          reason: deletion.reason,
          reason_json: toJson(deletion.details),
          hold_reason: deletion.holdReason ?? null,
          bytes: deletion.bytes ?? null,
          decided_ms: nowMs,
          due_ms: deletion.dueMs,
          ended_ms: null,
          ended_by: null,
        }
        try {
          await transaction.insertInto('deletions').values(row).execute()
        } catch (error) {
          if (!isUniqueViolation(error)) throw error
          const message = `the deletion of the recovery point ${deletion.pointId} is decided already`
          throw catalogError('CATALOG_STATE_CONFLICT', message, { cause: error, context: { point: deletion.pointId } })
        }
        planned.push(present(row))
      }
      return planned
    })
  }

  async find(id: string): Promise<Deletion | undefined> {
    const row = await this.#context.db.selectFrom('deletions').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  /** That nobody has ended: held, or on its way. */
  async openOf(pointId: string): Promise<Deletion | undefined> {
    const row = await this.#context.db
      .selectFrom('deletions')
      .selectAll()
      .where('point_id', '=', pointId)
      .where('state', 'in', ['held', 'due'])
      .executeTakeFirst()
    return row && present(row)
  }

  /** The recovery points of the source lie on another pool volume now. */
  async moveTo(sourceId: string, poolId: string): Promise<void> {
    await this.#context.db
      .updateTable('deletions')
      .set({ pool_id: poolId })
      .where('source_id', '=', sourceId)
      .where('state', 'in', ['held', 'due'])
      .execute()
  }

  /** None that is decided goes before this. */
  async postpone(untilMs: number): Promise<void> {
    await this.#context.db
      .updateTable('deletions')
      .set({ due_ms: untilMs })
      .where('state', 'in', ['held', 'due'])
      .where('due_ms', '<', untilMs)
      .execute()
  }

  /** Whose time has come; the oldest first. */
  async due(nowMs: number, limit = 1000): Promise<Deletion[]> {
    const rows = await this.#context.db
      .selectFrom('deletions')
      .selectAll()
      .where('state', '=', 'due')
      .where('due_ms', '<=', nowMs)
      .orderBy('due_ms')
      .limit(limit)
      .execute()
    return rows.map(present)
  }

  /** The next to go first. */
  async list(
    { limit, cursor }: PageRequest,
    filter: { readonly sourceId?: string | undefined; readonly states?: readonly DeletionState[] | undefined } = {},
  ): Promise<Page<Deletion>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('deletions').selectAll()
    if (filter.sourceId !== undefined) query = query.where('source_id', '=', filter.sourceId)
    if (filter.states !== undefined) query = query.where('state', 'in', filter.states)
    if (after) query = query.where((eb) => eb(eb.refTuple('due_ms', 'id'), '>', eb.tuple(...after)))
    const rows = await query
      .orderBy('due_ms')
      .orderBy('id')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.due_ms, row.id], present)
  }

  /** A person agrees to what was held. It goes when it is due. */
  async approve(id: string, { by, dueMs }: { readonly by: string; readonly dueMs: number }): Promise<Deletion> {
    return await this.#change(id, ['held'], { state: 'due', due_ms: dueMs, ended_by: by })
  }

  /** Nothing of it went yet, so it is as if nothing had been decided. */
  async undo(id: string, by: string): Promise<Deletion> {
    return await this.#change(id, ['held', 'due'], { state: 'undone', ended_ms: this.#context.clock.nowMs(), ended_by: by })
  }

  /** After the store has done it. */
  async done(id: string, bytes?: number): Promise<Deletion> {
    const freed = bytes === undefined ? {} : { bytes }
    return await this.#change(id, ['due'], { state: 'deleted', ended_ms: this.#context.clock.nowMs(), ...freed })
  }

  async #change(id: string, from: readonly DeletionState[], set: Partial<DeletionRow>): Promise<Deletion> {
    const query = this.#context.db.updateTable('deletions').set(set).where('id', '=', id).where('state', 'in', from).returningAll()
    const row = await query.executeTakeFirst()
    if (row) return present(row)
    const now = await this.find(id)
    if (!now) throw notFound('deletion', id)
    throw catalogError('CATALOG_STATE_CONFLICT', `the deletion ${id} is ${now.state}`, { context: { id, state: now.state } })
  }
}

function present(row: DeletionRow): Deletion {
  return {
    id: row.id,
    sourceId: row.source_id,
    pointId: row.point_id,
    poolId: row.pool_id,
    state: row.state,
    reason: row.reason,
    details: fromJsonOr<Json, undefined>(row.reason_json, undefined),
    holdReason: row.hold_reason ?? undefined,
    bytes: row.bytes ?? undefined,
    decidedMs: row.decided_ms,
    dueMs: row.due_ms,
    endedMs: row.ended_ms ?? undefined,
    endedBy: row.ended_by ?? undefined,
  }
}
