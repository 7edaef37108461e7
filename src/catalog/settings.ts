/** Settings: one JSON document a name, with a version, so that two people who change one at once do not undo each other. What is in them is their reader's. */
import { transact } from '../sqlite/index.ts'
import type { CatalogContext } from './context.ts'
import { versionConflict } from './errors.ts'
import { fromJson, type Json } from './json.ts'

export interface Setting {
  readonly value: Json
  /** From 1. */
  readonly version: number
  readonly changedMs: number
  readonly changedBy: string
}

export class Settings {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async find(name: string): Promise<Setting | undefined> {
    const row = await this.#context.db.selectFrom('settings').selectAll().where('name', '=', name).executeTakeFirst()
    if (!row) return undefined
    return { value: fromJson(row.value_json), version: row.version, changedMs: row.changed_ms, changedBy: row.changed_by }
  }

  /** `expectedVersion`: 0 when there is to be none yet; without one, whatever it is. CATALOG_VERSION_CONFLICT. */
  async put(name: string, value: Json, options: { readonly by: string; readonly expectedVersion?: number | undefined }): Promise<Setting> {
    const { db, clock } = this.#context
    return await transact(db, async (transaction) => {
      const before = (await transaction.selectFrom('settings').select('version').where('name', '=', name).executeTakeFirst())?.version ?? 0
      const expected = options.expectedVersion
      if (expected !== undefined && expected !== before) throw versionConflict('setting', name, expected)
      const set = { value_json: JSON.stringify(value), version: before + 1, changed_ms: clock.nowMs(), changed_by: options.by }
      await transaction
        .insertInto('settings')
        .values({ name, ...set })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(set))
        .execute()
      return { value, version: set.version, changedMs: set.changed_ms, changedBy: set.changed_by }
    })
  }
}
