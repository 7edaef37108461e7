/** Restores a recovery point, or some paths of it, below a target folder. See docs/architecture.md, "One restore". */
import { invariant } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { systemAccounts } from '../../platform/index.ts'
import type { RecoveryPoint, Repository } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import { archiveError } from '../errors.ts'
import type { Overwrite, RestoreReport, Security } from '../reports.ts'
import { TreeReader } from '../tree/tree-reader.ts'
import { openLanes } from './lanes.ts'
import { metadataSource } from './metadata-source.ts'
import { RestoreRun } from './restore-run.ts'
import { type Selection, select } from './selection.ts'
import { Tally } from './tally.ts'
import { openTarget } from './target.ts'
import { jobError } from './target-errors.ts'

const DEFAULT_LANES = 2

export interface RestoreOptions {
  readonly repository: Repository
  readonly point: RecoveryPoint
  /** Absolute path of the folder below which everything goes: `/a/b` becomes `target/a/b`. Made if it is missing. */
  readonly target: Buffer
  /** Absolute paths in the recovery point, with or without their first slash. Default: everything. */
  readonly select?: readonly Buffer[]
  readonly overwrite: Overwrite
  /** Whose owners, modes and ACLs: by default those of the recovery point. */
  readonly security?: Security
  /** Reports what would be restored and skipped, and changes nothing. */
  readonly dryRun?: boolean
  /** The repository's store for worker threads. Without it everything runs on this thread. */
  readonly workerStore?: StoreDescriptor
  readonly lanes?: number
}

/**
 * Items that can't be restored are reported, and the others go on. What ends the job: PATH_NOT_IN_POINT, TARGET_NOT_A_FOLDER, TARGET_FORBIDDEN,
 * TARGET_FULL, TARGET_IO, damage of the tree itself, a fault of the repository's medium, CANCELLED. Then too, every file that has a name is whole.
 * What the report calls restored is durable.
 */
export async function restorePoint(op: Operation, options: RestoreOptions): Promise<RestoreReport> {
  const startMs = op.clock.monotonicMs()
  const { repository, point, target, workerStore } = options
  invariant(target[0] === 0x2f, 'the target is an absolute path')
  const dryRun = options.dryRun ?? false
  const security = options.security ?? 'recovery-point'
  const { index } = await repository.loadIndex(op)
  const tree = new TreeReader(repository, index, { root: Buffer.from(point.root, 'hex'), level: point.level })
  const selection = await select(op, tree, options.select)
  const tally = new Tally(totalsOf(point, selection), options.overwrite)
  const targetFd = openTarget(target, !dryRun)
  const lanes = openLanes(repository, workerStore && !dryRun ? { store: workerStore, count: options.lanes ?? DEFAULT_LANES } : undefined)
  const run = new RestoreRun({
    tree,
    index,
    lanes,
    tally,
    targetFd,
    dryRun,
    metadataOf: metadataSource(security, systemAccounts()),
    security,
    overwrite: options.overwrite,
  })
  const stop = () => lanes.stop()
  try {
    op.signal.addEventListener('abort', stop)
    if (!(await run.mayBegin(op, selection))) {
      throw archiveError('TARGET_FORBIDDEN', `nothing can be made in ${target.toString('utf8')}`)
    }
    await run.restore(op, selection)
  } catch (error) {
    throw jobError(error)
  } finally {
    op.signal.removeEventListener('abort', stop)
    await run.close()
    tree.close()
    index.close()
  }
  return tally.report(op, op.clock.monotonicMs() - startMs)
}

/** Of a selection nobody knows before it was walked. */
function totalsOf(point: RecoveryPoint, selection: Selection) {
  if (!selection.isEverything) return {}
  return { filesTotal: point.statistics.files, bytesTotal: point.statistics.total_bytes }
}
