/** Answers to requests that carried an idempotency key, so that one that is sent twice does its work once. */
import { isUniqueViolation } from '../sqlite/index.ts'
import type { CatalogContext } from './context.ts'
import { fromJson } from './json.ts'

export interface KeptAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface IdempotencyKey {
  /** Keys of different callers have nothing to do with each other. */
  readonly caller: string
  readonly key: string
}

/** `different`: the key came before, with another request. `running`: the first request with it is not done, or its server died on it. */
export type Beginning = 'new' | 'running' | 'different' | KeptAnswer

export class Idempotency {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async begin({ caller, key }: IdempotencyKey, requestSha256: string): Promise<Beginning> {
    const row = {
      caller,
      key,
      request_sha256: requestSha256,
      created_ms: this.#context.clock.nowMs(),
      status: null,
      headers_json: null,
      body: null,
    }
    try {
      await this.#context.db.insertInto('idempotency').values(row).execute()
      return 'new'
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
    }
    const known = await this.#context.db
      .selectFrom('idempotency')
      .selectAll()
      .where('caller', '=', caller)
      .where('key', '=', key)
      .executeTakeFirst()
    if (known === undefined) return 'running'
    if (known.request_sha256 !== requestSha256) return 'different'
    if (known.status === null) return 'running'
    return { status: known.status, headers: fromJson(known.headers_json ?? '{}'), body: known.body ?? '' }
  }

  async finish({ caller, key }: IdempotencyKey, { status, headers, body }: KeptAnswer): Promise<void> {
    await this.#context.db
      .updateTable('idempotency')
      .set({ status, headers_json: JSON.stringify(headers), body })
      .where('caller', '=', caller)
      .where('key', '=', key)
      .execute()
  }

  /** The request did nothing: it may be sent again. */
  async abandon({ caller, key }: IdempotencyKey): Promise<void> {
    await this.#context.db
      .deleteFrom('idempotency')
      .where('caller', '=', caller)
      .where('key', '=', key)
      .where('status', 'is', null)
      .execute()
  }

  async removeBefore(beforeMs: number): Promise<void> {
    await this.#context.db.deleteFrom('idempotency').where('created_ms', '<', beforeMs).execute()
  }
}
