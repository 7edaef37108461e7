/** Tokens with which an agent enrols, once. */
import { type CatalogContext, newId } from './context.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { EnrolmentTokenRow } from './tables.ts'

export interface EnrolmentToken {
  readonly id: string
  /** The name that the agent will have; undefined: the one it says. */
  readonly agentName: string | undefined
  readonly createdBy: string
  readonly createdMs: number
  readonly expiresMs: number
  readonly usedMs: number | undefined
  /** The agent. */
  readonly usedBy: string | undefined
  readonly revokedMs: number | undefined
}

export class EnrolmentTokens {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async create(token: {
    readonly tokenSha256: string
    readonly agentName?: string | undefined
    readonly createdBy: string
    readonly lifeMs: number
  }): Promise<EnrolmentToken> {
    const nowMs = this.#context.clock.nowMs()
    const row: EnrolmentTokenRow = {
      id: newId(this.#context),
      token_sha256: token.tokenSha256,
      agent_name: token.agentName ?? null,
      created_by: token.createdBy,
      created_ms: nowMs,
      expires_ms: nowMs + token.lifeMs,
      used_ms: null,
      used_by: null,
      revoked_ms: null,
    }
    await this.#context.db.insertInto('enrolment_tokens').values(row).execute()
    return present(row)
  }

  /** Undefined when there is none, or it has expired, was used or revoked. One statement: of two agents with one token one wins. */
  async use(tokenSha256: string, agentId: string): Promise<EnrolmentToken | undefined> {
    const nowMs = this.#context.clock.nowMs()
    const row = await this.#context.db
      .updateTable('enrolment_tokens')
      .set({ used_ms: nowMs, used_by: agentId })
      .where('token_sha256', '=', tokenSha256)
      .where('used_ms', 'is', null)
      .where('revoked_ms', 'is', null)
      .where('expires_ms', '>', nowMs)
      .returningAll()
      .executeTakeFirst()
    return row && present(row)
  }

  /** The newest first. */
  async list({ limit, cursor }: PageRequest): Promise<Page<EnrolmentToken>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('enrolment_tokens').selectAll()
    if (after) query = query.where((eb) => eb(eb.refTuple('created_ms', 'id'), '<', eb.tuple(...after)))
    const rows = await query
      .orderBy('created_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.created_ms, row.id], present)
  }

  /** False when there is none that could still be used. */
  async revoke(id: string): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('enrolment_tokens')
      .set({ revoked_ms: this.#context.clock.nowMs() })
      .where('id', '=', id)
      .where('used_ms', 'is', null)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }
}

function present(row: EnrolmentTokenRow): EnrolmentToken {
  return {
    id: row.id,
    agentName: row.agent_name ?? undefined,
    createdBy: row.created_by,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
    usedMs: row.used_ms ?? undefined,
    usedBy: row.used_by ?? undefined,
    revokedMs: row.revoked_ms ?? undefined,
  }
}
