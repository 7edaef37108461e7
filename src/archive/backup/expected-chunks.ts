/**
 * The chunks of which a stream consisted when it was stored before. Where a chunk ends depends on its content alone (docs/format.md §7), so where one of
 * them is found again, by its id and at its place, nothing has to be cut: it would end where it did. Only a guess, of which nothing is believed.
 */
import type { Extent } from '../entry.ts'

export interface ExpectedChunk {
  readonly start: number
  readonly end: number
  readonly id: Buffer
}

interface Run extends ExpectedChunk {
  end: number
}

export class ExpectedChunks {
  readonly #runs: Run[] = []
  #at = 0
  /** The run that may go on. */
  #open: Run | undefined

  /**
   * What a file at that place of the stream was. Files come in the order of the stream. Extents that begin with a chunk's first byte and go on without a
   * gap, over the ends of files, until something else begins, may be that chunk whole: how long it is they do not say, but its id will.
   */
  add(start: number, extents: readonly Extent[]): void {
    let at = start
    for (const extent of extents) {
      if (extent.kind === 'data') this.#addData(at, extent)
      else this.#open = undefined
      at += extent.length
    }
  }

  #addData(at: number, { chunk, offset, length }: Extract<Extent, { kind: 'data' }>): void {
    const open = this.#open
    if (open && open.end === at && offset === at - open.start && open.id.equals(chunk)) open.end += length
    else if (offset === 0) {
      this.#open = { start: at, end: at + length, id: chunk }
      this.#runs.push(this.#open)
    } else this.#open = undefined
  }

  /** The one that began at that place. Places are asked for in order. */
  find(start: number): ExpectedChunk | undefined {
    while (this.#at < this.#runs.length && (this.#runs[this.#at] as Run).start < start) this.#at++
    const run = this.#runs[this.#at]
    return run?.start === start ? run : undefined
  }

  /** Whether more come after the one that was found last. */
  get hasMore(): boolean {
    return this.#at + 1 < this.#runs.length
  }

  /** It is not there any more. */
  drop(): void {
    this.#at++
  }
}

export function areSameExtents(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((extent, i) => isSameExtent(extent, b[i] as Extent))
}

function isSameExtent(a: Extent, b: Extent): boolean {
  if (a.kind !== b.kind || a.length !== b.length) return false
  if (a.kind === 'hole' || b.kind === 'hole') return true
  if (a.kind === 'data' && b.kind === 'data' && a.offset !== b.offset) return false
  return a.chunk === b.chunk || a.chunk.equals(b.chunk)
}
