/** What passes between the main thread and a worker that scans pages. Plain data only. */
import type { PlainError } from '../../../base/errors.ts'
import type { ChunkLocation, KnownChunksMemory, RepositoryKeys } from '../../../repository/index.ts'
import type { StoreDescriptor } from '../../../storage/index.ts'
import type { END } from '../../end-workers.ts'
import type { DeviceNumbers } from '../places.ts'
import type { PageFindings } from './page-scanner.ts'

export interface ScanSettings {
  readonly roots: readonly { readonly path: Uint8Array; readonly follow: boolean; readonly at: Uint8Array; readonly isInner: boolean }[]
  readonly skip: readonly string[]
  readonly oneFileSystem: boolean
  readonly excludes: readonly string[]
  readonly excludeCaches: boolean
  /** Of snapshots, as they are read and as they are recorded. */
  readonly devices: DeviceNumbers
}

export interface ScanSetup {
  readonly store: StoreDescriptor
  readonly tag: string
  readonly keys: RepositoryKeys
  readonly known: KnownChunksMemory
  readonly settings: ScanSettings
  /** One Int32: 1 when the worker is to give up what it does. */
  readonly stop: SharedArrayBuffer
}

export interface ScanTask {
  /** Of pages that follow each other. */
  readonly pages: readonly ChunkLocation[]
  /** Those on which pages may be taken over by now. */
  readonly devices: readonly number[]
}

/** For each page what was found, or how it is damaged. */
export type ScanAnswer = readonly (PageFindings | { readonly damage: PlainError })[]

export type ToScanner = typeof END | { readonly type: 'scan'; readonly number: number; readonly task: ScanTask }

export type FromScanner =
  | { readonly type: 'answer'; readonly number: number; readonly answer: ScanAnswer }
  | { readonly type: 'failed'; readonly error: PlainError }
