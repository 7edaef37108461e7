/** What one restore works with. */
import type { ChunkIndex } from '../../repository/index.ts'
import type { Overwrite, Security } from '../reports.ts'
import type { TreeReader } from '../tree/tree-reader.ts'
import type { Lanes } from './lanes.ts'
import type { MetadataOf } from './metadata-source.ts'
import type { Tally } from './tally.ts'

export interface RunParts {
  readonly tree: TreeReader
  readonly index: ChunkIndex
  readonly lanes: Lanes
  readonly tally: Tally
  /** Undefined when a dry run found no target. */
  readonly targetFd: number | undefined
  readonly dryRun: boolean
  readonly metadataOf: MetadataOf
  readonly security: Security
  readonly overwrite: Overwrite
}
