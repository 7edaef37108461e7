/**
 * Packs of work that ended without its recovery point, and whose writer did not come to say that they are there: they would lie where they are, listed by
 * nobody and so deleted by nobody, until the next writer opens the pool. They are those that no segment lists and nobody has told of, after all
 * sessions have ended that were open when they were seen.
 */
import type { Operation } from '../../base/operation.ts'
import type { ObjectStore } from '../../storage/index.ts'
import { packOfName } from '../pack/pack-format.ts'

interface Seen {
  readonly packs: ReadonlyMap<string, number>
  readonly sessions: ReadonlySet<object>
}

export interface Stray {
  readonly sha256: string
  readonly sizeBytes: number
}

/** A look goes through all packs. */
const LOOK_EVERY_MS = 3_600_000

export class StrayPacks {
  #isWanted = false
  #lookedMs = Number.NEGATIVE_INFINITY
  #seen: Seen | undefined

  /** A session ended without a recovery point. */
  want(): void {
    this.#isWanted = true
  }

  /** The next look gives what there is. */
  get hasSeen(): boolean {
    return this.#seen !== undefined
  }

  /** Whether `look` has something to do. */
  isDue(op: Operation, live: ReadonlySet<object>): boolean {
    if (this.#seen) return this.#isOver(this.#seen, live)
    return this.#isWanted && op.clock.monotonicMs() - this.#lookedMs >= LOOK_EVERY_MS
  }

  #isOver({ sessions }: Seen, live: ReadonlySet<object>): boolean {
    return [...sessions].every((session) => !live.has(session))
  }

  /** Not two at once. The first time that it is wanted it takes a look, and gives what it saw in a later one. */
  async look(op: Operation, store: ObjectStore, live: () => ReadonlySet<object>, isKnown: (pack: string) => boolean): Promise<Stray[]> {
    const seen = this.#seen
    if (seen) {
      if (!this.#isOver(seen, live())) return []
      this.#seen = undefined
      return [...seen.packs].filter(([pack]) => !isKnown(pack)).map(([sha256, sizeBytes]) => ({ sha256, sizeBytes }))
    }
    this.#isWanted = false
    this.#lookedMs = op.clock.monotonicMs()
    const sessions = live()
    const packs = new Map<string, number>()
    for await (const { name, sizeBytes } of store.list(op, 'packs/')) {
      const pack = packOfName(name)
      if (pack !== undefined && !isKnown(pack)) packs.set(pack, sizeBytes)
    }
    // What others stored while this looked is theirs: they were open, or begun since, and have not ended.
    if (packs.size > 0) this.#seen = { packs, sessions: new Set([...sessions, ...live()]) }
    return []
  }
}
