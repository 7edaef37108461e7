/**
 * The storage contract: objects are bytes under names, put once and never changed. Meaning starts one room up.
 * Every implementation passes `object-store.contract.ts`.
 */
import type { Operation } from '../base/operation.ts'
import { storageError } from './errors.ts'

export interface ObjectInfo {
  readonly name: string
  readonly sizeBytes: number
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

export interface ObjectStore {
  /** Where it is, for people: a folder, an address. Holds no secret. */
  readonly description: string

  /**
   * Makes `bytes` visible under `name`, durably, or not at all. Put-if-absent: if the name exists with equal bytes, `already-there`;
   * with other bytes, STORAGE_OBJECT_EXISTS. Safe to call concurrently and to repeat. After an error of the medium the store refuses
   * further writes (STORAGE_POISONED). `bytes` must not change before the promise settles.
   */
  put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'>

  /** The whole object, or exactly the range. STORAGE_OBJECT_NOT_FOUND; STORAGE_OBJECT_SHORT if the range reaches past the end. */
  get(op: Operation, name: string, range?: ByteRange): Promise<Buffer>

  /** Undefined when there is no such object. */
  head(op: Operation, name: string): Promise<ObjectInfo | undefined>

  /** All objects whose name begins with `prefix`, in order of their names. Complete or it throws: a partial list is never returned. */
  list(op: Operation, prefix: string): AsyncIterable<ObjectInfo>
}

/** What only the owner of a pool may do. The vault's client has no such verb. */
export interface PruningStore extends ObjectStore {
  /** Moves a damaged object out of the way, keeping its bytes. Fine when it is already gone. */
  quarantine(op: Operation, name: string): Promise<void>
  /** Once, by the holder of the writer's lock: what unfinished puts of earlier writers left is deleted, and this store's own carry the epoch. */
  beginEpoch(op: Operation, epoch: number): Promise<void>
  /** Removes an object that nothing needs. Fine when it is already gone. */
  remove(op: Operation, name: string): Promise<void>
}

const PART = /^[A-Za-z0-9][A-Za-z0-9.-]*$/

/** What lies beside the objects in a repository's folder (docs/format.md §2) is never an object. */
const RESERVED = new Set(['LOCK', 'UPLOAD.LOCK', 'tmp', 'quarantine'])

export function isObjectName(name: string): boolean {
  const parts = name.split('/')
  return (
    name.length <= 300 &&
    !RESERVED.has(parts[0] ?? '') &&
    parts.every((part) => PART.test(part) && part.length <= 255 && !part.includes('..'))
  )
}

/** docs/format.md §2. Names come from outside too (a vault's list), so they are checked before they become paths. */
export function checkObjectName(name: string): void {
  if (!isObjectName(name)) throw storageError('STORAGE_NAME_INVALID', `${JSON.stringify(name.slice(0, 80))} is not an object's name`)
}

/** What `list` takes: all of a name, or its beginning; above all no way out of the store. */
export function checkObjectPrefix(prefix: string): void {
  const slash = prefix.lastIndexOf('/')
  if (slash >= 0) checkObjectName(prefix.slice(0, slash))
}
