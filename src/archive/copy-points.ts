/**
 * Recovery points on their way to another pool with the same id key, as a thread does it: what the other one lacks is stored there by the grant of a session, whose
 * holder takes in the packs and commits; and then all of what a point reaches is read back there.
 */
import type { Operation } from '../base/operation.ts'
import {
  ChunkWriter,
  KnownChunks,
  PACK_CLASS,
  type PackClass,
  type RecoveryPoint,
  type Repository,
  type SealedPack,
  type WriterGrant,
} from '../repository/index.ts'
import type { ObjectStore } from '../storage/index.ts'
import { type ChunkTaker, PointCopy } from './point-copy.ts'

export interface CopyPointsOptions {
  readonly from: Repository
  readonly points: readonly RecoveryPoint[]
  /** Of the pool that they go to. */
  readonly store: ObjectStore
  readonly grant: WriterGrant
  /** Of each pack once it is durable. */
  readonly onSealed: (pack: SealedPack) => void
}

export interface CopiedChunks {
  readonly chunks: number
  readonly bytes: number
}

/** All that the points need is durable there when it returns. Throws what can't be read here. */
export async function copyPoints(op: Operation, { from, points, store, grant, onSealed }: CopyPointsOptions): Promise<CopiedChunks> {
  const known = new KnownChunks(grant.known, store.immediate)
  const { keys, packBytes, padding } = grant
  const writer = (packClass: PackClass) => new ChunkWriter({ store, keys, known, packClass, packBytes, padding, onSealed })
  const copy = new PointCopy({
    from,
    known,
    data: writer(PACK_CLASS.data),
    trees: writer(PACK_CLASS.tree),
    phase: 'copy',
    totalBytes: totalOf(points),
  })
  await eachTree(op, from, points, copy)
  await copy.flush(op)
  return { chunks: copy.chunksSent, bytes: copy.bytesSent }
}

const NOTHING_KNOWN = { has: () => false, needsRoom: false, grow: () => {} }
const NOWHERE: ChunkTaker = {
  copy: async (_op, { id }) => ({ id, addedBytes: 0, packedBytes: 0 }),
  flush: async () => {},
}

/** Reads every chunk that the points reach, each once, and checks it. Throws the first that can't be read. */
export async function readPoints(op: Operation, repository: Repository, points: readonly RecoveryPoint[]): Promise<void> {
  const parts = { from: repository, known: NOTHING_KNOWN, data: NOWHERE, trees: NOWHERE, phase: 'check', totalBytes: totalOf(points) }
  await eachTree(op, repository, points, new PointCopy(parts))
}

async function eachTree(op: Operation, from: Repository, points: readonly RecoveryPoint[], copy: PointCopy): Promise<void> {
  const { index } = await from.loadIndex(op)
  try {
    for (const point of points) await copy.tree(op, index, Buffer.from(point.root, 'hex'))
  } finally {
    index.close()
  }
}

function totalOf(points: readonly RecoveryPoint[]): number {
  return points.reduce((sum, { statistics }) => sum + statistics.total_bytes, 0)
}
