/**
 * A set of chunk ids in shared memory, asked and filled by all threads without locks.
 *
 * A slot is 16 bytes: the first 16 of the id (a keyed hash; two equal prefixes by chance are not to be expected in any lifetime). The first word is never 0
 * in a taken slot and is claimed by compare-and-exchange; a reader that meets a slot half filled takes the id for absent. Slots are never freed.
 */
const SLOT_WORDS = 4
/** A set this full takes no more: then `add` answers that the id is new, each time. */
const FULL = 0.85
const GROW_AT = 0.6

export class SharedIds {
  readonly memory: SharedArrayBuffer
  /** Word 0 counts; the slots begin at word 4. The number of slots is a power of two. */
  readonly #words: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  /** Memory that nobody has written to is not there yet: room costs nothing until it is used. */
  static withRoomFor(ids: number): SharedIds {
    const slots = 2 ** Math.ceil(Math.log2(ids * 2))
    return new SharedIds(new SharedArrayBuffer((slots + 1) * SLOT_WORDS * 4))
  }

  /** For how many it was made. */
  get room(): number {
    return this.#slots / 2
  }

  get size(): number {
    return Atomics.load(this.#words, 0)
  }

  get #slots(): number {
    return this.#words.length / SLOT_WORDS - 1
  }

  get needsRoom(): boolean {
    return this.size > GROW_AT * this.#slots
  }

  get isFull(): boolean {
    return this.size > FULL * this.#slots
  }

  /** The id stands at `at`. */
  has(id: Uint8Array, at: number): boolean {
    return this.#find(wordAt(id, at) || 1, wordAt(id, at + 4), wordAt(id, at + 8), wordAt(id, at + 12)) === THERE
  }

  /** True when it was not in the set before. */
  add(id: Uint8Array): boolean {
    const words = this.#words
    const first = wordAt(id, 0) || 1
    const second = wordAt(id, 4)
    const third = wordAt(id, 8)
    const fourth = wordAt(id, 12)
    for (;;) {
      const at = this.#find(first, second, third, fourth)
      if (at === THERE) return false
      if (at < 0 || this.isFull) return true
      if (Atomics.compareExchange(words, at, 0, first) === 0) {
        Atomics.store(words, at + 1, second)
        Atomics.store(words, at + 2, third)
        Atomics.store(words, at + 3, fourth)
        Atomics.add(words, 0, 1)
        return true
      }
      // Another thread took this slot meanwhile: look again, it may hold the same id.
    }
  }

  /** THERE, or the empty slot where it belongs, or -1 when there is none. */
  #find(first: number, second: number, third: number, fourth: number): number {
    const words = this.#words
    const mask = this.#slots - 1
    for (let slot = second & mask, tries = 0; tries <= mask; slot = (slot + 1) & mask, tries++) {
      const at = (slot + 1) * SLOT_WORDS
      const word = Atomics.load(words, at)
      if (word === 0) return at
      if (word === first && words[at + 1] === second && words[at + 2] === third && words[at + 3] === fourth) return THERE
    }
    return -1
  }
}

const THERE = -2

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}
