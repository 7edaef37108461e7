/** The one-time secret with which the first account is made. */
import type { CatalogContext } from './context.ts'

export class Setup {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async find(): Promise<{ readonly secretSha256: string; readonly usedMs: number | undefined } | undefined> {
    const row = await this.#context.db.selectFrom('setup').selectAll().executeTakeFirst()
    return row && { secretSha256: row.secret_sha256, usedMs: row.used_ms ?? undefined }
  }

  /** In place of one that was not used. */
  async put(secretSha256: string): Promise<void> {
    const row = { id: 1 as const, secret_sha256: secretSha256, created_ms: this.#context.clock.nowMs(), used_ms: null }
    await this.#context.db
      .insertInto('setup')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row).where('setup.used_ms', 'is', null))
      .execute()
  }

  /** False when it is another one, or was used before. */
  async use(secretSha256: string): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('setup')
      .set({ used_ms: this.#context.clock.nowMs() })
      .where('secret_sha256', '=', secretSha256)
      .where('used_ms', 'is', null)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }
}
