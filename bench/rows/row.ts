/** A group of rows that share their work. */
import type { Context } from '../context.ts'
import type { Growth, RowResult } from '../results.ts'

export interface RowGroup {
  readonly rows: readonly number[]
  /** For a failure before there is anything to tell. */
  readonly title: string
  /** Results of those rows of the group that are wanted; what was measured before a failure still counts. */
  run(context: Context, wanted: readonly number[]): Promise<GroupResult>
}

export interface GroupResult {
  readonly rows: readonly RowResult[]
  readonly growth?: readonly Growth[]
}
