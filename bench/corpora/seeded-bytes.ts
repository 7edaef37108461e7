/** Content from a seed, as fast as a disk takes it: AES in counter mode for what can't be compressed, words of a made-up language for what can. */
import { createCipheriv, createHash } from 'node:crypto'

export class SeededBytes {
  readonly #cipher
  readonly #words: readonly Buffer[]

  constructor(seed: string) {
    this.#cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
    // The language is the same for every seed: equal words in all files, as in real ones.
    this.#words = vocabulary(createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)))
  }

  random(length: number): Buffer {
    return this.#cipher.update(ZEROS.length >= length ? ZEROS.subarray(0, length) : Buffer.alloc(length))
  }

  /** Below 2^32. */
  below(limit: number): number {
    return this.random(4).readUInt32LE(0) % limit
  }

  /** Compresses to about a third, like logs and sources. */
  text(length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    let at = 0
    while (at < length) {
      const dice = this.random(8192)
      for (let i = 0; i + 3 < dice.length && at < length; i += 4) {
        // The product of two dice: some words are much more frequent than others.
        const rank = ((dice.readUInt16LE(i) * dice.readUInt16LE(i + 2)) / 2 ** 32) * WORDS
        const word = this.#words[rank | 0] as Buffer
        at += word.copy(out, at)
      }
    }
    return out
  }
}

const ZEROS = Buffer.alloc(1 << 20)
const WORDS = 4096
const WORDS_A_LINE = 11

function vocabulary(cipher: ReturnType<typeof createCipheriv>): Buffer[] {
  return Array.from({ length: WORDS }, (_, n) => {
    const dice = cipher.update(Buffer.alloc(12))
    const letters = dice.subarray(0, 3 + ((dice[11] as number) % 8)).map((byte) => 97 + (byte % 26))
    return Buffer.concat([letters, Buffer.from(n % WORDS_A_LINE === 0 ? '\n' : ' ')])
  })
}
