/** Gathers files into batches, hands them to lanes, and takes in what became of them. Bounds how much is under way. */
import { fromPlainError, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Folder, Folders } from './folders.ts'
import { BatchBuilder, type BatchFile, plainMetadata } from './orders.ts'
import type { BatchResult, FolderHandle, PlacedInode } from './plan.ts'
import type { RunParts } from './run-parts.ts'
import { itemError } from './target-errors.ts'

/** One that is worked on and one that waits. */
const BATCHES_PER_LANE = 2
/** Folders whose descriptors are pinned at the same time, over all batches. */
const MOST_PINNED = 256
const NO_DESCRIPTOR = -1

export class Dispatcher {
  readonly #parts: Pick<RunParts, 'tree' | 'index' | 'lanes' | 'tally' | 'accounts' | 'overwrite'>
  readonly #folders: Folders
  readonly #onLeader: (file: BatchFile, inode: PlacedInode) => void
  readonly #room: Semaphore
  readonly #mostFolders: number
  readonly #underWay = new Set<Promise<void>>()
  #batch: BatchBuilder
  #failure: { readonly error: unknown } | undefined

  constructor(parts: RunParts, folders: Folders, onLeader: (file: BatchFile, inode: PlacedInode) => void) {
    this.#parts = parts
    this.#folders = folders
    this.#onLeader = onLeader
    const most = parts.lanes.count * BATCHES_PER_LANE
    this.#room = new Semaphore(most)
    this.#mostFolders = Math.max(4, Math.floor(MOST_PINNED / (most + 1)))
    this.#batch = new BatchBuilder(this.#mostFolders)
  }

  /** Throws what is wrong with this file. */
  async add(op: Operation, file: BatchFile, leads: boolean): Promise<void> {
    const { tree, index, accounts } = this.#parts
    await this.#batch.add(op, tree, index, file, plainMetadata(file.entry, accounts), leads)
    this.#folders.hold(file.folder)
  }

  async dispatchFull(op: Operation): Promise<void> {
    if (this.#batch.isFull) await this.#dispatch(op)
  }

  async #dispatch(op: Operation): Promise<void> {
    const batch = this.#batch
    this.#batch = new BatchBuilder(this.#mostFolders)
    await this.#room.acquire()
    this.#throwFailure()
    op.check()
    const folders = batch.folders
    const lost = new Map<Folder, TerpError>()
    const handles = folders.map((folder) => this.#pin(folder, lost))
    const running = this.#parts.lanes
      .run(op, batch.finish(this.#parts.overwrite, handles))
      .finally(() => {
        for (const folder of folders) if (!lost.has(folder)) this.#folders.unpin(folder)
      })
      .then((result) => this.#take(op, batch, result, lost))
      .catch((error: unknown) => {
        this.#failure ??= { error }
        this.#parts.lanes.stop()
      })
      .finally(() => {
        this.#room.release()
        this.#underWay.delete(running)
      })
    this.#underWay.add(running)
  }

  /** A folder that can't be reached any more costs its files; no lane can do anything with the handle that stands for it. */
  #pin(folder: Folder, lost: Map<Folder, TerpError>): FolderHandle {
    try {
      return this.#folders.pin(folder)
    } catch (error) {
      lost.set(folder, itemError(error))
      return { fd: NO_DESCRIPTOR, isNew: false, inherits: false }
    }
  }

  #take(op: Operation, batch: BatchBuilder, result: BatchResult, lost: ReadonlyMap<Folder, TerpError>): void {
    const { tally } = this.#parts
    tally.addMisses(result.misses)
    batch.files.forEach((file, i) => {
      const outcome = result.outcomes[i]
      if (!outcome) return
      if ('error' in outcome) tally[outcome.kind](file.entry, lost.get(file.folder) ?? fromPlainError(outcome.error))
      else {
        tally[outcome.kind](file.entry)
        if (outcome.inode) this.#onLeader(file, outcome.inode)
      }
    })
    for (const { folder } of batch.files) this.#folders.release(folder)
    tally.progress(op)
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }

  /** Everything that was added is done. */
  async drain(op: Operation): Promise<void> {
    if (this.#batch.files.length > 0) await this.#dispatch(op)
    await Promise.all(this.#underWay)
    this.#throwFailure()
  }

  /** Waits until no lane touches a descriptor any more. */
  async close(): Promise<void> {
    if (this.#underWay.size > 0) this.#parts.lanes.stop()
    await Promise.all(this.#underWay)
    await this.#parts.lanes.close()
  }
}
