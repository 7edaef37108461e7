/** The twin of the kernel in plain TypeScript, one chunk after the other: the words are those of kernel/assembly/blake3.ts. */
import type { TreeHash } from './tree.ts'

const CHUNK_BYTES = 1024
const BLOCK_BYTES = 64
const VALUE_BYTES = 32

const CHUNK_START = 1
const CHUNK_END = 2
const PARENT = 4
const ROOT = 8

const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
/** Four places of the state for each step of a round: columns, then diagonals. */
const STEPS = Uint8Array.from(
  [0, 1].flatMap((shift) => [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((row) => 4 * row + ((i + shift * row) % 4)))),
)
/** Which word of the message each half step of each round takes. */
const SCHEDULE = Uint8Array.from({ length: 7 }).reduce<number[]>(
  (rows) => [...rows, ...PERMUTATION.map((from, i) => (rows.length === 0 ? i : (rows[rows.length - 16 + from] ?? 0)))],
  [],
)

export class ScriptTreeHash implements TreeHash {
  readonly #state = new Int32Array(16)
  readonly #message = new Int32Array(16)
  readonly #block = Buffer.alloc(BLOCK_BYTES)

  ofPiece(bytes: Uint8Array, number: number, isRoot: boolean): Buffer {
    let level: Buffer[] = []
    for (let at = 0; at < Math.max(1, bytes.length); at += CHUNK_BYTES) {
      const end = isRoot && bytes.length <= CHUNK_BYTES ? CHUNK_END | ROOT : CHUNK_END
      level.push(this.#hash(bytes.subarray(at, at + CHUNK_BYTES), number * 64 + at / CHUNK_BYTES, CHUNK_START, end))
    }
    while (level.length > 1) {
      const isTop = isRoot && level.length === 2
      const next: Buffer[] = []
      for (let i = 0; i < level.length; i += 2) {
        const [left, right] = level.slice(i, i + 2)
        if (left) next.push(right ? this.ofParent(left, right, isTop) : left)
      }
      level = next
    }
    return level[0] as Buffer
  }

  ofParent(left: Uint8Array, right: Uint8Array, isRoot: boolean): Buffer {
    return this.#hash(Buffer.concat([left, right]), 0, PARENT, isRoot ? ROOT : 0)
  }

  #hash(bytes: Uint8Array, counter: number, first: number, last: number): Buffer {
    const value = Int32Array.from(START)
    for (let at = 0; at < Math.max(1, bytes.length); at += BLOCK_BYTES) {
      const part = bytes.subarray(at, at + BLOCK_BYTES)
      this.#block.fill(0).set(part)
      for (let i = 0; i < 16; i++) this.#message[i] = this.#block.readInt32LE(4 * i)
      const isLast = at + BLOCK_BYTES >= bytes.length
      this.#compress(value, counter, part.length, (at === 0 ? first : 0) | (isLast ? last : 0))
    }
    const out = Buffer.alloc(VALUE_BYTES)
    for (const [i, word] of value.entries()) out.writeInt32LE(word, 4 * i)
    return out
  }

  #compress(value: Int32Array, counter: number, bytes: number, flags: number): void {
    const v = this.#state
    const m = this.#message
    v.set(value)
    v.set(START.slice(0, 4), 8)
    v.set([counter, Math.floor(counter / 2 ** 32), bytes, flags], 12)
    for (let half = 0; half < SCHEDULE.length; half += 2) {
      const step = (half * 2) % STEPS.length
      const a = STEPS[step] as number
      const b = STEPS[step + 1] as number
      const c = STEPS[step + 2] as number
      const d = STEPS[step + 3] as number
      mix(v, a, b, c, d, m[SCHEDULE[half] as number] as number, 16, 12)
      mix(v, a, b, c, d, m[SCHEDULE[half + 1] as number] as number, 8, 7)
    }
    for (let i = 0; i < 8; i++) value[i] = at(v, i) ^ at(v, i + 8)
  }
}

function mix(v: Int32Array, a: number, b: number, c: number, d: number, word: number, turnD: number, turnB: number): void {
  v[a] = at(v, a) + at(v, b) + word
  v[d] = turn(at(v, d) ^ at(v, a), turnD)
  v[c] = at(v, c) + at(v, d)
  v[b] = turn(at(v, b) ^ at(v, c), turnB)
}

function at(words: Int32Array, i: number): number {
  return words[i] as number
}

function turn(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}
