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

/** An object held open: it reads on as it was, also when it has been removed since. Closed when nobody refers to it any more, at the latest. */
export interface OpenObject {
  readonly sizeBytes: number
  /** By it, other threads of this process read the same open object. */
  readonly handle: number
  /** Exactly the range, in memory that is the caller's: `into`, if that is given and long enough. STORAGE_OBJECT_SHORT if it reaches past the end. */
  read(offset: number, length: number, into?: Buffer): Buffer
  close(): void
}

/**
 * Reads that answer at once and hold up their thread until then, for where asking and waiting would cost more than the answer: a disk of this
 * machine, memory.
 */
export interface ImmediateReads {
  /** Undefined when there is no such object. */
  head(name: string): ObjectInfo | undefined
  /** STORAGE_OBJECT_NOT_FOUND. */
  open(name: string): OpenObject
  /** What another thread opened, by its handle, and its to close. */
  adopt(handle: number, sizeBytes: number): OpenObject
  /** The names that begin with `prefix`, in order; complete or it throws. Costs no look at each object. */
  names(prefix: string): string[]
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

  /** Only where answers come at once. */
  readonly immediate?: ImmediateReads | undefined

  /** Whoever takes the packs decompresses each chunk, and compares it with its id, before it answers that it has them. */
  readonly checksChunks?: boolean

  /** The way to it is slow: what goes there is worth compressing harder. */
  readonly isNarrow?: boolean
}

/** What only the owner of a pool may do. The vault's client has no such verb. */
export interface PruningStore extends ObjectStore {
  /** Moves a damaged object out of the way, keeping its bytes. Fine when it is already gone. */
  quarantine(op: Operation, name: string): Promise<void>
  /** Once, by the holder of the writer's lock: what unfinished puts of earlier writers left is deleted, and this store's own carry the epoch. */
  beginEpoch(op: Operation, epoch: number): Promise<void>
  /**
   * Like `put`, for an object too large to be held: `parts` are written as they come, and `nameOf` is asked once all have. Answers with the name.
   * The parts must not change before the next one is taken. If `parts` throws, nothing is stored.
   */
  putParts(op: Operation, parts: AsyncIterable<Uint8Array>, nameOf: () => string): Promise<string>
  /** Removes an object that nothing needs. Fine when it is already gone. */
  remove(op: Operation, name: string): Promise<void>
  /** Like `remove` for many: durably gone when it returns, with one sync for each folder. */
  removeAll(op: Operation, names: readonly string[]): Promise<void>
  /** Gives objects other names, durably. One whose name is gone was moved before. */
  moveAll(op: Operation, moves: readonly ObjectMove[]): Promise<void>
  /** Once, by the holder of PRUNE.LOCK: what unfinished puts of earlier prunes left is deleted, and this store's own carry the number. */
  beginPrune(op: Operation, number: number): Promise<void>
  /** Sessions of all processes that share the store, and the gate between them. */
  readonly sessions: SessionBoard
}

export interface ObjectMove {
  readonly from: string
  readonly to: string
}

/** Who is at work on a repository: told by locks that end with their process, never by a clock. */
export interface SessionBoard {
  /** Runs `work` while nobody else is inside, in this process or another. For moments: who holds it up holds up everyone. STORAGE_GATE_BUSY. */
  gate<T>(op: Operation, work: () => Promise<T>): Promise<T>
  /** Under the gate. Makes a session known until it is released, or its process ends. Nobody ever has the same name again. */
  announce(op: Operation, name: string): Promise<Announcement>
  /** Sessions that have not ended, with what they told so far. `clean`, under the gate only, removes what is left of others. */
  live(op: Operation, options?: { readonly clean?: boolean }): Promise<LiveSession[]>
}

export interface Announcement {
  readonly name: string
  /** Tells others; whole lines. */
  tell(lines: readonly string[]): Promise<void>
  /** False once others may take the session for ended. */
  isStanding(op: Operation): Promise<boolean>
  /** Fine to repeat. */
  release(): Promise<void>
}

export interface LiveSession {
  readonly name: string
  readonly lines: readonly string[]
}

const PART = /^[A-Za-z0-9][A-Za-z0-9.-]*$/

/** What lies beside the objects in a repository's folder (docs/format.md §2) is never an object. */
const RESERVED = new Set(['LOCK', 'UPLOAD.LOCK', 'PRUNE.LOCK', 'GATE.LOCK', 'tmp', 'quarantine', 'sessions'])

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
