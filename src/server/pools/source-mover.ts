/**
 * Moves a data source to another volume of the storage pool (§3.5): all its recovery points are stored, committed and read back there; then the catalog names the new
 * volume, at once for all of them; then the old copies are given up by the protocol of retention, so that a prune frees them. Killed anywhere, the volume that the
 * catalog names has all of them: before the switch the old one, after it the new one. The same job again goes on from there.
 */
import { letOthersRun } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Job, PointFacts } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import { poolError } from './errors.ts'
import type { PoolKeeper } from './pool-keeper.ts'

export interface SourceMoverParts {
  readonly context: ServerContext
  readonly keeper: PoolKeeper
  /** `isRenumbered`: points have other numbers in their chain than before. */
  readonly onMoved: (moved: { readonly sourceId: string; readonly poolId: string; readonly isRenumbered: boolean }) => Promise<void>
}

const ATTEMPTS = 6
const WRITTEN_AT_ONCE = 50

export class SourceMover {
  readonly #parts: SourceMoverParts
  /**
   * Of each data source. What gives copies up may wait for long, for a prune to end; by then a move could have made them the points that the catalog names, and given up
   * those that were.
   */
  readonly #turns = new Map<string, Semaphore>()

  constructor(parts: SourceMoverParts) {
    this.#parts = parts
  }

  kind(): ServerJobKind {
    return {
      type: 'move-data-source',
      where: 'server',
      attempts: ATTEMPTS,
      run: (op, job) => this.run(op, job),
      afterwards: (job) => this.#afterwards(job),
    }
  }

  async run(op: Operation, job: Job): Promise<JobOutcome> {
    return await this.#turnOf(job.sourceId ?? '').run(() => this.#move(op, job))
  }

  #turnOf(sourceId: string): Semaphore {
    const turn = this.#turns.get(sourceId) ?? new Semaphore(1)
    this.#turns.set(sourceId, turn)
    return turn
  }

  async #move(op: Operation, job: Job): Promise<JobOutcome> {
    op.check()
    const { context, keeper } = this.#parts
    const { from, to } = wishOf(job)
    const source = await context.catalog.sources.get(job.sourceId ?? '')
    const target = await context.catalog.pools.get(to)
    if (target.state !== 'active' && source.poolId !== to)
      throw poolError('POOL_NOT_ACTIVE', `the pool volume ${target.name} is ${target.state}`, { context: { pool: to } })
    const points = await this.#pointsOn(op, source.id, from)
    const copied = points.length > 0 ? await keeper.copySource(op, { sourceId: source.id, from, to, points }) : undefined
    op.check()
    const isRenumbered = await this.#switch(source.id, from, to, copied?.points ?? [])
    await this.#parts.onMoved({ sourceId: source.id, poolId: to, isRenumbered })
    // What retention took away on the old volume while it was copied.
    await this.#removeCopies(op, source.id, to)
    const left = await this.#removeCopies(op, source.id, from)
    const { chunks = 0, bytes = 0 } = copied ?? {}
    return { result: { points: points.length, chunks, storedBytes: bytes, givenUp: left }, bytesTransferred: bytes }
  }

  /** That the volume has, and no other volume by the word of the catalog; also those that the catalog does not know. */
  async #pointsOn(op: Operation, sourceId: string, poolId: string): Promise<string[]> {
    const { context, keeper } = this.#parts
    const wanted: string[] = []
    for (const { id } of (await keeper.listPoints(op, poolId, sourceId)).points) {
      const known = await context.catalog.points.find(id)
      if (!known || known.poolId === poolId) wanted.push(id)
    }
    return wanted
  }

  /** One transaction. Whether a point has another number than before. */
  async #switch(sourceId: string, from: string, to: string, points: readonly PointFacts[]): Promise<boolean> {
    return await this.#parts.context.catalog.transaction(async (records) => {
      let isRenumbered = false
      for (const [n, facts] of points.entries()) {
        if (n % WRITTEN_AT_ONCE === WRITTEN_AT_ONCE - 1) await letOthersRun()
        const known = await records.points.find(facts.id)
        // Given up meanwhile: the copy goes too.
        if (known?.state === 'pruned') continue
        isRenumbered ||= known?.sequence !== facts.sequence
        await records.points.record({ ...facts, kind: known?.kind ?? 'full' })
      }
      await records.deletions.moveTo(sourceId, to)
      const { poolId } = await records.sources.get(sourceId)
      if (poolId === undefined || poolId === from) await records.sources.assign(sourceId, { poolId: to })
      return isRenumbered
    })
  }

  /**
   * Recovery points of the source on a volume that is not theirs, given up there: the one that the catalog names must hold them, just now. Fine to repeat. Returns how
   * many.
   */
  async removeCopies(op: Operation, sourceId: string, poolId: string): Promise<number> {
    return await this.#turnOf(sourceId).run(() => this.#removeCopies(op, sourceId, poolId))
  }

  async #removeCopies(op: Operation, sourceId: string, poolId: string): Promise<number> {
    const { context, keeper } = this.#parts
    const held = new Map<string, ReadonlySet<string>>()
    const holds = async (pool: string, id: string) => {
      const ids = held.get(pool) ?? new Set((await keeper.listPoints(op, pool, sourceId)).points.map((point) => point.id))
      held.set(pool, ids)
      return ids.has(id)
    }
    const going: string[] = []
    for (const { id } of (await keeper.listPoints(op, poolId, sourceId)).points) {
      const known = await context.catalog.points.find(id)
      if (!known || known.poolId === poolId) continue
      if (known.state === 'pruned' || (await holds(known.poolId, id))) going.push(id)
    }
    if (going.length > 0) await keeper.expire(op, poolId, going)
    return going.length
  }

  /** Copies that a move left which nobody finishes any more. */
  async tidy(op: Operation, copies: readonly { readonly sourceId: string; readonly poolId: string }[]): Promise<void> {
    const open = await this.#parts.context.catalog.jobs.list(
      { limit: 10_000 },
      { types: ['move-data-source'], states: ['scheduled', 'queued', 'in-progress'] },
    )
    const moving = new Set(open.items.map(({ sourceId }) => sourceId))
    const places = new Map(copies.map((copy) => [`${copy.sourceId} ${copy.poolId}`, copy]))
    for (const { sourceId, poolId } of places.values()) if (!moving.has(sourceId)) await this.removeCopies(op, sourceId, poolId)
  }

  /** Of one that came to nothing, what it had copied takes room on the new volume. */
  async #afterwards(job: Job): Promise<void> {
    if (job.state !== 'failed' && job.state !== 'cancelled') return
    const { to } = wishOf(job)
    await this.removeCopies(this.#parts.context.op, job.sourceId ?? '', to)
  }
}

export interface MoveWish {
  readonly from: string
  readonly to: string
}

function wishOf({ id, parameters }: Pick<Job, 'id' | 'parameters'>): MoveWish {
  const { from, to } = parameters as { readonly from?: unknown; readonly to?: unknown }
  if (typeof from !== 'string' || typeof to !== 'string') throw poolError('POOL_SAME', `the job ${id} does not say from where to where`)
  return { from, to }
}
