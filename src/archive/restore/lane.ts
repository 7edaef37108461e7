/**
 * Restores batches of files, one after the other: decides what has to be written, reads the chunks of one window, writes files from them, one
 * open at a time. Runs in a worker thread, or on the main one in tests; needs nothing but a store and keys.
 *
 * What always holds: content comes from ChunkReader alone, so every byte was checked; a file whose content is not complete gets no name.
 */
import { invariant, type TerpError, toPlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { CHUNK_TYPE, type ChunkLocation, ChunkReader, type RepositoryKeys } from '../../repository/index.ts'
import type { ObjectStore } from '../../storage/index.ts'
import { archiveError } from '../errors.ts'
import { existingOutcome } from './existing.ts'
import { FileWriter } from './file-writer.ts'
import { Skipped } from './placing.ts'
import type { Batch, BatchResult, ChunkPlace, FileOrder, FolderHandle, Outcome } from './plan.ts'
import { noMisses } from './plan.ts'
import { itemError } from './target-errors.ts'
import { type Piece, planWindows } from './windows.ts'

export class Lane {
  readonly #reader: ChunkReader
  /** Content of the last window: the next batch goes on where this one ended, often inside the same bundle. */
  #held = new Map<string, Buffer | Error>()

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#reader = new ChunkReader(store, keys)
  }

  /** Throws what ends the job: CANCELLED, a fault of the repository's medium, TargetFailure. */
  async run(op: Operation, batch: Batch): Promise<BatchResult> {
    const work = new BatchWork(op, batch)
    try {
      const files = work.decide()
      for (const window of planWindows(batch, files, (file) => work.isSettled(file))) {
        op.check()
        const contents = await this.#fetch(op, batch, window.chunks)
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

  async #fetch(op: Operation, batch: Batch, numbers: ReadonlySet<number>): Promise<(number: number) => Buffer | Error> {
    const next = new Map<string, Buffer | Error>()
    const wanted: ChunkLocation[] = []
    for (const number of numbers) {
      const place = batch.chunks[number] as ChunkPlace
      const there = this.#held.get(place.id)
      if (there) next.set(place.id, there)
      else wanted.push(locationOf(place))
    }
    this.#held = next // what this window does not need is let go before anything new is read
    for await (const { location, content } of this.#reader.readMany(op, wanted)) next.set(location.record.id.toString('latin1'), content)
    return (number) => {
      const place = batch.chunks[number] as ChunkPlace
      return (
        next.get(place.id) ??
        archiveError('TREE_DAMAGED', `chunk ${Buffer.from(place.id, 'latin1').toString('hex').slice(0, 12)}… was not read`)
      )
    }
  }
}

function locationOf({ id, contentBytes, copies }: ChunkPlace): ChunkLocation {
  const bytes = Buffer.from(id, 'latin1')
  const [first, ...others] = copies.map(({ pack, ...spot }): ChunkLocation => {
    return { pack, record: { ...spot, id: bytes, contentBytes, type: CHUNK_TYPE.data } }
  })
  invariant(first, 'a chunk stands somewhere')
  return { ...first, others }
}

class BatchWork {
  readonly #op: Operation
  readonly #batch: Batch
  readonly #outcomes: (Outcome | undefined)[]
  readonly #misses = noMisses()
  #open: { file: number; writer: FileWriter } | undefined

  constructor(op: Operation, batch: Batch) {
    this.#op = op
    this.#batch = batch
    this.#outcomes = batch.files.map(() => undefined)
  }

  isSettled(file: number): boolean {
    return this.#outcomes[file] !== undefined
  }

  #order(file: number): { order: FileOrder; folder: FolderHandle } {
    const order = this.#batch.files[file] as FileOrder
    return { order, folder: this.#batch.folders[order.folder] as FolderHandle }
  }

  /** Numbers of the files whose content is wanted; the others are settled already. */
  decide(): number[] {
    const files: number[] = []
    this.#batch.files.forEach((order, file) => {
      const { folder } = this.#order(file)
      if (folder.isNew) {
        files.push(file)
        return
      }
      this.#op.check()
      this.#attempt(file, () => {
        this.#outcomes[file] = existingOutcome(folder, order, this.#batch.overwrite, this.#misses)
      })
      if (!this.isSettled(file)) files.push(file)
    })
    return files
  }

  write(piece: Piece, contents: (chunk: number) => Buffer | Error): void {
    if (this.isSettled(piece.file)) return
    this.#attempt(piece.file, () => {
      const writer = this.#writerFor(piece.file)
      const { extents } = this.#order(piece.file).order
      for (let at = piece.from * 3; at < piece.to * 3; at += 3) {
        const [chunk, offset, length] = [extents[at] as number, extents[at + 1] as number, extents[at + 2] as number]
        if (chunk < 0) {
          writer.hole(length)
          continue
        }
        const content = contents(chunk)
        if (!Buffer.isBuffer(content)) throw content
        writer.write(content, offset, length)
      }
      if (!piece.ends) return
      const inode = writer.finish(this.#batch.overwrite, this.#misses)
      this.#outcomes[piece.file] = this.#order(piece.file).order.leads ? { kind: 'restored', inode } : { kind: 'restored' }
    })
    if (this.isSettled(piece.file)) this.close()
  }

  #writerFor(file: number): FileWriter {
    if (this.#open?.file === file) return this.#open.writer
    this.close()
    const { order, folder } = this.#order(file)
    const writer = new FileWriter(this.#op, order, folder)
    this.#open = { file, writer }
    return writer
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
    return { outcomes, misses: this.#misses }
  }

  close(): void {
    this.#open?.writer.close()
    this.#open = undefined
  }
}

function missing(): Outcome {
  const error: TerpError = archiveError('TREE_DAMAGED', 'this file was not reached')
  return { kind: 'failed', error: toPlainError(error) }
}
