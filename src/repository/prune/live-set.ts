/**
 * The chunks that some recovery points reach, as a bitmap over the records of an index that was opened before. Chunks that came to the repository later
 * (a backup that commits while the set is made) are found in segments that are opened when they are needed; they only matter as ways to older ones.
 */
import type { ChunkLocation } from '../index/chunk-index.ts'
import { CHUNK_TYPE } from '../keys/hierarchy.ts'
import { Bitmap } from './bitmap.ts'
import { pruneError } from './errors.ts'
import type { SurveyIndex } from './survey-index.ts'

/** `seen`: it was in the set before, and with it all that it reaches. */
export type Marked = 'seen' | 'data' | 'tree'

export class LiveSet {
  readonly index: SurveyIndex
  readonly #live: Bitmap
  /** Records of chunks that have several. */
  readonly #copied: Bitmap
  readonly #without: LiveSet | undefined
  readonly #isPartial: boolean
  readonly #later: SurveyIndex[] = []
  /** Pages and lists. */
  readonly #seenLater = new Set<string>()
  /** How many chunks of the index were added so far. */
  count = 0

  /** `without`: what that set has is taken for seen. `isPartial`: so is what is gone, because this set only explains. */
  constructor(index: SurveyIndex, options: { readonly without?: LiveSet; readonly isPartial?: boolean } = {}) {
    this.index = index
    this.#live = new Bitmap(index.size)
    this.#copied = new Bitmap(index.size)
    this.#without = options.without
    this.#isPartial = options.isPartial ?? false
  }

  /** Segments that were not there when the index was opened. */
  addLater(index: SurveyIndex): void {
    this.#later.push(index)
  }

  forgetLater(): void {
    this.#later.length = 0
    this.#seenLater.clear()
  }

  has(ordinal: number): boolean {
    return this.#live.has(ordinal)
  }

  isCopied(ordinal: number): boolean {
    return this.#copied.has(ordinal)
  }

  hasChunk(id: Uint8Array): boolean {
    return this.index.ordinalsOf(id).some((ordinal) => this.#live.has(ordinal))
  }

  /** PRUNE_UNREADABLE when no segment lists the chunk. */
  mark(id: Buffer): Marked {
    const ordinals = this.#ordinalsOf(id)
    const first = ordinals[0]
    if (first === undefined) return this.#isPartial ? 'seen' : this.#markLater(id)
    if (this.#live.has(first) || this.#without?.has(first)) return 'seen'
    for (const ordinal of ordinals) {
      this.#live.set(ordinal)
      if (ordinals.length > 1) this.#copied.set(ordinal)
    }
    this.count++
    return ordinals.some((ordinal) => this.index.trees.has(ordinal)) ? 'tree' : 'data'
  }

  /**
   * Where ids of different segments begin alike, all of both is compared: a page must not be taken for seen because of another chunk. With the id key, which
   * agents have, two such chunks can be made. Of content alone it does no harm: one chunk more is kept.
   */
  #ordinalsOf(id: Buffer): number[] {
    const ordinals = this.index.ordinalsOf(id)
    if (ordinals.length === 0) return ordinals
    const mayBeTree = ordinals.length > 1 && ordinals.some((ordinal) => this.index.trees.has(ordinal))
    return mayBeTree || this.#later.some((index) => index.find(id)) ? this.index.exactly(ordinals, id) : ordinals
  }

  /** Of content nothing is read and nothing remembered: it leads nowhere, and a backup may bring millions of chunks. */
  #markLater(id: Buffer): Marked {
    const kinds = this.#later.flatMap((index) => index.ordinalsOf(id).map((ordinal) => index.trees.has(ordinal)))
    if (kinds.length > 0 && kinds.every((isTree) => !isTree)) return 'data'
    const key = id.toString('latin1')
    if (this.#seenLater.has(key)) return 'seen'
    const { record } = this.locate(id)
    this.#seenLater.add(key)
    return record.type === CHUNK_TYPE.data ? 'data' : 'tree'
  }

  locate(id: Buffer): ChunkLocation {
    const location = this.index.find(id) ?? this.#later.map((index) => index.find(id)).find((found) => found !== undefined)
    if (location) return location
    const hex = id.toString('hex')
    throw pruneError('PRUNE_UNREADABLE', `chunk ${hex.slice(0, 12)}…, which a recovery point needs, is in no pack that the index lists`, {
      context: { chunk: hex },
    })
  }
}
