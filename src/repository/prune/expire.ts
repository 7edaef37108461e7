/**
 * Expire: takes recovery points out of sight. Their manifests lie in the trash until a prune has deleted what only they need, which it does not do while a
 * session that was open now goes on: that may build on them.
 */
import { toTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import type { PruningStore } from '../../storage/index.ts'
import { manifestOfName, type RecoveryPoint } from '../manifest/manifest.ts'
import type { Repository } from '../repository.ts'
import { readDeletion, writeDeletion } from './deletion-record.ts'
import { pruneError } from './errors.ts'
import { accountOnly, type OnlyBytes } from './only-bytes.ts'
import { checkPrunable, finishExpirations } from './prune.ts'
import { Survey, type WalkTree } from './survey.ts'

export interface ExpireOptions {
  readonly repository: Repository
  readonly store: PruningStore
  readonly walk: WalkTree
  /** Ids, beginnings of ids, or `latest`. */
  readonly points: readonly string[]
  readonly dryRun: boolean
  /** Also where a source keeps no point. */
  readonly allowLast: boolean
}

export interface ExpireReport extends OnlyBytes {
  readonly points: readonly RecoveryPoint[]
  readonly durationMs: number
}

/** The caller holds PRUNE.LOCK, but for a dry run. POINT_NOT_FOUND, POINT_AMBIGUOUS, POINT_LAST: then nothing was done for the others either. */
export async function expire(op: Operation, options: ExpireOptions): Promise<ExpireReport> {
  const { repository, store, walk, dryRun } = options
  checkPrunable(repository)
  const startMs = op.clock.monotonicMs()
  let deletion = await readDeletion(op, repository)
  if (!dryRun) {
    await store.beginPrune(op, deletion.number + 1)
    await finishExpirations(op, store, deletion)
  }
  const points = await findAll(op, options)
  const without = new Set(points.map(({ object }) => object))
  const sessions = () => store.sessions.live(op)
  const survey = await Survey.take(op, repository, sessions, { walk, deletion, keepTrashMs: 0, without })
  let only: OnlyBytes
  try {
    only = await accountOnly(op, survey, points)
  } finally {
    survey.close()
  }
  if (!dryRun) {
    await store.sessions.gate(op, async () => {
      const waits_for = (await store.sessions.live(op, { clean: true })).map(({ name }) => name)
      const at = toTimestamp(op.clock.nowMs())
      const fresh = points.map(({ object }) => ({ object, at, waits_for }))
      const gone = new Set(points.map(({ object }) => manifestOfName(object)?.hash))
      deletion = await writeDeletion(
        op,
        { store, keys: repository.keys },
        { ...deletion, expired: [...deletion.expired, ...fresh], known: deletion.known.filter((hash) => !gone.has(hash)) },
      )
    })
    await finishExpirations(op, store, deletion)
  }
  return { points, ...only, durationMs: op.clock.monotonicMs() - startMs }
}

async function findAll(op: Operation, { repository, points: queries, allowLast }: ExpireOptions): Promise<RecoveryPoint[]> {
  const found = new Map<string, RecoveryPoint>()
  for (const query of queries) {
    const point = await repository.findPoint(op, query)
    found.set(point.object, point)
  }
  const { points } = await repository.listPoints(op)
  for (const point of found.values()) {
    const isLast = points.every(({ source, object }) => source !== point.source || found.has(object))
    if (isLast && !allowLast)
      throw pruneError('POINT_LAST', `${point.source} would keep no recovery point`, { context: { source: point.source, point: point.id } })
  }
  return [...found.values()]
}
