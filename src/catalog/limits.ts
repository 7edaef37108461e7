/**
 * How often something was tried, over restarts: failures to sign in, per account, with waits that double; and buckets of tokens, per network.
 * Accounts are kept by the hash of the name as it was typed, whether or not there is such an account: the answer must not tell.
 */
import { transact } from '../sqlite/index.ts'
import type { CatalogContext } from './context.ts'

export interface FailurePolicy {
  /** So many failures cost nothing. */
  readonly free: number
  readonly firstWaitMs: number
  readonly longestWaitMs: number
  /** After so long without a failure all is forgotten. */
  readonly forgetMs: number
}

export interface BucketPolicy {
  readonly capacity: number
  readonly refillMs: number
}

export class Limits {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /**
   * Returns 0 when an attempt may be made now, or how long to wait. An attempt counts as a failure until `succeeded` says otherwise: were it counted
   * afterwards, a hundred at once would all be looked at.
   */
  async attempt(keySha256: string, policy: FailurePolicy): Promise<number> {
    const nowMs = this.#context.clock.nowMs()
    return await transact(this.#context.db, async (transaction) => {
      const row = await transaction.selectFrom('sign_in_failures').selectAll().where('key_sha256', '=', keySha256).executeTakeFirst()
      // A clock that went back blocks nobody for longer than the longest wait.
      const waitMs = Math.min((row?.blocked_until_ms ?? 0) - nowMs, policy.longestWaitMs)
      if (waitMs > 0) return waitMs
      const isRecent = row !== undefined && nowMs - row.last_failure_ms < policy.forgetMs
      const failures = (isRecent ? row.failures : 0) + 1
      const doublings = Math.min(failures - policy.free - 1, 30)
      const nextWaitMs = failures <= policy.free ? 0 : Math.min(policy.firstWaitMs * 2 ** doublings, policy.longestWaitMs)
      const set = { failures, last_failure_ms: nowMs, blocked_until_ms: nowMs + nextWaitMs }
      await transaction
        .insertInto('sign_in_failures')
        .values({ key_sha256: keySha256, ...set })
        .onConflict((conflict) => conflict.column('key_sha256').doUpdateSet(set))
        .execute()
      return 0
    })
  }

  async succeeded(keySha256: string): Promise<void> {
    await this.#context.db.deleteFrom('sign_in_failures').where('key_sha256', '=', keySha256).execute()
  }

  /** Takes a token. Returns 0, or how long until there is one. */
  async take(bucket: string, { capacity, refillMs }: BucketPolicy): Promise<number> {
    const nowMs = this.#context.clock.nowMs()
    return await transact(this.#context.db, async (transaction) => {
      const row = await transaction.selectFrom('rate_buckets').selectAll().where('bucket', '=', bucket).executeTakeFirst()
      // A clock that went back refills nothing.
      const filled = row ? row.tokens + Math.max(0, nowMs - row.filled_ms) / refillMs : capacity
      const tokens = Math.min(capacity, filled)
      const waitMs = tokens >= 1 ? 0 : Math.ceil((1 - tokens) * refillMs)
      const set = { tokens: waitMs === 0 ? tokens - 1 : tokens, filled_ms: nowMs }
      await transaction
        .insertInto('rate_buckets')
        .values({ bucket, ...set })
        .onConflict((conflict) => conflict.column('bucket').doUpdateSet(set))
        .execute()
      return waitMs
    })
  }

  /** What no longer limits anybody. */
  async forget({
    failuresBeforeMs,
    bucketsBeforeMs,
  }: {
    readonly failuresBeforeMs: number
    readonly bucketsBeforeMs: number
  }): Promise<void> {
    await this.#context.db
      .deleteFrom('sign_in_failures')
      .where('last_failure_ms', '<', failuresBeforeMs)
      .where('blocked_until_ms', '<', this.#context.clock.nowMs())
      .execute()
    await this.#context.db.deleteFrom('rate_buckets').where('filled_ms', '<', bucketsBeforeMs).execute()
  }
}
