/** Tokens of programs: for an account, with some of its roles, perhaps for some groups only, and always with an end. */
import { readRoles } from './accounts.ts'
import { type CatalogContext, newId } from './context.ts'
import { fromJsonOr } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { Role } from './states.ts'
import type { ApiTokenRow } from './tables.ts'

export interface ApiToken {
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly roles: readonly Role[]
  /** Ids of the groups that it reaches; undefined: all. */
  readonly groups: readonly string[] | undefined
  readonly createdMs: number
  readonly expiresMs: number
  readonly lastUsedMs: number | undefined
  readonly revokedMs: number | undefined
}

export interface NewApiToken {
  readonly accountId: string
  readonly name: string
  readonly tokenSha256: string
  readonly roles: readonly Role[]
  readonly groups?: readonly string[] | undefined
  readonly expiresMs: number
}

export class ApiTokens {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async create({ accountId, name, tokenSha256, roles, groups, expiresMs }: NewApiToken): Promise<ApiToken> {
    const row: ApiTokenRow = {
      id: newId(this.#context),
      account_id: accountId,
      name,
      token_sha256: tokenSha256,
      roles_json: JSON.stringify(roles),
      groups_json: groups === undefined ? null : JSON.stringify(groups),
      created_ms: this.#context.clock.nowMs(),
      expires_ms: expiresMs,
      last_used_ms: null,
      revoked_ms: null,
    }
    await this.#context.db.insertInto('api_tokens').values(row).execute()
    return present(row)
  }

  /** Undefined when there is none, it has expired, or was revoked. */
  async findByToken(tokenSha256: string): Promise<ApiToken | undefined> {
    const row = await this.#context.db
      .selectFrom('api_tokens')
      .selectAll()
      .where('token_sha256', '=', tokenSha256)
      .where('revoked_ms', 'is', null)
      .where('expires_ms', '>', this.#context.clock.nowMs())
      .executeTakeFirst()
    return row && present(row)
  }

  async find(id: string): Promise<ApiToken | undefined> {
    const row = await this.#context.db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  /** The newest first. */
  async list({ limit, cursor }: PageRequest, filter: { readonly accountId?: string | undefined } = {}): Promise<Page<ApiToken>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('api_tokens').selectAll()
    if (filter.accountId !== undefined) query = query.where('account_id', '=', filter.accountId)
    if (after) query = query.where((eb) => eb(eb.refTuple('created_ms', 'id'), '<', eb.tuple(...after)))
    const rows = await query
      .orderBy('created_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.created_ms, row.id], present)
  }

  async touch(id: string): Promise<void> {
    await this.#context.db.updateTable('api_tokens').set({ last_used_ms: this.#context.clock.nowMs() }).where('id', '=', id).execute()
  }

  /** False when it was revoked before. */
  async revoke(id: string): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('api_tokens')
      .set({ revoked_ms: this.#context.clock.nowMs() })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async revokeAllOf(accountId: string): Promise<void> {
    await this.#context.db
      .updateTable('api_tokens')
      .set({ revoked_ms: this.#context.clock.nowMs() })
      .where('account_id', '=', accountId)
      .where('revoked_ms', 'is', null)
      .execute()
  }
}

function present(row: ApiTokenRow): ApiToken {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    roles: readRoles(row.roles_json),
    groups: fromJsonOr<string[], undefined>(row.groups_json, undefined),
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
    lastUsedMs: row.last_used_ms ?? undefined,
    revokedMs: row.revoked_ms ?? undefined,
  }
}
