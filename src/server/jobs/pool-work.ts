/** What jobs need of pools; the pool keeper (src/server/pools) is one. */
import type { VerifyReport } from '../../archive/index.ts'
import type { Operation } from '../../base/operation.ts'
import type { PointFacts, PoolFacts, PoolUsage } from '../../catalog/index.ts'
import type { PruneReport } from '../../repository/index.ts'
import type { OpenedSession } from '../agents/desk.ts'

export interface PoolWork {
  /** `onCommitted`: the point is durable. What becomes of that is waited for when the session ends. */
  openBackup(wish: {
    readonly poolId: string
    readonly sourceId: string
    readonly agentId: string
    readonly jobId: string
    readonly onCommitted: (facts: PointFacts) => void | Promise<void>
  }): Promise<OpenedSession>
  /** `paths`: absolute; undefined for everything. */
  openRestore(wish: {
    readonly poolId: string
    readonly scope: string
    readonly pointId: string
    readonly paths?: readonly Buffer[] | undefined
  }): Promise<OpenedSession>
  /** Out of sight at once, gone for good with the next prune. Fine to repeat. */
  expire(op: Operation, poolId: string, points: readonly string[]): Promise<unknown>
  prune(
    op: Operation,
    poolId: string,
    wish: { readonly dryRun: boolean; readonly keepTrashMs: number; readonly waitMs: number; readonly acceptUnexplained: boolean },
  ): Promise<PruneReport>
  /** `readData`: every stored byte, not only whether all of it is there. */
  verify(op: Operation, poolId: string, options: { readonly readData: boolean }): Promise<VerifyReport>
  usage(poolId: string): Promise<Omit<PoolUsage, 'atMs'>>
  facts(op: Operation, poolId: string): Promise<{ readonly facts: PoolFacts; readonly damaged: readonly string[] }>
  /** Where a new data source goes. POOL_NONE_FITS. */
  placeNew(workload: string): Promise<string>
}
