/**
 * A large file, cut into parts that all lanes work on at once: they write by the descriptor of one nameless file, which this thread makes, and names when
 * all parts are there. Only as many parts are resolved as are on their way, however long the file is.
 *
 * Where a file of the name is there already, only what differs from it is written, if the file system can clone; what is equal throughout stays as it is.
 * Without clones, its bytes (checked like any others) at least spare the repository. The old file itself is never written to.
 */
import type { Operation } from '../../base/operation.ts'
import { cloneFd, close, type FileStat, findStatAt, statFd } from '../../platform/index.ts'
import type { ChunkIndex } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import type { Overwrite } from '../reports.ts'
import { alignMetadata, existingOutcome, isOnlyOurs } from './existing.ts'
import { FileWriter } from './file-writer.ts'
import { ExtentResolver, wrongTotal } from './orders.ts'
import { openSame } from './placing.ts'
import type { FileOrder, FolderHandle, Misses, Outcome, Part, PartResult } from './plan.ts'

const PART_BYTES = 16_777_216
const PART_EXTENTS = 4096
/** After so many bytes of the old file it shows whether it is of any use. */
const TRIAL_BYTES = 67_108_864
const LEAST_SHARE = 0.1

export interface LargeFileParts {
  readonly index: ChunkIndex
  readonly overwrite: Overwrite
  readonly folder: FolderHandle
  readonly order: FileOrder
  readonly misses: Misses
  /** From its beginning, each time it is asked. */
  content(): AsyncIterable<Exclude<Extent, { kind: 'list' }>>
  /** Waits until there is room for one more part; the result comes later. */
  send(part: Part): Promise<{ readonly answer: Promise<PartResult> }>
}

interface Old {
  readonly fd: number
  readonly stat: FileStat
}

interface Pass {
  readonly fd: number | undefined
  old: number | undefined
}

export class LargeFile {
  readonly #parts: LargeFileParts
  bytesWritten = 0

  constructor(parts: LargeFileParts) {
    this.#parts = parts
  }

  /** Throws what is wrong with it, Skipped, or what ends the job. All parts are answered before it settles. */
  async restore(op: Operation): Promise<Outcome> {
    const { folder, order, overwrite, misses } = this.#parts
    const settled = folder.isNew ? undefined : existingOutcome(folder, order, overwrite, misses)
    if (settled) return settled
    const old = this.#openOld()
    try {
      return await this.#write(op, old)
    } finally {
      if (old) close(old.fd)
    }
  }

  #openOld(): Old | undefined {
    const { folder, order, overwrite } = this.#parts
    if (folder.isNew || overwrite === 'never' || overwrite === 'copy') return undefined
    const name = Buffer.from(order.name, 'latin1')
    const stat = findStatAt(folder.fd, name)
    if (stat?.kind !== 'file' || stat.sizeBytes === 0) return undefined
    const fd = openSame(folder.fd, name, stat, statFd)
    return fd === undefined ? undefined : { fd, stat }
  }

  async #write(op: Operation, old: Old | undefined): Promise<Outcome> {
    const { folder, order, overwrite, misses } = this.#parts
    const writer = new FileWriter(op, order, folder)
    try {
      const isClone = old !== undefined && cloneFd(old.fd, writer.fd)
      if (old && !isClone && this.#mayStay(old) && !(await this.#pass(op, { fd: undefined, old: old.fd }))) return await this.#keep(op, old)
      writer.setLength()
      const differs = await this.#pass(op, { fd: writer.fd, old: isClone ? writer.fd : old?.fd })
      if (isClone && !differs && this.#mayStay(old)) return await this.#keep(op, old)
      const inode = writer.finish(overwrite, misses)
      return { kind: 'restored', ...(inode ? { inode } : {}) }
    } finally {
      writer.close()
    }
  }

  /** What somebody linked here from elsewhere is replaced: its metadata would change there, too. */
  #mayStay(old: Old): boolean {
    return old.stat.sizeBytes === this.#parts.order.sizeBytes && isOnlyOurs(old.stat, this.#parts.order)
  }

  /** Only its metadata is brought in line. */
  async #keep(op: Operation, { stat }: Old): Promise<Outcome> {
    const { folder, order, misses } = this.#parts
    const inode = { name: order.name, dev: stat.dev, ino: stat.ino }
    if (alignMetadata(folder.fd, Buffer.from(order.name, 'latin1'), stat, order, misses)) {
      return { kind: 'unchanged', ...(order.leads ? { inode } : {}) }
    }
    return this.#write(op, undefined) // another file by now
  }

  /** All parts once; true when something differs from the old file. */
  async #pass(op: Operation, pass: Pass): Promise<boolean> {
    const { sizeBytes } = this.#parts.order
    const state = { differs: pass.old === undefined, compared: 0, same: 0, failure: undefined as { error: unknown } | undefined }
    const underWay = new Set<Promise<void>>()
    const take = (answer: Promise<PartResult>, bytes: number) => {
      const taken = answer
        .then(({ bytesWritten, bytesSame, differs }) => {
          this.bytesWritten += bytesWritten
          state.same += bytesSame
          state.compared += bytes
          state.differs ||= differs
        })
        .catch((error: unknown) => {
          state.failure ??= { error }
        })
        .finally(() => underWay.delete(taken))
      underWay.add(taken)
    }
    try {
      let total = 0
      for await (const { part, bytes } of this.#cut(pass)) {
        op.check()
        total += bytes
        if (total > sizeBytes) throw wrongTotal(total, sizeBytes)
        take((await this.#parts.send(part)).answer, bytes)
        if (state.failure || (pass.fd === undefined && state.differs)) break
        // A clone has to be looked at to its end: what is not written in it stays as it was.
        if (pass.old !== pass.fd && state.compared > TRIAL_BYTES && state.same < state.compared * LEAST_SHARE) pass.old = undefined
      }
      const isWhole = !state.failure && !(pass.fd === undefined && state.differs)
      if (isWhole && total !== sizeBytes) throw wrongTotal(total, sizeBytes)
    } finally {
      await Promise.all(underWay)
    }
    if (state.failure) throw state.failure.error
    return state.differs
  }

  async *#cut(pass: Pass): AsyncGenerator<{ part: Part; bytes: number }> {
    const { index } = this.#parts
    let extents = new ExtentResolver(index)
    let position = 0
    let bytes = 0
    const finish = () => {
      const part: Part = { kind: 'part', position, fd: pass.fd, old: pass.old, ...extents.finish() }
      const done = { part, bytes }
      extents = new ExtentResolver(index)
      position += bytes
      bytes = 0
      return done
    }
    for await (const extent of this.#parts.content()) {
      extents.add(extent)
      bytes += extent.length
      if (bytes >= PART_BYTES || extents.extents >= PART_EXTENTS) yield finish()
    }
    if (extents.extents > 0) yield finish()
  }
}
