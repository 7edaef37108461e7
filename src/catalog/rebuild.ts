/**
 * The cache of the store, made again from it, and compared with it. The store lists what it holds; the catalog then holds exactly that. What only
 * the catalog knows of a point (pins, legal holds, verifications, when it expires) stays with the point.
 */
import type { Kysely, Transaction } from 'kysely'
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
  async compare(facts: PoolFacts): Promise<StoreComparison> {
    return compare(await rowsOf(this.#context.db, facts.poolId), facts.points)
  }

  /**
   * One transaction for a pool: whoever reads sees all of it as it was, or as it is. Sources that are unknown are added without an agent or a
   * group, inactive: nobody protects them, and their points can be restored.
   */
  async rebuild(facts: PoolFacts): Promise<RebuildReport> {
    return await transact(this.#context.db, async (transaction) => {
      const sourcesAdded = await this.#addSources(transaction, facts)
      const { unknown, missing, different } = compare(await rowsOf(transaction, facts.poolId), facts.points)
      const toWrite = new Set([...unknown, ...different.map(({ id }) => id)])
      let written = 0
      for (const point of facts.points) {
        if (!toWrite.has(point.id)) continue
        // The database is ours until the end of the transaction, the thread is not.
        if (++written % WRITTEN_AT_ONCE === 0) await letOthersRun()
        const row = toRow(point)
        await transaction
          .insertInto('recovery_points')
          .values({ ...row, ...UNTOUCHED, kind: 'full' })
          // A row of another pool: the point was moved, and this is where it is. One that was given up: the store has it, so it is there.
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ ...row, state: 'valid' }))
          .execute()
      }
      for (const id of missing) await transaction.deleteFrom('recovery_points').where('id', '=', id).execute()
      return { added: unknown.length, removed: missing.length, corrected: different.length, sourcesAdded }
    })
  }

  async #addSources(transaction: Transaction<Tables>, { poolId, sources }: PoolFacts): Promise<number> {
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
}

async function rowsOf(db: Kysely<Tables>, poolId: string): Promise<RecoveryPointRow[]> {
  return await db.selectFrom('recovery_points').selectAll().where('pool_id', '=', poolId).where('state', '<>', 'pruned').execute()
}

function compare(rows: readonly RecoveryPointRow[], points: readonly PointFacts[]): StoreComparison {
  const known = new Map(rows.map((row) => [row.id, row]))
  const unknown: string[] = []
  const different: { id: string; fields: string[] }[] = []
  for (const point of points) {
    const row = known.get(point.id)
    known.delete(point.id)
    if (row === undefined) {
      unknown.push(point.id)
      continue
    }
    const remembered = toFacts(row)
    const fields = (Object.keys(remembered) as (keyof PointFacts)[]).filter((field) => remembered[field] !== point[field])
    if (fields.length > 0) different.push({ id: point.id, fields })
  }
  return { points: points.length, unknown, missing: [...known.keys()], different }
}
