/**
 * The second copy: what the vault's repository lacks of a recovery point is read from the pool, checked, and stored there under the vault's keys.
 * Ids are the same in both (docs/format.md §5), so pages are copied as they are. Children go before their pages, the manifest last with the names of
 * all packs that it needs. An upload that was cut off goes on: packs that arrived are found when the session opens.
 */
import type { Operation } from '../base/operation.ts'
import { openWriteSession, PACK_CLASS, type RecoveryPoint, type Repository, type WriterLock } from '../repository/index.ts'
import { openPoint } from './browse.ts'
import { PointCopy } from './point-copy.ts'
import type { UploadReport } from './reports.ts'

export interface UploadOptions {
  readonly pool: Repository
  readonly vault: Repository
  readonly point: RecoveryPoint
  /** That no other process of this server uploads. */
  readonly lock: WriterLock
}

const PACKS_AT_ONCE = 4

export async function uploadPoint(op: Operation, { pool, vault, point, lock }: UploadOptions): Promise<UploadReport> {
  const startMs = op.clock.monotonicMs()
  const there = (await vault.listPoints(op)).points.find(({ id }) => id === point.id)
  if (there)
    return { point: there, wasThere: true, chunksSent: 0, bytesSent: 0, packsNeeded: there.publicPart.packs?.length ?? 0, durationMs: 0 }
  const session = await openWriteSession(op, vault, lock)
  const copy = new PointCopy({
    from: pool,
    known: session.known,
    data: session.chunkWriter(PACK_CLASS.data, PACKS_AT_ONCE),
    trees: session.chunkWriter(PACK_CLASS.tree, PACKS_AT_ONCE),
    phase: 'upload',
    totalBytes: point.statistics.total_bytes,
  })
  const opened = await openPoint(op, pool, point)
  await copy.tree(op, opened.index, opened.tree.root)
  await copy.flush(op)
  const packs = copy.packsNeeded(session.index)
  const uploaded = await session.commit(op, {
    id: point.id,
    source: point.source,
    started: point.started,
    finished: point.finished,
    host: point.host,
    paths: point.paths,
    excludes: point.excludes,
    root: Buffer.from(point.root, 'hex'),
    level: point.level,
    program: point.program,
    statistics: point.statistics,
    warnings: point.warnings,
    previousPoint: point.previous_point,
    packs,
  })
  return {
    point: uploaded,
    wasThere: false,
    chunksSent: copy.chunksSent,
    bytesSent: copy.bytesSent,
    packsNeeded: packs.length,
    durationMs: op.clock.monotonicMs() - startMs,
  }
}
