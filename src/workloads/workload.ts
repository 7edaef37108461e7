/**
 * What can be protected. A workload finds what there is, lets people look into it, makes a view of it that holds still, and hands that to the engine. It runs in the
 * agent, beside what it protects. Every implementation passes `workload.contract.ts`.
 */
import type { BackupReport, ReadPlace, RestoreReport } from '../archive/index.ts'
import type { Operation } from '../base/operation.ts'
import type { Repository, WriteSession } from '../repository/index.ts'
import type { StoreDescriptor } from '../storage/index.ts'
import type { BackupTask, RestoreTask } from '../wire/index.ts'

/** Something that could be protected as a data source. */
export interface Discovered {
  readonly workload: string
  /** For people. */
  readonly name: string
  readonly path: Buffer
  readonly sizeBytes: number
  readonly detail: Readonly<Record<string, unknown>>
}

export interface BrowsedItem {
  readonly path: Buffer
  readonly kind: 'file' | 'folder' | 'symlink' | 'other'
  readonly sizeBytes: number
  readonly modifiedMs: number | undefined
}

/** What stays as it is while it is read, or says that it does not. */
export interface ConsistentView {
  /** Where each of the source's paths is read, in their order; undefined for where it lies. */
  readonly readAt: readonly (ReadPlace | undefined)[]
  /** Patterns of what is there for the view alone. */
  readonly excludes: readonly string[]
  /** `snapshot`: of one moment. `live`: files are read while others write to them; each is checked to be the same before and after. */
  readonly consistency: 'snapshot' | 'live'
  /** How, or why not, for the report. */
  readonly note: string
  /** When all was read: SNAPSHOT_LOST if it did not hold still until now. */
  check(op: Operation): Promise<void>
  /** Fine to repeat. What could not be let go of is a warning. */
  release(op: Operation): Promise<void>
}

export interface BackupParts {
  readonly task: BackupTask
  readonly view: ConsistentView
  readonly session: WriteSession
  readonly workerStore: StoreDescriptor | undefined
  readonly host: string
  readonly program: string
}

export interface RestoreParts {
  readonly task: RestoreTask
  readonly repository: Repository
  /** Id of the recovery point. */
  readonly point: string
  readonly workerStore: StoreDescriptor | undefined
}

export interface Workload {
  readonly kind: string
  /** Before anything else, at the start of an agent: ends and removes what one that was killed left behind. */
  recover(op: Operation): Promise<void>
  discover(op: Operation): Promise<readonly Discovered[]>
  /** What lies directly below; at most `limit`. SOURCE_NOT_FOUND, SOURCE_UNREADABLE. */
  browse(op: Operation, path: Buffer, limit: number): Promise<{ readonly items: readonly BrowsedItem[]; readonly isComplete: boolean }>
  /** SNAPSHOT_FAILED where the task asks for one and there is none to be had. */
  openView(op: Operation, task: BackupTask): Promise<ConsistentView>
  backUp(op: Operation, parts: BackupParts): Promise<BackupReport>
  restore(op: Operation, parts: RestoreParts): Promise<RestoreReport>
}
