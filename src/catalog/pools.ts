/** The volumes of the storage pool: one folder with one repository each; and how full they were, for the forecast. */
import { sql } from 'kysely'
import { isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, nameTaken, notFound, versionConflict } from './errors.ts'
import { fromJson, fromJsonOr, type JsonObject, toJson } from './json.ts'
import type { PoolRow, PoolUsageRow } from './tables.ts'

const DAY = sql.lit(86_400_000)

export type PoolState = PoolRow['state']

export interface PoolVolume {
  readonly id: string
  readonly name: string
  readonly folder: string
  readonly repositoryId: string | undefined
  /** Kinds of workloads that may be put here; empty: any. */
  readonly workloads: readonly string[]
  readonly thresholds: JsonObject | undefined
  readonly state: PoolState
  readonly createdMs: number
  readonly version: number
}

export interface PoolUsage {
  readonly atMs: number
  readonly sizeBytes: number
  readonly usedBytes: number
  readonly freeBytes: number
  readonly reclaimableBytes?: number | undefined
}

export class Pools {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN, also for a folder that is in use. */
  async add(pool: {
    readonly id?: string | undefined
    readonly name: string
    readonly folder: string
    readonly repositoryId?: string | undefined
    readonly workloads?: readonly string[] | undefined
    readonly thresholds?: JsonObject | undefined
  }): Promise<PoolVolume> {
    const row: PoolRow = {
      id: pool.id ?? newId(this.#context),
      name: pool.name,
      folder: pool.folder,
      repository_id: pool.repositoryId ?? null,
      workloads_json: JSON.stringify(pool.workloads ?? []),
      thresholds_json: toJson(pool.thresholds),
      state: 'active',
      created_ms: this.#context.clock.nowMs(),
      version: 1,
    }
    try {
      await this.#context.db.insertInto('pools').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('pool volume', `${pool.name} (${pool.folder})`) : error
    }
    return present(row)
  }

  async find(id: string): Promise<PoolVolume | undefined> {
    const row = await this.#context.db.selectFrom('pools').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<PoolVolume> {
    const pool = await this.find(id)
    if (!pool) throw notFound('pool volume', id)
    return pool
  }

  /** By name; there are few. */
  async all({ withRemoved = false } = {}): Promise<PoolVolume[]> {
    let query = this.#context.db.selectFrom('pools').selectAll()
    if (!withRemoved) query = query.where('state', '<>', 'removed')
    return (await query.orderBy('name').execute()).map(present)
  }

  /** CATALOG_VERSION_CONFLICT, CATALOG_NAME_TAKEN. */
  async change(
    id: string,
    change: {
      readonly name?: string | undefined
      readonly workloads?: readonly string[] | undefined
      readonly thresholds?: JsonObject | undefined
    },
    expectedVersion: number,
  ): Promise<PoolVolume> {
    await this.get(id)
    const set = {
      version: expectedVersion + 1,
      ...(change.name !== undefined && { name: change.name }),
      ...(change.workloads !== undefined && { workloads_json: JSON.stringify(change.workloads) }),
      ...(change.thresholds !== undefined && { thresholds_json: toJson(change.thresholds) }),
    }
    const query = this.#context.db.updateTable('pools').set(set).where('id', '=', id).where('version', '=', expectedVersion)
    try {
      const { numUpdatedRows } = await query.executeTakeFirst()
      if (numUpdatedRows !== 1n) throw versionConflict('pool volume', id, expectedVersion)
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('pool volume', change.name ?? id) : error
    }
    return await this.get(id)
  }

  /** `removed` only when no recovery point is on it: CATALOG_STILL_USED. */
  async setState(id: string, state: PoolState): Promise<void> {
    const { db } = this.#context
    if (state === 'removed') {
      const used = db.selectFrom('recovery_points').select('id').where('pool_id', '=', id).where('state', '<>', 'pruned').limit(1)
      if (await used.executeTakeFirst()) throw catalogError('CATALOG_STILL_USED', `recovery points are on the pool volume ${id}`)
      const source = await db.selectFrom('data_sources').select('id').where('pool_id', '=', id).limit(1).executeTakeFirst()
      if (source) throw catalogError('CATALOG_STILL_USED', `data sources are on the pool volume ${id}`)
    }
    const { numUpdatedRows } = await db.updateTable('pools').set({ state }).where('id', '=', id).executeTakeFirst()
    if (numUpdatedRows !== 1n) throw notFound('pool volume', id)
  }

  async setRepository(id: string, repositoryId: string): Promise<void> {
    await this.#context.db.updateTable('pools').set({ repository_id: repositoryId }).where('id', '=', id).execute()
  }

  /** It is mounted elsewhere now. CATALOG_NAME_TAKEN when another volume is there. */
  async relocate(id: string, folder: string): Promise<void> {
    try {
      const { numUpdatedRows } = await this.#context.db
        .updateTable('pools')
        .set((eb) => ({ folder, version: eb('version', '+', 1) }))
        .where('id', '=', id)
        .executeTakeFirst()
      if (numUpdatedRows !== 1n) throw notFound('pool volume', id)
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('pool volume', folder) : error
    }
  }

  async recordUsage(id: string, usage: Omit<PoolUsage, 'atMs'>): Promise<void> {
    const row: PoolUsageRow = {
      pool_id: id,
      at_ms: this.#context.clock.nowMs(),
      size_bytes: usage.sizeBytes,
      used_bytes: usage.usedBytes,
      free_bytes: usage.freeBytes,
      reclaimable_bytes: usage.reclaimableBytes ?? null,
    }
    await this.#context.db
      .insertInto('pool_usage')
      .values(row)
      .onConflict((conflict) => conflict.columns(['pool_id', 'at_ms']).doUpdateSet(row))
      .execute()
  }

  /** The oldest first. */
  async usageSince(id: string, fromMs: number): Promise<PoolUsage[]> {
    const rows = await this.#context.db
      .selectFrom('pool_usage')
      .selectAll()
      .where('pool_id', '=', id)
      .where('at_ms', '>=', fromMs)
      .orderBy('at_ms')
      .execute()
    return rows.map(presentUsage)
  }

  async latestUsage(id: string): Promise<PoolUsage | undefined> {
    const query = this.#context.db.selectFrom('pool_usage').selectAll().where('pool_id', '=', id).orderBy('at_ms', 'desc').limit(1)
    const row = await query.executeTakeFirst()
    return row && presentUsage(row)
  }

  /** Of what is older, the last of each day (UTC) stays. */
  async thinUsage(beforeMs: number): Promise<void> {
    await this.#context.db
      .deleteFrom('pool_usage')
      .where('at_ms', '<', beforeMs)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('pool_usage as later')
            .select('later.at_ms')
            .whereRef('later.pool_id', '=', 'pool_usage.pool_id')
            .whereRef('later.at_ms', '>', 'pool_usage.at_ms')
            // A literal: integers are divided without rest, while a parameter would be bound as a fraction.
            .where((inner) => inner(inner('later.at_ms', '/', DAY), '=', inner('pool_usage.at_ms', '/', DAY))),
        ),
      )
      .execute()
  }
}

function present(row: PoolRow): PoolVolume {
  return {
    id: row.id,
    name: row.name,
    folder: row.folder,
    repositoryId: row.repository_id ?? undefined,
    workloads: fromJson(row.workloads_json),
    thresholds: fromJsonOr<JsonObject, undefined>(row.thresholds_json, undefined),
    state: row.state,
    createdMs: row.created_ms,
    version: row.version,
  }
}

function presentUsage(row: PoolUsageRow): PoolUsage {
  return {
    atMs: row.at_ms,
    sizeBytes: row.size_bytes,
    usedBytes: row.used_bytes,
    freeBytes: row.free_bytes,
    reclaimableBytes: row.reclaimable_bytes ?? undefined,
  }
}
