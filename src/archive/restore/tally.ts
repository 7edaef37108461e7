/** Counts what became of each entry, and keeps the reasons of the first thousand. */
import type { TerpError } from '../../base/errors.ts'
import type { Operation, Warning } from '../../base/operation.ts'
import type { Entry } from '../entry.ts'
import type { Overwrite, RestoredItem, RestoreReport } from '../reports.ts'
import { displayPath } from '../tree/tree-reader.ts'
import { type Misses, noMisses } from './plan.ts'

const MOST_KEPT = 1000
const WORDS = { owner: 'the owner', mode: 'the mode or the time', attributes: 'attributes', flags: 'inode flags' } as const

export interface Totals {
  readonly filesTotal?: number
  readonly bytesTotal?: number
}

export class Tally {
  readonly misses: Misses = noMisses()
  readonly #totals: Totals
  readonly #overwrite: Overwrite
  readonly #skipped: RestoredItem[] = []
  readonly #failed: RestoredItem[] = []
  #filesRestored = 0
  #bytesRestored = 0
  #bytesWritten = 0
  #filesUnchanged = 0
  #othersRestored = 0
  #itemsSkipped = 0
  #itemsFailed = 0
  #filesDone = 0
  #bytesDone = 0
  #foundDamage = false

  constructor(totals: Totals, overwrite: Overwrite) {
    this.#totals = totals
    this.#overwrite = overwrite
  }

  restored(entry: Entry): void {
    if (entry.kind !== 'file') {
      this.#othersRestored++
      return
    }
    this.#filesRestored++
    this.#bytesRestored += entry.sizeBytes
    this.#done(entry)
  }

  /** Another name of something that was restored before. */
  linked(entry: Entry): void {
    this.#othersRestored++
    this.#done(entry)
  }

  /**
   * It is there already. Who asked for what changed finds it among what was skipped, without a reason, because nothing is wrong with it; who asked for
   * everything has it restored, only nothing had to be written.
   */
  unchanged(entry: Entry): void {
    if (entry.kind === 'file') this.#filesUnchanged++
    if (this.#overwrite === 'always') {
      this.restored(entry)
      return
    }
    this.#itemsSkipped++
    this.#done(entry)
  }

  skipped(entry: Entry, reason: Pick<TerpError, 'code' | 'message'>, isListed = true): void {
    this.#itemsSkipped++
    this.#done(entry)
    if (isListed) keep(this.#skipped, entry, reason)
  }

  failed(entry: Entry, reason: Pick<TerpError, 'code' | 'message' | 'kind'>, isListed = true): void {
    this.#itemsFailed++
    this.#done(entry)
    if (reason.kind === 'corrupt') this.#foundDamage = true
    if (isListed) keep(this.#failed, entry, reason)
  }

  #done(entry: Entry): void {
    if (entry.kind !== 'file') return
    this.#filesDone++
    this.#bytesDone += entry.sizeBytes
  }

  written(bytes: number): void {
    this.#bytesWritten += bytes
  }

  addMisses(more: Misses): void {
    for (const key of Object.keys(more) as (keyof Misses)[]) this.misses[key] += more[key]
  }

  progress(op: Operation): void {
    op.progress({ phase: 'restore', filesDone: this.#filesDone, bytesDone: this.#bytesDone, ...this.#totals })
  }

  /** Tells the operation what could not be set, in one warning. */
  report(op: Operation, durationMs: number): RestoreReport {
    const warnings: Warning[] = []
    const keys = (Object.keys(WORDS) as (keyof Misses)[]).filter((key) => this.misses[key] > 0)
    if (keys.length > 0) {
      const parts = keys.map((key) => `${WORDS[key]} of ${this.misses[key]}`)
      warnings.push({ code: 'METADATA_PARTIAL', message: `restored, but could not be set: ${parts.join(', ')} items` })
    }
    for (const warning of warnings) op.warn(warning)
    return {
      filesRestored: this.#filesRestored,
      bytesRestored: this.#bytesRestored,
      bytesWritten: this.#bytesWritten,
      filesUnchanged: this.#filesUnchanged,
      othersRestored: this.#othersRestored,
      filesSkipped: this.#itemsSkipped,
      filesFailed: this.#itemsFailed,
      skipped: this.#skipped.sort(byPath),
      failed: this.#failed.sort(byPath),
      warnings,
      durationMs,
      foundDamage: this.#foundDamage,
    }
  }
}

/** Lanes answer in no order. */
function byPath(a: RestoredItem, b: RestoredItem): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

function keep(list: RestoredItem[], entry: Entry, { code, message }: { code: string; message: string }): void {
  if (list.length < MOST_KEPT) list.push({ path: displayPath(entry.path), code, message })
}
