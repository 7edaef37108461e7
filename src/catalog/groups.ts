/** Protection groups: a JSON document each, with a version. What a document may say is the room protection's to judge, before it comes here. */
import { isForeignKeyViolation, isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, nameTaken, notFound, versionConflict } from './errors.ts'
import { fromJson, type JsonObject } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { GroupRow } from './tables.ts'

export interface StoredGroup {
  readonly id: string
  readonly name: string
  readonly document: JsonObject
  readonly version: number
  readonly createdMs: number
  readonly changedMs: number
  readonly changedBy: string
}

export class Groups {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN. */
  async create(group: { readonly name: string; readonly document: JsonObject; readonly by: string }): Promise<StoredGroup> {
    const nowMs = this.#context.clock.nowMs()
    const row: GroupRow = {
      id: newId(this.#context),
      name: group.name,
      document_json: JSON.stringify(group.document),
      version: 1,
      created_ms: nowMs,
      changed_ms: nowMs,
      changed_by: group.by,
    }
    try {
      await this.#context.db.insertInto('groups').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('protection group', group.name) : error
    }
    return present(row)
  }

  async find(id: string): Promise<StoredGroup | undefined> {
    const row = await this.#context.db.selectFrom('groups').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async findByName(name: string): Promise<StoredGroup | undefined> {
    const row = await this.#context.db.selectFrom('groups').selectAll().where('name', '=', name).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<StoredGroup> {
    const group = await this.find(id)
    if (!group) throw notFound('protection group', id)
    return group
  }

  /** By name. */
  async list({ limit, cursor }: PageRequest): Promise<Page<StoredGroup>> {
    const after = readCursor<[string]>(cursor, ['string'])
    let query = this.#context.db.selectFrom('groups').selectAll()
    if (after) query = query.where('name', '>', after[0])
    const rows = await query
      .orderBy('name')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.name], present)
  }

  async all(): Promise<StoredGroup[]> {
    return (await this.#context.db.selectFrom('groups').selectAll().orderBy('name').execute()).map(present)
  }

  /** CATALOG_RECORD_NOT_FOUND, CATALOG_VERSION_CONFLICT, CATALOG_NAME_TAKEN. */
  async replace(
    id: string,
    group: { readonly name: string; readonly document: JsonObject; readonly by: string },
    expectedVersion: number,
  ): Promise<StoredGroup> {
    await this.get(id)
    const set = {
      name: group.name,
      document_json: JSON.stringify(group.document),
      version: expectedVersion + 1,
      changed_ms: this.#context.clock.nowMs(),
      changed_by: group.by,
    }
    const query = this.#context.db.updateTable('groups').set(set).where('id', '=', id).where('version', '=', expectedVersion)
    try {
      const { numUpdatedRows } = await query.executeTakeFirst()
      if (numUpdatedRows !== 1n) throw versionConflict('protection group', id, expectedVersion)
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('protection group', group.name) : error
    }
    return await this.get(id)
  }

  /** CATALOG_STILL_USED while it has data sources. */
  async remove(id: string, expectedVersion: number): Promise<void> {
    await this.get(id)
    const query = this.#context.db.deleteFrom('groups').where('id', '=', id).where('version', '=', expectedVersion)
    try {
      const { numDeletedRows } = await query.executeTakeFirst()
      if (numDeletedRows !== 1n) throw versionConflict('protection group', id, expectedVersion)
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error
      throw catalogError('CATALOG_STILL_USED', `the protection group ${id} has data sources`, { cause: error, context: { id } })
    }
  }
}

function present(row: GroupRow): StoredGroup {
  return {
    id: row.id,
    name: row.name,
    document: fromJson(row.document_json),
    version: row.version,
    createdMs: row.created_ms,
    changedMs: row.changed_ms,
    changedBy: row.changed_by,
  }
}
