/**
 * The recovery points of one data source, from one open pool volume to another: stored there, committed there one by one, the oldest first, and read back there. Nothing
 * changes where they come from. What an earlier attempt brought there is taken as it is, so an attempt that was cut off costs what it had not stored.
 */
import type { CopiedChunks } from '../../archive/index.ts'
import { equalBytes } from '../../base/bytes.ts'
import { hasCode, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { PointFacts } from '../../catalog/index.ts'
import { asSession, type NewPoint, type RecoveryPoint, type WriteSession } from '../../repository/index.ts'
import { poolError } from './errors.ts'
import type { OpenVolume } from './open-volume.ts'
import { factsOf } from './point-facts.ts'

export interface SourceCopy {
  readonly sourceId: string
  readonly from: OpenVolume
  readonly to: OpenVolume
  /** Those that must be there in the end. What a retention took away meanwhile is left out. */
  readonly points: readonly string[]
}

export interface CopiedSource extends CopiedChunks {
  /** As they are there. */
  readonly points: readonly PointFacts[]
}

/** POOL_KEYS_DIFFER, POOL_MOVE_DAMAGED. */
export async function copySource(op: Operation, { sourceId, from, to, points: wanted }: SourceCopy): Promise<CopiedSource> {
  const context = { source: sourceId, from: from.id, to: to.id }
  if (!haveSameIds(from, to)) throw poolError('POOL_KEYS_DIFFER', 'the two pool volumes name chunks differently', { context })
  const isWanted = new Set(wanted)
  try {
    // A prune leaves alone there what is read.
    return await asSession(op, from.repository, from.store, 'move', async () => {
      const points = (await pointsOf(op, from, sourceId)).filter(({ id }) => isWanted.has(id))
      const copied = await to.withSession(op, (session) => copyAll(op, session, { sourceId, from, to, points }))
      const ids = points.map(({ id }) => id)
      await to.inThread((thread) => thread.run(op, 'readPoints', { source: sourceId, points: ids }))
      const there = new Map((await pointsOf(op, to, sourceId)).map((point) => [point.id, point]))
      const facts = points.map(({ id }) => {
        const point = there.get(id)
        if (!point) throw poolError('POOL_MOVE_DAMAGED', `the recovery point ${id} was copied and is not there`, { context })
        return factsOf(to.id, point)
      })
      return { ...copied, points: facts }
    })
  } catch (error) {
    if (hasCode(error, 'POOL_MOVE_DAMAGED')) throw error
    if (!isKind(error, 'corrupt')) throw error
    throw poolError('POOL_MOVE_DAMAGED', `what can not be read can not be moved: ${error.message}`, { cause: error, context })
  }
}

async function copyAll(
  op: Operation,
  session: WriteSession,
  { sourceId, from, to, points }: Omit<SourceCopy, 'points'> & { readonly points: readonly RecoveryPoint[] },
): Promise<CopiedChunks> {
  const args = { source: sourceId, points: points.map(({ id }) => id), to: { folder: to.folder, grant: session.grant } }
  const copied = await from.inThread(async (thread) => {
    let done: CopiedChunks = { chunks: 0, bytes: 0 }
    for await (const item of thread.items(op, 'copyPoints', args)) {
      if ('copied' in item) done = item.copied
      else {
        session.accept(item.pack)
        await session.publishFullIndex(op)
      }
    }
    return done
  })
  // What the manifests name is listed before the first of them; this session stays open until the last is there, so a prune leaves it alone.
  await session.publishIndex(op)
  const there = new Set((await pointsOf(op, to, sourceId)).map(({ id }) => id))
  const missing = points.filter(({ id }) => !there.has(id))
  for (const [n, point] of missing.entries()) {
    op.check()
    if (n === missing.length - 1) await session.commit(op, asNew(point))
    else await to.withSession(op, (one) => one.commit(op, asNew(point)))
  }
  return copied
}

function asNew(point: RecoveryPoint): NewPoint {
  const { id, source, started, finished, host, paths, excludes, root, level, program, statistics, warnings, previous_point, sequence } =
    point
  return {
    ...{ id, source, sequence, started, finished, host, paths, excludes, level, program, statistics, warnings },
    root: Buffer.from(root, 'hex'),
    previousPoint: previous_point,
    selection: point.selection,
  }
}

/** The oldest first. POOL_MOVE_DAMAGED: one of them may be one that can not be read. */
async function pointsOf(op: Operation, volume: OpenVolume, sourceId: string): Promise<RecoveryPoint[]> {
  const { points, damaged } = await volume.reader.run(op, 'points', { source: sourceId })
  const [first] = damaged
  if (first) throw poolError('POOL_MOVE_DAMAGED', `${first.object} can not be read: ${first.message}`, { context: { pool: volume.id } })
  return points.toSorted((a, b) => a.sequence - b.sequence)
}

function haveSameIds({ repository: a }: OpenVolume, { repository: b }: OpenVolume): boolean {
  return (
    a.format.contentHash === b.format.contentHash &&
    equalBytes(a.bundle.idKey, b.bundle.idKey) &&
    equalBytes(a.bundle.chunkingKey, b.bundle.chunkingKey)
  )
}
