/**
 * Whether the catalog says of the store what is so: every night, and when somebody asks; and the catalog's cache of the store made again from it. All volumes are looked
 * at together, since a point may have been moved between them. What differs twice in a row is no backup that has just ended.
 */
import { asTerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Job, JsonObject, PoolFacts, StoreComparison } from '../../catalog/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { PoolWork } from '../jobs/pool-work.ts'

export interface CatalogCheckParts {
  readonly context: ServerContext
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  readonly engine: Pick<JobEngine, 'create' | 'createOnce'>
}

interface Look {
  readonly comparison: StoreComparison
  /** Of volumes that could be listed. */
  readonly facts: readonly PoolFacts[]
  /** Names of those that could not. */
  readonly unseen: readonly string[]
  /** Manifests that can not be read. */
  readonly damaged: readonly string[]
}

/** In an alert, and in the log of a job. */
const MOST_NAMED = 50

export class CatalogCheck {
  readonly #parts: CatalogCheckParts
  /** Copies of points that are on another volume, for whoever knows whether they are still wanted. */
  onCopies: (op: Operation, copies: StoreComparison['copies']) => Promise<void> = async () => {}

  constructor(parts: CatalogCheckParts) {
    this.#parts = parts
  }

  kind(): ServerJobKind {
    return {
      type: 'catalog-check',
      where: 'server',
      attempts: 2,
      run: (op, job) => (job.parameters.rebuild === true ? this.#rebuild(op) : this.#check(op, job)),
    }
  }

  /** `rebuild`: what differs is made what the store says. */
  async request(by: string, { rebuild = false } = {}): Promise<Job> {
    const request = { type: 'catalog-check', createdBy: by, isAdHoc: by !== 'server', priority: 10, parameters: { rebuild } } as const
    // One that waits and only looks is not what somebody waits for who wants it mended.
    return rebuild ? await this.#parts.engine.create(request) : (await this.#parts.engine.createOnce(request)).job
  }

  /** Before anything runs: what a crash kept from the catalog is found. */
  async reconcile(): Promise<void> {
    const { catalog, op } = this.#parts.context
    const { comparison, facts } = await this.#look(op)
    if (sizeOf(comparison) > 0) await catalog.mirror.rebuild(...facts)
  }

  async #look(op: Operation): Promise<Look> {
    const { context, pools, alerts } = this.#parts
    const facts: PoolFacts[] = []
    const unseen: string[] = []
    const damaged: string[] = []
    for (const pool of await context.catalog.pools.all()) {
      op.check()
      try {
        const found = await pools.facts(op, pool.id)
        facts.push(found.facts)
        damaged.push(...found.damaged)
        await alerts.resolve('pool-volume-missing', pool.id)
      } catch (error) {
        op.check()
        const { code, message } = asTerpError(error)
        unseen.push(pool.name)
        op.warn({ code, message, item: pool.name })
        await alerts.raise('pool-volume-missing', { id: pool.id, name: pool.name, message })
      }
    }
    return { comparison: await context.catalog.mirror.compare(...facts), facts, unseen, damaged }
  }

  async #check(op: Operation, job: Job): Promise<JobOutcome> {
    const { alerts } = this.#parts
    const first = await this.#look(op)
    const again = sizeOf(first.comparison) === 0 ? first : await this.#look(op)
    const wrong = inBoth(first.comparison, again.comparison)
    await this.onCopies(op, again.comparison.copies)
    const differences = sizeOf(wrong)
    if (differences === 0) await alerts.resolve('catalog-failed', '')
    else {
      const message = describe(wrong)
      op.warn({ code: 'CATALOG_DIFFERS', message, item: 'catalog' })
      await alerts.raise('catalog-failed', { id: '', name: 'catalog', message, details: detailsOf(wrong), jobId: job.id })
    }
    const { points, copies } = again.comparison
    return {
      result: { points, differences, copies: copies.length, unseen: [...again.unseen], damaged: again.damaged.length, ...detailsOf(wrong) },
    }
  }

  async #rebuild(op: Operation): Promise<JobOutcome> {
    const { context, alerts } = this.#parts
    const { facts, comparison, unseen } = await this.#look(op)
    const before = describe(comparison)
    const report = await context.catalog.mirror.rebuild(...facts)
    await alerts.resolve('catalog-failed', '')
    return { result: { points: comparison.points, ...report, unseen: [...unseen], was: before, ...detailsOf(comparison) } }
  }
}

type Differences = Pick<StoreComparison, 'unknown' | 'missing' | 'different'>

function sizeOf({ unknown, missing, different }: Differences): number {
  return unknown.length + missing.length + different.length
}

function inBoth(first: Differences, again: Differences): Differences {
  const was = new Set([...first.unknown, ...first.missing, ...first.different.map(({ id }) => id)])
  return {
    unknown: again.unknown.filter((id) => was.has(id)),
    missing: again.missing.filter((id) => was.has(id)),
    different: again.different.filter(({ id }) => was.has(id)),
  }
}

function describe({ unknown, missing, different }: Differences): string {
  const parts = [
    unknown.length > 0 && `${unknown.length} recovery points of the pools are not in the catalog`,
    missing.length > 0 && `${missing.length} of the catalog are in no pool`,
    different.length > 0 && `${different.length} are not as the catalog says (${fieldsOf(different)})`,
  ]
  return parts.filter((part) => part !== false).join(', ') || 'the catalog says what the pools hold'
}

function fieldsOf(different: Differences['different']): string {
  return [...new Set(different.flatMap(({ fields }) => fields))].sort().join(', ')
}

function detailsOf({ unknown, missing, different }: Differences): JsonObject {
  return {
    unknown: unknown.slice(0, MOST_NAMED),
    missing: missing.slice(0, MOST_NAMED),
    different: different.slice(0, MOST_NAMED).map(({ id, fields }) => ({ id, fields: [...fields] })),
  }
}
