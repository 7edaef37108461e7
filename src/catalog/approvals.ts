/** Acts that one person asked for and another one decides on: what exactly, who, until when, and what came of it. The request itself is sealed. */
import { type CatalogContext, newId } from './context.ts'
import { catalogError, notFound } from './errors.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { ApprovalState } from './states.ts'
import type { ApprovalRow } from './tables.ts'

export interface Approval {
  readonly id: string
  /** The name of the route. */
  readonly act: string
  readonly requestSealed: Uint8Array
  readonly requestedBy: string
  readonly requestedMs: number
  readonly expiresMs: number
  readonly state: ApprovalState
  readonly decidedBy: string | undefined
  readonly decidedMs: number | undefined
  /** Why it was refused. */
  readonly reason: string | undefined
  /** Of one that failed when it was carried out. */
  readonly failureCode: string | undefined
}

export interface NewApproval {
  readonly id: string
  readonly act: string
  readonly requestSealed: Uint8Array
  readonly requestedBy: string
  readonly lifeMs: number
}

export class Approvals {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** Known before it is stored: what it seals is bound to it. */
  newId(): string {
    return newId(this.#context)
  }

  async create({ id, act, requestSealed, requestedBy, lifeMs }: NewApproval): Promise<Approval> {
    const nowMs = this.#context.clock.nowMs()
    const row: ApprovalRow = {
      id,
      act,
      request_sealed: requestSealed,
      requested_by: requestedBy,
      requested_ms: nowMs,
      expires_ms: nowMs + lifeMs,
      state: 'waiting',
      decided_by: null,
      decided_ms: null,
      reason: null,
      failure_code: null,
    }
    await this.#context.db.insertInto('approvals').values(row).execute()
    return present(row)
  }

  async get(id: string): Promise<Approval> {
    const row = await this.#context.db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('approval', id)
    return present(row)
  }

  /** The newest first. `isWaiting`: only those that can be decided on now. */
  async list({ limit, cursor }: PageRequest, { isWaiting = false } = {}): Promise<Page<Approval>> {
    const before = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('approvals').selectAll()
    if (isWaiting) query = query.where('state', '=', 'waiting').where('expires_ms', '>', this.#context.clock.nowMs())
    if (before) {
      const [ms, id] = before
      query = query.where((eb) => eb.or([eb('requested_ms', '<', ms), eb.and([eb('requested_ms', '=', ms), eb('id', '<', id)])]))
    }
    const rows = await query
      .orderBy('requested_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.requested_ms, row.id], present)
  }

  /** One statement, so that of two people who decide at once one does. CATALOG_STATE_CONFLICT when it no longer waits. */
  async decide(
    id: string,
    decision: { readonly isApproved: boolean; readonly by: string; readonly reason?: string | undefined },
  ): Promise<void> {
    const nowMs = this.#context.clock.nowMs()
    const result = await this.#context.db
      .updateTable('approvals')
      .set({
        state: decision.isApproved ? 'approved' : 'refused',
        decided_by: decision.by,
        decided_ms: nowMs,
        reason: decision.reason ?? null,
      })
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .where('expires_ms', '>', nowMs)
      .executeTakeFirst()
    if (result.numUpdatedRows !== 1n) throw catalogError('CATALOG_STATE_CONFLICT', `the request ${id} no longer waits`, { context: { id } })
  }

  /** What came of one that was approved. */
  async finish(id: string, failureCode?: string): Promise<void> {
    await this.#context.db
      .updateTable('approvals')
      .set({ state: failureCode === undefined ? 'done' : 'failed', failure_code: failureCode ?? null })
      .where('id', '=', id)
      .where('state', '=', 'approved')
      .execute()
  }
}

function present(row: ApprovalRow): Approval {
  return {
    id: row.id,
    act: row.act,
    requestSealed: row.request_sealed,
    requestedBy: row.requested_by,
    requestedMs: row.requested_ms,
    expiresMs: row.expires_ms,
    state: row.state,
    decidedBy: row.decided_by ?? undefined,
    decidedMs: row.decided_ms ?? undefined,
    reason: row.reason ?? undefined,
    failureCode: row.failure_code ?? undefined,
  }
}
