/** Gathers files into batches, hands them to lanes, and takes in what became of them. Bounds how much is under way. */
import { fromPlainError, type TerpError, toPlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import { nameOf } from '../entry.ts'
import type { Folder, Folders } from './folders.ts'
import { LargeFile } from './large-file.ts'
import { BatchBuilder, type BatchFile, isLarge } from './orders.ts'
import { Skipped } from './placing.ts'
import type { BatchResult, FolderHandle, Outcome, Part, PartResult, PlacedInode } from './plan.ts'
import type { RunParts } from './run-parts.ts'
import { itemError } from './target-errors.ts'

/** One that is worked on and one that waits. */
const BATCHES_PER_LANE = 2
/** Folders whose descriptors are pinned at the same time, over all batches. */
const MOST_PINNED = 256
/** Large files whose parts are on their way: more than one, so that lanes have work while the last parts of one are written. */
const MOST_LARGE = 3
const NO_DESCRIPTOR = -1

export class Dispatcher {
  readonly #parts: Pick<RunParts, 'tree' | 'index' | 'lanes' | 'tally' | 'metadataOf' | 'overwrite'>
  readonly #folders: Folders
  readonly #onLeader: (file: BatchFile, inode: PlacedInode) => void
  readonly #room: Semaphore
  readonly #largeRoom = new Semaphore(MOST_LARGE)
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
    this.#batch = new BatchBuilder(parts.index, this.#mostFolders)
  }

  /** Waits while as much is under way as may be. Throws what ended the job meanwhile. */
  async makeRoomFor(op: Operation, file: BatchFile): Promise<void> {
    if (isLarge(file.entry)) {
      await this.#largeRoom.acquire()
      if (this.#failure) this.#largeRoom.release()
      this.#throwFailure()
    } else if (this.#batch.isFullFor(file)) await this.#dispatch(op)
  }

  /** After `makeRoomFor`. Throws what is wrong with this file, as far as that is known before anything is read. */
  add(op: Operation, file: BatchFile, leads: boolean): void {
    if (isLarge(file.entry)) {
      this.#watch(this.#restoreLarge(op, file, leads).finally(() => this.#largeRoom.release()))
    } else this.#batch.add(file, this.#parts.metadataOf(file.entry, this.#folders, file.folder), leads)
    this.#folders.hold(file.folder)
  }

  async #dispatch(op: Operation): Promise<void> {
    const batch = this.#batch
    this.#batch = new BatchBuilder(this.#parts.index, this.#mostFolders)
    await this.#acquire(op)
    const folders = batch.folders
    const lost = new Map<Folder, TerpError>()
    const handles = folders.map((folder) => this.#pin(folder, lost))
    const running = this.#parts.lanes
      .run(op, batch.finish(this.#parts.overwrite, handles))
      .finally(() => {
        this.#room.release()
        for (const folder of folders) if (!lost.has(folder)) this.#folders.unpin(folder)
      })
      .then((result) => this.#take(op, batch, result, lost))
    this.#watch(running)
  }

  async #acquire(op: Operation): Promise<void> {
    await this.#room.acquire()
    try {
      this.#throwFailure()
      op.check()
    } catch (error) {
      this.#room.release()
      throw error
    }
  }

  /** What it fails with ends the job. */
  #watch(work: Promise<void>): void {
    const watched = work
      .catch((error: unknown) => {
        this.#failure ??= { error }
        this.#parts.lanes.stop()
      })
      .finally(() => this.#underWay.delete(watched))
    this.#underWay.add(watched)
  }

  async #restoreLarge(op: Operation, file: BatchFile, leads: boolean): Promise<void> {
    const { tree, index, overwrite, metadataOf, tally } = this.#parts
    const { entry, folder } = file
    // Not at once: `add` has to hold the folder first.
    await Promise.resolve()
    let handle: FolderHandle | undefined
    try {
      handle = this.#folders.pin(folder)
      const { sizeBytes, links } = entry
      const large = new LargeFile({
        index,
        overwrite,
        folder: handle,
        order: {
          folder: 0,
          name: nameOf(entry.path).toString('latin1'),
          metadata: metadataOf(entry, this.#folders, folder),
          sizeBytes,
          links,
          leads,
        },
        misses: tally.misses,
        content: () => tree.content(op, entry.extents),
        send: (part) => this.#sendPart(op, part),
      })
      try {
        this.#settle(file, await large.restore(op))
      } finally {
        tally.written(large.bytesWritten)
      }
    } catch (error) {
      if (error instanceof Skipped) this.#settle(file, { kind: 'skipped', error: toPlainError(error.reason) })
      else tally.failed(entry, itemError(error))
    } finally {
      if (handle) this.#folders.unpin(folder)
    }
    this.#folders.release(folder)
    tally.progress(op)
  }

  async #sendPart(op: Operation, part: Part): Promise<{ answer: Promise<PartResult> }> {
    await this.#acquire(op)
    return { answer: this.#parts.lanes.runPart(op, part).finally(() => this.#room.release()) }
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
    tally.written(result.bytesWritten)
    const { outcomes } = result
    batch.files.forEach((file, i) => {
      if (outcomes === 'all restored') tally.restored(file.entry)
      else if (outcomes[i]) this.#settle(file, outcomes[i], lost.get(file.folder))
    })
    for (const { folder } of batch.files) this.#folders.release(folder)
    tally.progress(op)
  }

  #settle(file: BatchFile, outcome: Outcome, lost?: TerpError): void {
    const { tally } = this.#parts
    if ('error' in outcome) tally[outcome.kind](file.entry, lost ?? fromPlainError(outcome.error))
    else {
      tally[outcome.kind](file.entry)
      if (outcome.inode) this.#onLeader(file, outcome.inode)
    }
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
