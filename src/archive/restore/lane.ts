/**
 * Restores batches of files, one after the other: decides what has to be written, reads the chunks of one window, writes files from them, one
 * open at a time. Runs in a worker thread, or on the main one in tests; needs nothing but a store and keys.
 *
 * What always holds: content comes from ChunkReader alone, so every byte was checked; a file whose content is not complete gets no name.
 */
import { type TerpError, toPlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { ChunkReader, type RepositoryKeys } from '../../repository/index.ts'
import type { ObjectStore } from '../../storage/index.ts'
import { archiveError } from '../errors.ts'
import { EXTENT_NUMBERS, extentsOf, fileCount, orderOf } from './batch.ts'
import { existingOutcome } from './existing.ts'
import { type Births, FileWriter } from './file-writer.ts'
import { PartWork } from './part-work.ts'
import { Skipped } from './placing.ts'
import type { Batch, BatchResult, FileOrder, FolderHandle, Outcome, Part, PartResult } from './plan.ts'
import { noMisses } from './plan.ts'
import { itemError } from './target-errors.ts'
import { WindowContents } from './window-contents.ts'
import { type Piece, planWindows } from './windows.ts'

export class Lane {
  readonly #reader: ChunkReader
  readonly #contents: WindowContents
  /** For what is read from files that are there. */
  #room: Buffer = Buffer.alloc(0)

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#reader = new ChunkReader(store, keys)
    this.#contents = new WindowContents(this.#reader)
  }

  /** Throws what ends the job: CANCELLED, a fault of the repository's medium, TargetFailure. */
  async run(op: Operation, batch: Batch): Promise<BatchResult> {
    const work = new BatchWork(op, batch)
    try {
      const windows = planWindows({
        table: batch,
        files: work.decide(),
        extentsOf: (file) => extentsOf(batch, file),
        isDropped: (file) => work.isSettled(file),
      })
      for (const window of windows) {
        op.check()
        const contents = await this.#contents.read(op, batch, window.chunks)
        for (const piece of window.pieces) {
          op.check()
          work.write(piece, contents)
        }
      }
      return work.result()
    } finally {
      work.close()
    }
  }

  /** Throws what is wrong with the file, too. */
  async runPart(op: Operation, part: Part): Promise<PartResult> {
    const work = new PartWork(part, this.#reader, this.#room)
    try {
      return await work.run(op, this.#contents)
    } finally {
      this.#room = work.room
    }
  }

  close(): void {
    this.#reader.close()
  }
}

class BatchWork {
  readonly #op: Operation
  readonly #batch: Batch
  readonly #outcomes: (Outcome | undefined)[]
  readonly #misses = noMisses()
  readonly #births: Births = new Map()
  #bytesWritten = 0
  #open: { file: number; order: FileOrder; writer: FileWriter } | undefined

  constructor(op: Operation, batch: Batch) {
    this.#op = op
    this.#batch = batch
    this.#outcomes = Array.from({ length: fileCount(batch) }, () => undefined)
  }

  isSettled(file: number): boolean {
    return this.#outcomes[file] !== undefined
  }

  #folder(order: FileOrder): FolderHandle {
    return this.#batch.folders[order.folder] as FolderHandle
  }

  /** Numbers of the files whose content is wanted; the others are settled already. */
  decide(): number[] {
    const files: number[] = []
    const someExist = this.#batch.folders.some(({ isNew }) => !isNew)
    for (let file = 0; file < this.#outcomes.length; file++) {
      if (someExist) this.#look(file)
      if (!this.isSettled(file)) files.push(file)
    }
    return files
  }

  #look(file: number): void {
    const order = orderOf(this.#batch, file)
    const folder = this.#folder(order)
    if (folder.isNew) return
    this.#op.check()
    this.#attempt(file, () => {
      this.#outcomes[file] = existingOutcome(folder, order, this.#batch.overwrite, this.#misses)
    })
  }

  write(piece: Piece, contents: (chunk: number) => Buffer | Error): void {
    if (this.isSettled(piece.file)) return
    this.#attempt(piece.file, () => {
      const { writer, order } = this.#openFor(piece.file)
      const { extents } = this.#batch
      for (let at = piece.from * EXTENT_NUMBERS; at < piece.to * EXTENT_NUMBERS; at += EXTENT_NUMBERS) {
        const [chunk, offset, length] = [extents[at] as number, extents[at + 1] as number, extents[at + 2] as number]
        if (chunk < 0) {
          writer.hole(length)
          continue
        }
        const content = contents(chunk)
        if (!Buffer.isBuffer(content)) throw content
        writer.write(content, offset, length)
        this.#bytesWritten += length
      }
      if (!piece.ends) return
      const inode = writer.finish(this.#batch.overwrite, this.#misses)
      this.#outcomes[piece.file] = order.leads && inode ? { kind: 'restored', inode } : RESTORED
    })
    if (this.isSettled(piece.file)) this.close()
  }

  #openFor(file: number): { order: FileOrder; writer: FileWriter } {
    if (this.#open?.file === file) return this.#open
    this.close()
    const order = orderOf(this.#batch, file)
    const writer = new FileWriter(this.#op, order, this.#folder(order), this.#births)
    this.#open = { file, order, writer }
    return this.#open
  }

  #attempt(file: number, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (error instanceof Skipped) this.#outcomes[file] = { kind: 'skipped', error: toPlainError(error.reason) }
      else this.#outcomes[file] = { kind: 'failed', error: toPlainError(itemError(error)) }
    }
  }

  result(): BatchResult {
    const outcomes = this.#outcomes.map((outcome) => outcome ?? missing())
    // Nearly always all of them: then one word says it.
    const isPlain = outcomes.every((outcome) => outcome === RESTORED)
    return { outcomes: isPlain ? 'all restored' : outcomes, misses: this.#misses, bytesWritten: this.#bytesWritten }
  }

  close(): void {
    this.#open?.writer.close()
    this.#open = undefined
  }
}

const RESTORED: Outcome = { kind: 'restored' }

function missing(): Outcome {
  const error: TerpError = archiveError('TREE_DAMAGED', 'this file was not reached')
  return { kind: 'failed', error: toPlainError(error) }
}
