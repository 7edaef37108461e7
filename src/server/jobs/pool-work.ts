/** What jobs need of pools; the pool keeper (src/server/pools) is one. */
import type { VerifyReport } from '../../archive/index.ts'
import type { Operation } from '../../base/operation.ts'
import type { PointFacts, PoolFacts, PoolUsage } from '../../catalog/index.ts'
import type { PointListing, PruneReport } from '../../repository/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import type { OwnBackup } from '../pools/open-volume.ts'
import type { TestRestoreReport, TestRestoreWish } from '../recovery/test-restore-task.ts'

export interface PoolWork {
  /** `onCommitted`: the point is durable. What becomes of that is waited for when the session ends. */
  openBackup(wish: {
    readonly poolId: string
    readonly sourceId: string
    readonly agentId: string
    readonly jobId: string
    /** Of the recovery point that it makes; VIEW_COMMITTED when an earlier session made it. */
    readonly pointId?: string | undefined
    readonly onCommitted: (facts: PointFacts) => void | Promise<void>
  }): Promise<OpenedSession>
  /** `paths`: absolute; undefined for everything. */
  openRestore(wish: {
    readonly poolId: string
    readonly scope: string
    readonly pointId: string
    readonly paths?: readonly Buffer[] | undefined
  }): Promise<OpenedSession>
  /** Folders of this machine, as a recovery point of that source. */
  backUpHere(op: Operation, poolId: string, wish: OwnBackup): Promise<PointFacts>
  listPoints(op: Operation, poolId: string, source?: string): Promise<PointListing>
  /** Out of sight at once, gone for good with the next prune. Fine to repeat. */
  expire(op: Operation, poolId: string, points: readonly string[]): Promise<unknown>
  prune(
    op: Operation,
    poolId: string,
    wish: { readonly dryRun: boolean; readonly keepTrashMs: number; readonly waitMs: number; readonly acceptUnexplained: boolean },
  ): Promise<PruneReport>
  /** `readData`: every stored byte, not only whether all of it is there. */
  verify(op: Operation, poolId: string, options: { readonly readData: boolean }): Promise<VerifyReport>
  /** Reads a sample of a recovery point as for a restore, to nowhere. */
  testRestore(op: Operation, poolId: string, wish: TestRestoreWish): Promise<TestRestoreReport>
  /** Whether the volume is where it was. POOL_UNAVAILABLE. */
  check(op: Operation, poolId: string): Promise<void>
  usage(poolId: string): Promise<Omit<PoolUsage, 'atMs'>>
  facts(op: Operation, poolId: string): Promise<{ readonly facts: PoolFacts; readonly damaged: readonly string[] }>
  /** Where a new data source goes. POOL_NONE_FITS. */
  placeNew(workload: string): Promise<string>
}
