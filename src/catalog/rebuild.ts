/**
 * The cache of the store, made again from it, and compared with it. The store lists what it holds; the catalog then holds exactly that. What only
 * the catalog knows of a point (its kind, pins, legal holds, verifications, when it expires) stays with the point.
 *
 * A point may stand on two pool volumes, while it is moved and until the copy that it leaves is given up. Then the one that the catalog names counts, as long as that
 * volume has it. Of a volume that nobody could list nothing is said, and nothing is forgotten.
 */
import type { Kysely } from 'kysely'
import { letOthersRun } from '../base/clock.ts'
import { transact } from '../sqlite/index.ts'
import type { CatalogContext } from './context.ts'
import { type PointFacts, toFacts, toRow, UNTOUCHED } from './recovery-points.ts'
import type { RecoveryPointRow, Tables } from './tables.ts'

/** What one pool holds, all of it. */
export interface PoolFacts {
  readonly poolId: string
  readonly sources: readonly SourceFacts[]
  readonly points: readonly PointFacts[]
  /** Names of manifests that are there and can not be read: what the catalog knows of those points is all that is known. */
  readonly unread?: readonly string[]
}

export interface SourceFacts {
  readonly id: string
  /** What the last manifest says, for a source that the catalog does not know. */
  readonly name: string
  readonly workload: string
  readonly path: string
}

export interface StoreComparison {
  readonly points: number
  /** In the store; the catalog does not know them. */
  readonly unknown: readonly string[]
  /** In the catalog; the store does not hold them. */
  readonly missing: readonly string[]
  readonly different: readonly { readonly id: string; readonly fields: readonly string[] }[]
  /** On a volume that is not the one which the catalog names, and on that too. Nothing is wrong with them; they take room. */
  readonly copies: readonly { readonly id: string; readonly sourceId: string; readonly poolId: string }[]
}

export interface RebuildReport {
  readonly added: number
  readonly removed: number
  readonly corrected: number
  readonly sourcesAdded: number
}

const WRITTEN_AT_ONCE = 200

export class StoreMirror {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** Changes nothing. Empty lists: they agree. */
  async compare(...pools: readonly PoolFacts[]): Promise<StoreComparison> {
    return compare(await this.#remembered(this.#context.db, pools), pools).comparison
  }

  /**
   * One transaction for all of them: whoever reads sees everything as it was, or as it is. Sources that are unknown are added without an agent or a
   * group, inactive: nobody protects them, and their points can be restored.
   */
  async rebuild(...pools: readonly PoolFacts[]): Promise<RebuildReport> {
    return await transact(this.#context.db, async (transaction) => {
      let sourcesAdded = 0
      for (const facts of pools) sourcesAdded += await this.#addSources(transaction, facts)
      const { comparison, toWrite } = compare(await this.#remembered(transaction, pools), pools)
      const isUnknown = new Set(comparison.unknown)
      let written = 0
      for (const point of toWrite) {
        // The database is ours until the end of the transaction, the thread is not.
        if (++written % WRITTEN_AT_ONCE === 0) await letOthersRun()
        const row = toRow(point)
        await transaction
          .insertInto('recovery_points')
          .values({ ...row, ...UNTOUCHED, kind: 'full' })
          // One that was given up: the store has it, so it is there.
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ ...row, ...(isUnknown.has(point.id) && { state: 'valid' }) }))
          .execute()
      }
      for (const id of comparison.missing) await transaction.deleteFrom('recovery_points').where('id', '=', id).execute()
      const { unknown, missing, different } = comparison
      return { added: unknown.length, removed: missing.length, corrected: different.length, sourcesAdded }
    })
  }

  async #addSources(transaction: Kysely<Tables>, { poolId, sources }: PoolFacts): Promise<number> {
    const nowMs = this.#context.clock.nowMs()
    let added = 0
    for (const { id, name, workload, path } of sources) {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto('data_sources')
        .values({
          id,
          agent_id: null,
          workload,
          name,
          path,
          group_id: null,
          pool_id: poolId,
          state: 'inactive',
          cause_json: JSON.stringify({ code: 'FOUND_IN_STORE' }),
          state_since_ms: nowMs,
          is_recovering: 0,
          options_json: null,
          size_bytes: null,
          files: null,
          created_ms: nowMs,
          version: 1,
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst()
      added += Number(numInsertedOrUpdatedRows ?? 0n)
    }
    return added
  }

  async #remembered(db: Kysely<Tables>, pools: readonly PoolFacts[]): Promise<Remembered> {
    const rows = await db.selectFrom('recovery_points').selectAll().where('state', '<>', 'pruned').execute()
    const sources = await db.selectFrom('data_sources').select(['id', 'pool_id']).execute()
    return {
      rows: new Map(rows.map((row) => [row.id, row])),
      home: new Map(sources.map(({ id, pool_id }) => [id, pool_id])),
      listed: new Set(pools.map(({ poolId }) => poolId)),
    }
  }
}

interface Remembered {
  /** All that are there, as far as the catalog knows. */
  readonly rows: ReadonlyMap<string, RecoveryPointRow>
  /** The volume of each source. */
  readonly home: ReadonlyMap<string, string | null>
  /** Volumes of which it is known what they hold. */
  readonly listed: ReadonlySet<string>
}

function compare({ rows, home, listed }: Remembered, pools: readonly PoolFacts[]): { comparison: StoreComparison; toWrite: PointFacts[] } {
  const places = new Map<string, PointFacts[]>()
  for (const { points } of pools) for (const point of points) places.set(point.id, [...(places.get(point.id) ?? []), point])
  const unknown: string[] = []
  const different: { id: string; fields: string[] }[] = []
  const copies: { id: string; sourceId: string; poolId: string }[] = []
  const toWrite: PointFacts[] = []
  for (const [id, found] of places) {
    const row = rows.get(id)
    // It is where the catalog says, on a volume that could not be listed: what is found is a copy of it.
    const isElsewhere = row !== undefined && !listed.has(row.pool_id)
    const wanted = row?.pool_id ?? home.get((found[0] as PointFacts).sourceId)
    const point = found.find(({ poolId }) => poolId === wanted) ?? (found[0] as PointFacts)
    for (const { poolId, sourceId } of found) if (isElsewhere || poolId !== point.poolId) copies.push({ id, sourceId, poolId })
    if (isElsewhere) continue
    if (row === undefined) {
      unknown.push(id)
      toWrite.push(point)
      continue
    }
    const remembered = toFacts(row)
    const fields = (Object.keys(remembered) as (keyof PointFacts)[]).filter((field) => remembered[field] !== point[field])
    if (fields.length === 0) continue
    different.push({ id, fields })
    toWrite.push(point)
  }
  const unread = new Set(pools.flatMap(({ poolId, unread: names = [] }) => names.map((name) => `${poolId} ${name}`)))
  const isMissing = ({ id, pool_id, object_name }: RecoveryPointRow) =>
    listed.has(pool_id) && !places.has(id) && !unread.has(`${pool_id} ${object_name}`)
  const missing = [...rows.values()].filter(isMissing).map(({ id }) => id)
  const points = pools.reduce((sum, pool) => sum + pool.points.length, 0)
  return { comparison: { points, unknown, missing, different, copies }, toWrite }
}
