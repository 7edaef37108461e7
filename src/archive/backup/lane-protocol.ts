/** What passes between the main thread and a lane's worker. Plain data only. */
import type { PlainError } from '../../base/errors.ts'
import type { KnownChunksMemory, SealedPack, WriterGrant } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import type { END } from '../end-workers.ts'
import type { ChunkingFields } from './settings.ts'

export interface LaneSetup {
  readonly store: StoreDescriptor
  readonly grant: WriterGrant
  readonly chunking: ChunkingFields
  /** One Int32: 1 when the lane is to give up what it does. A message would not be seen while it reads. */
  readonly stop: SharedArrayBuffer
}

export type ToLane =
  | typeof END
  /** Files and answers as lane-codec.ts has them. */
  | { readonly type: 'batch'; readonly number: number; readonly files: Uint8Array<ArrayBuffer> }
  | { readonly type: 'flush'; readonly number: number }
  | { readonly type: 'known'; readonly memory: KnownChunksMemory }

export type FromLane =
  | { readonly type: 'answer'; readonly number: number; readonly answer: Uint8Array<ArrayBuffer> }
  | { readonly type: 'flushed'; readonly number: number }
  | { readonly type: 'sealed'; readonly pack: SealedPack }
  | { readonly type: 'failed'; readonly error: PlainError }
