/** Sessions of people at a browser. A row is found by the hash of the cookie's token; it ends when it was idle too long, or is too old. */
import { type CatalogContext, newId } from './context.ts'
import type { SessionRow } from './tables.ts'

export interface Session {
  readonly id: string
  readonly accountId: string
  readonly createdMs: number
  readonly lastUsedMs: number
  readonly expiresMs: number
  readonly steppedUpMs: number | undefined
  readonly address: string
  readonly client: string
}

export interface NewSession {
  readonly accountId: string
  readonly tokenSha256: string
  readonly lifeMs: number
  /** Password and second factor were given just now. */
  readonly isSteppedUp: boolean
  readonly address: string
  readonly client: string
}

export class Sessions {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async open(session: NewSession): Promise<Session> {
    const nowMs = this.#context.clock.nowMs()
    const row: SessionRow = {
      token_sha256: session.tokenSha256,
      id: newId(this.#context),
      account_id: session.accountId,
      created_ms: nowMs,
      last_used_ms: nowMs,
      expires_ms: nowMs + session.lifeMs,
      stepped_up_ms: session.isSteppedUp ? nowMs : null,
      address: session.address,
      client: session.client,
    }
    await this.#context.db.insertInto('sessions').values(row).execute()
    return present(row)
  }

  /** Undefined when there is none, or it ended. */
  async findByToken(tokenSha256: string, { idleMs }: { readonly idleMs: number }): Promise<Session | undefined> {
    const nowMs = this.#context.clock.nowMs()
    const row = await this.#context.db
      .selectFrom('sessions')
      .selectAll()
      .where('token_sha256', '=', tokenSha256)
      .where('expires_ms', '>', nowMs)
      .where('last_used_ms', '>', nowMs - idleMs)
      .executeTakeFirst()
    return row && present(row)
  }

  async touch(id: string): Promise<void> {
    await this.#context.db.updateTable('sessions').set({ last_used_ms: this.#context.clock.nowMs() }).where('id', '=', id).execute()
  }

  /** The same session under a new token: whoever had the old one has nothing. */
  async rotate(id: string, tokenSha256: string, { isSteppedUp }: { readonly isSteppedUp: boolean }): Promise<void> {
    const nowMs = this.#context.clock.nowMs()
    await this.#context.db
      .updateTable('sessions')
      .set({ token_sha256: tokenSha256, last_used_ms: nowMs, ...(isSteppedUp && { stepped_up_ms: nowMs }) })
      .where('id', '=', id)
      .execute()
  }

  /** Who it belongs to has just given password and second factor. */
  async stepUp(id: string): Promise<void> {
    await this.#context.db.updateTable('sessions').set({ stepped_up_ms: this.#context.clock.nowMs() }).where('id', '=', id).execute()
  }

  /** False when the account has no such session. */
  async close(accountId: string, id: string): Promise<boolean> {
    const query = this.#context.db.deleteFrom('sessions').where('id', '=', id).where('account_id', '=', accountId)
    return (await query.executeTakeFirst()).numDeletedRows === 1n
  }

  async closeAllOf(accountId: string, except?: string): Promise<void> {
    const query = this.#context.db.deleteFrom('sessions').where('account_id', '=', accountId)
    await query.where('id', '<>', except ?? '').execute()
  }

  /** Of everybody. */
  async closeAll(): Promise<void> {
    await this.#context.db.deleteFrom('sessions').execute()
  }

  /** The newest first. */
  async listOf(accountId: string, { idleMs }: { readonly idleMs: number }): Promise<Session[]> {
    const nowMs = this.#context.clock.nowMs()
    const rows = await this.#context.db
      .selectFrom('sessions')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('expires_ms', '>', nowMs)
      .where('last_used_ms', '>', nowMs - idleMs)
      .orderBy('created_ms', 'desc')
      .execute()
    return rows.map(present)
  }

  async removeEnded({ idleMs }: { readonly idleMs: number }): Promise<void> {
    const nowMs = this.#context.clock.nowMs()
    await this.#context.db
      .deleteFrom('sessions')
      .where((eb) => eb.or([eb('expires_ms', '<=', nowMs), eb('last_used_ms', '<=', nowMs - idleMs)]))
      .execute()
  }
}

function present(row: SessionRow): Session {
  return {
    id: row.id,
    accountId: row.account_id,
    createdMs: row.created_ms,
    lastUsedMs: row.last_used_ms,
    expiresMs: row.expires_ms,
    steppedUpMs: row.stepped_up_ms ?? undefined,
    address: row.address,
    client: row.client,
  }
}
