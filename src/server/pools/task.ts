/** Work on a pool that is done in a thread of its own, so that the server answers others meanwhile. What crosses is plain data. */
import type { PlainError } from '../../base/errors.ts'
import type { Operation, Progress, Warning } from '../../base/operation.ts'
import type { KeyBundle, Repository } from '../../repository/index.ts'
import type { LocalDiskStore } from '../../storage/index.ts'

export interface TaskPlace {
  readonly op: Operation
  readonly repository: Repository
  readonly store: LocalDiskStore
}

/** `emit` waits when whoever asked does not keep up. */
export type Task<Args, Result, Item = never> = (place: TaskPlace, args: Args, emit: (item: Item) => Promise<void>) => Promise<Result>

export interface TaskSetup {
  readonly folder: string
  readonly bundle: KeyBundle
}

export const END = 'end'

export type ToTaskWorker =
  | typeof END
  | {
      readonly type: 'run'
      readonly number: number
      readonly name: string
      readonly args: unknown
      /** One place: not 0 once it is given up. A thread that computes hears no message. */
      readonly flag: SharedArrayBuffer
    }
  | { readonly type: 'more'; readonly number: number }
  | { readonly type: 'cancel'; readonly number: number }

export type FromTaskWorker =
  | { readonly type: 'progress'; readonly number: number; readonly progress: Progress }
  | { readonly type: 'warning'; readonly number: number; readonly warning: Warning }
  | { readonly type: 'item'; readonly number: number; readonly item: unknown }
  | { readonly type: 'done'; readonly number: number; readonly result: unknown }
  | { readonly type: 'failed'; readonly number: number; readonly error: PlainError }

/** Items that are under way before the thread waits. */
export const ITEMS_AHEAD = 4
