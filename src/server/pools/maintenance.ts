/** Long and short work on one pool, as tasks. The caller holds what locks they need. */
import { expirePoints, prunePool, type VerifyReport, verifyRepository } from '../../archive/index.ts'
import type { PoolFacts } from '../../catalog/index.ts'
import type { ExpireReport, PointListing, PruneReport } from '../../repository/index.ts'
import { isServerSource } from '../configuration-copy/server-source.ts'
import { factsOf, sourcesOf } from './point-facts.ts'
import type { Task } from './task.ts'

export const points: Task<{ readonly source?: string | undefined }, PointListing> = ({ op, repository }, { source }) =>
  repository.listPoints(op, source)

export interface FoundFacts {
  readonly facts: PoolFacts
  /** Manifests that can not be read. */
  readonly damaged: readonly string[]
}

export const facts: Task<{ readonly poolId: string }, FoundFacts> = async ({ op, repository }, { poolId }) => {
  const { points: all, damaged } = await repository.listPoints(op)
  // Copies of the configuration are no points of a data source.
  const points = all.filter(({ source }) => !isServerSource(source))
  return {
    facts: {
      poolId,
      sources: sourcesOf(points),
      points: points.map((point) => factsOf(poolId, point)),
      unread: damaged.map(({ object }) => object),
    },
    damaged: damaged.map(({ object }) => object),
  }
}

export const verify: Task<{ readonly readData: boolean }, VerifyReport> = ({ op, repository }, options) =>
  verifyRepository(op, repository, options)

export interface Expired {
  /** Undefined when none of them was there. */
  readonly report: ExpireReport | undefined
  /** Of the ids: not there, as after an expiry that was cut off before anybody was told. */
  readonly absent: readonly string[]
}

/** Under PRUNE.LOCK. Fine to repeat. */
export const expire: Task<{ readonly points: readonly string[]; readonly dryRun: boolean }, Expired> = async (
  place,
  { points, dryRun },
) => {
  const { op, repository, store } = place
  const there = new Set((await repository.listPoints(op)).points.map(({ id }) => id))
  const present = points.filter((id) => there.has(id))
  const absent = points.filter((id) => !there.has(id))
  // Retention has decided; whether a source keeps one is its business.
  const report = present.length > 0 ? await expirePoints(op, { repository, store, points: present, dryRun, allowLast: true }) : undefined
  return { report, absent }
}

export interface PruneWish {
  readonly dryRun: boolean
  readonly keepTrashMs: number
  readonly waitMs: number
  readonly acceptUnexplained: boolean
}

/** Under PRUNE.LOCK, but for a dry run. */
export const prune: Task<PruneWish, PruneReport> = ({ op, repository, store }, wish) => prunePool(op, { repository, store, ...wish })
