/**
 * A test restore: a sample of the files of a recovery point is read as for a restore, and goes nowhere. Each chunk's id is computed from its content again, so what is
 * counted here is what was backed up; each file has to be as long as its entry says.
 */
import { createHash } from 'node:crypto'
import { type Entry, readFileContent } from '../../archive/index.ts'
import { asTerpError, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Task } from '../pools/task.ts'
import { looking, openAt } from './look-tasks.ts'

export interface TestRestoreWish {
  readonly pointId: string
  readonly mostFiles: number
  readonly mostBytes: number
}

export interface TestRestoreReport {
  readonly entries: number
  readonly files: number
  readonly bytes: number
  /** Of the whole recovery point. */
  readonly filesTotal: number
  readonly bytesTotal: number
  readonly failures: readonly { readonly path: string; readonly code: string; readonly message: string }[]
  /** Of all that was read, in the order of paths: two test restores of the same files compare by it. */
  readonly sha256: string
}

const MOST_FAILURES = 100

export const testRestore: Task<TestRestoreWish, TestRestoreReport> = (place, wish) =>
  looking(place, async () => {
    const { op } = place
    const opened = await openAt(place, wish.pointId)
    try {
      const sample = new Sample(op, wish.mostFiles)
      let entries = 0
      let bytesTotal = 0
      // Every page of the tree is read for it, and with it every name and all metadata.
      for await (const entry of opened.tree.within(op, Buffer.alloc(0))) {
        op.check()
        entries++
        if (entry.kind !== 'file') continue
        bytesTotal += entry.sizeBytes
        sample.offer(entry)
      }
      const hash = createHash('sha256')
      const failures: { path: string; code: string; message: string }[] = []
      const chosen = sample.chosen
      let files = 0
      let bytes = 0
      for (const entry of chosen) {
        if (bytes >= wish.mostBytes) break
        files++
        try {
          let length = 0
          for await (const piece of readFileContent(op, opened, entry)) {
            op.check()
            hash.update(piece)
            length += piece.length
            bytes += piece.length
          }
          if (length !== entry.sizeBytes)
            failures.push(failure(entry, 'CONTENT_SHORT', `${length} bytes came, ${entry.sizeBytes} were backed up`))
        } catch (error) {
          // Damage is what this looks for; a disk that is gone is no finding.
          if (!isKind(error, 'corrupt')) throw error
          const { code, message } = asTerpError(error)
          if (failures.length < MOST_FAILURES) failures.push(failure(entry, code, message))
        }
        op.progress({ phase: 'test restore', filesDone: files, filesTotal: chosen.length, bytesDone: bytes })
      }
      return { entries, files, bytes, filesTotal: sample.offered, bytesTotal, failures, sha256: hash.digest('hex') }
    } finally {
      opened.tree.close()
    }
  })

function failure(entry: Entry, code: string, message: string) {
  return { path: `/${entry.path.toString('utf8')}`, code, message }
}

/** Of however many, each with the same chance. */
class Sample {
  offered = 0
  readonly #most: number
  readonly #op: Operation
  readonly #kept: { readonly number: number; readonly entry: Entry }[] = []

  constructor(op: Operation, most: number) {
    this.#op = op
    this.#most = most
  }

  offer(entry: Entry): void {
    const number = this.offered++
    if (this.#kept.length < this.#most) {
      this.#kept.push({ number, entry })
      return
    }
    const at = Buffer.from(this.#op.random.bytes(6)).readUIntBE(0, 6) % this.offered
    if (at < this.#most) this.#kept[at] = { number, entry }
  }

  /** In the order of the tree, where neighbours share packs. */
  get chosen(): readonly Entry[] {
    return this.#kept.toSorted((a, b) => a.number - b.number).map(({ entry }) => entry)
  }
}
