/** Data sources: what is protected, with the state of its replica. One keeps its id, and with it its recovery points, through renames and moves. */
import type { ReplicaState } from '../protection/index.ts'
import { isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, nameTaken, notFound } from './errors.ts'
import { fromJsonOr, type JsonObject, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { DataSourceRow } from './tables.ts'

export interface DataSource {
  readonly id: string
  /** Undefined when the catalog was made again from a store that does not say. */
  readonly agentId: string | undefined
  readonly workload: string
  readonly name: string
  /** What the workload calls the place: of files, the folder. */
  readonly path: string
  readonly groupId: string | undefined
  readonly poolId: string | undefined
  readonly state: ReplicaState
  /** Why it is in that state. */
  readonly cause: JsonObject | undefined
  readonly stateSinceMs: number
  readonly isRecovering: boolean
  readonly options: JsonObject | undefined
  readonly sizeBytes: number | undefined
  readonly files: number | undefined
  readonly createdMs: number
}

export interface NewDataSource {
  readonly id?: string | undefined
  readonly agentId?: string | undefined
  readonly workload: string
  readonly name: string
  readonly path: string
  readonly groupId?: string | undefined
  readonly poolId?: string | undefined
  readonly state?: ReplicaState | undefined
  readonly options?: JsonObject | undefined
}

export interface DataSourceFilter {
  readonly agentId?: string | undefined
  readonly groupId?: string | undefined
  readonly poolId?: string | undefined
  readonly states?: readonly ReplicaState[] | undefined
}

export class DataSources {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN when this place of this agent is known: then it is taken up again, not added. */
  async add(source: NewDataSource): Promise<DataSource> {
    const nowMs = this.#context.clock.nowMs()
    const row: DataSourceRow = {
      id: source.id ?? newId(this.#context),
      agent_id: source.agentId ?? null,
      workload: source.workload,
      name: source.name,
      path: source.path,
      group_id: source.groupId ?? null,
      pool_id: source.poolId ?? null,
      state: source.state ?? 'unprotected',
      cause_json: null,
      state_since_ms: nowMs,
      is_recovering: 0,
      options_json: toJson(source.options),
      size_bytes: null,
      files: null,
      created_ms: nowMs,
      version: 1,
    }
    try {
      await this.#context.db.insertInto('data_sources').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('data source', source.path) : error
    }
    return present(row)
  }

  async find(id: string): Promise<DataSource | undefined> {
    const row = await this.#context.db.selectFrom('data_sources').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<DataSource> {
    const source = await this.find(id)
    if (!source) throw notFound('data source', id)
    return source
  }

  async findByPlace(agentId: string, workload: string, path: string): Promise<DataSource | undefined> {
    const row = await this.#context.db
      .selectFrom('data_sources')
      .selectAll()
      .where('agent_id', '=', agentId)
      .where('workload', '=', workload)
      .where('path', '=', path)
      .executeTakeFirst()
    return row && present(row)
  }

  /** By name. */
  async list({ limit, cursor }: PageRequest, filter: DataSourceFilter = {}): Promise<Page<DataSource>> {
    const after = readCursor<[string, string]>(cursor, ['string', 'string'])
    let query = this.#filtered(filter)
    if (after) query = query.where((eb) => eb(eb.refTuple('name', 'id'), '>', eb.tuple(...after)))
    const rows = await query
      .orderBy('name')
      .orderBy('id')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.name, row.id], present)
  }

  async all(filter: DataSourceFilter = {}): Promise<DataSource[]> {
    return (await this.#filtered(filter).orderBy('name').orderBy('id').execute()).map(present)
  }

  #filtered({ agentId, groupId, poolId, states }: DataSourceFilter) {
    let query = this.#context.db.selectFrom('data_sources').selectAll()
    if (agentId !== undefined) query = query.where('agent_id', '=', agentId)
    if (groupId !== undefined) query = query.where('group_id', '=', groupId)
    if (poolId !== undefined) query = query.where('pool_id', '=', poolId)
    if (states !== undefined) query = query.where('state', 'in', states)
    return query
  }

  /**
   * `from`: the states in which this may happen, since someone else may have been quicker. CATALOG_STATE_CONFLICT when it is in none of them,
   * CATALOG_RECORD_NOT_FOUND. The time of the state stays when only its cause changes.
   */
  async setState(
    id: string,
    state: ReplicaState,
    options: { readonly from?: readonly ReplicaState[] | undefined; readonly cause?: JsonObject | undefined } = {},
  ): Promise<DataSource> {
    const { from, cause } = options
    const nowMs = this.#context.clock.nowMs()
    let query = this.#context.db
      .updateTable('data_sources')
      .set((eb) => ({
        state,
        cause_json: toJson(cause),
        state_since_ms: eb.case().when('state', '=', state).then(eb.ref('state_since_ms')).else(nowMs).end(),
        version: eb('version', '+', 1),
      }))
      .where('id', '=', id)
    if (from !== undefined) query = query.where('state', 'in', from)
    const row = await query.returningAll().executeTakeFirst()
    if (row) return present(row)
    const now = await this.get(id)
    const context = { id, state: now.state, wanted: state }
    throw catalogError('CATALOG_STATE_CONFLICT', `the data source ${id} is ${now.state}, so it can not become ${state}`, { context })
  }

  async setRecovering(id: string, isRecovering: boolean): Promise<void> {
    await this.#update(id, { is_recovering: isRecovering ? 1 : 0 })
  }

  /** To another group or pool, to none (`null`), or under another name. */
  async assign(
    id: string,
    to: {
      readonly groupId?: string | null | undefined
      readonly poolId?: string | null | undefined
      readonly name?: string | undefined
      readonly options?: JsonObject | undefined
    },
  ): Promise<void> {
    await this.#update(id, {
      ...(to.groupId !== undefined && { group_id: to.groupId }),
      ...(to.poolId !== undefined && { pool_id: to.poolId }),
      ...(to.name !== undefined && { name: to.name }),
      ...(to.options !== undefined && { options_json: toJson(to.options) }),
    })
  }

  async measured(id: string, { sizeBytes, files }: { readonly sizeBytes: number; readonly files: number }): Promise<void> {
    await this.#update(id, { size_bytes: sizeBytes, files })
  }

  /** CATALOG_STILL_USED while there are recovery points of it. */
  async remove(id: string): Promise<void> {
    const { db } = this.#context
    const point = await db.selectFrom('recovery_points').select('id').where('source_id', '=', id).limit(1).executeTakeFirst()
    if (point) throw catalogError('CATALOG_STILL_USED', `the data source ${id} has recovery points`, { context: { id } })
    const { numDeletedRows } = await db.deleteFrom('data_sources').where('id', '=', id).executeTakeFirst()
    if (numDeletedRows !== 1n) throw notFound('data source', id)
  }

  async #update(id: string, set: Partial<DataSourceRow>): Promise<void> {
    if (Object.keys(set).length === 0) return
    const { numUpdatedRows } = await this.#context.db.updateTable('data_sources').set(set).where('id', '=', id).executeTakeFirst()
    if (numUpdatedRows !== 1n) throw notFound('data source', id)
  }
}

function present(row: DataSourceRow): DataSource {
  return {
    id: row.id,
    agentId: row.agent_id ?? undefined,
    workload: row.workload,
    name: row.name,
    path: row.path,
    groupId: row.group_id ?? undefined,
    poolId: row.pool_id ?? undefined,
    state: row.state,
    cause: fromJsonOr<JsonObject, undefined>(row.cause_json, undefined),
    stateSinceMs: row.state_since_ms,
    isRecovering: row.is_recovering === 1,
    options: fromJsonOr<JsonObject, undefined>(row.options_json, undefined),
    sizeBytes: row.size_bytes ?? undefined,
    files: row.files ?? undefined,
    createdMs: row.created_ms,
  }
}
