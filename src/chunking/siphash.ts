/**
 * SipHash-2-4 (Aumasson and Bernstein) of exactly one window of 32 bytes: a short hash that nobody can predict or work back from without its key.
 * JavaScript has no fast numbers of 64 bits: every word is its lower and its upper half.
 */
import { WINDOW_BYTES } from './search.ts'

/** Lower and upper half of each of the four words of "somepseudorandomlygeneratedbytes". */
const START = [0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462] as const

/** The four words with which hashing begins, of a key of 16 bytes. */
export function sipHashStart(key: DataView): Int32Array {
  return Int32Array.from(START, (half, i) => half ^ key.getInt32((i * 4) % 16, true))
}

/** The lower 32 bits of the hash of the window at `at`. */
export function sipHash(start: Int32Array, bytes: Uint8Array, at: number): number {
  let [l0, h0, l1, h1, l2, h2, l3, h3] = start as unknown as [number, number, number, number, number, number, number, number]
  for (let offset = 0; offset <= 48; offset += 8) {
    // Four words of content; one that says the length; two turns of two rounds that finish.
    let low = 0
    let high = 0
    if (offset < WINDOW_BYTES) {
      low = word(bytes, at + offset)
      high = word(bytes, at + offset + 4)
    } else if (offset === WINDOW_BYTES) high = WINDOW_BYTES << 24
    else if (offset === WINDOW_BYTES + 8) l2 ^= 0xff
    l3 ^= low
    h3 ^= high
    for (let round = 0; round < 2; round++) {
      let half: number
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      l0 = (l0 + l1) | 0
      h0 = (h0 + h1 + carry(l0, l1)) | 0
      half = (l1 << 13) | (h1 >>> 19)
      h1 = ((h1 << 13) | (l1 >>> 19)) ^ h0
      l1 = half ^ l0
      half = l0
      l0 = h0
      h0 = half
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      l2 = (l2 + l3) | 0
      h2 = (h2 + h3 + carry(l2, l3)) | 0
      half = (l3 << 16) | (h3 >>> 16)
      h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2
      l3 = half ^ l2
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      l0 = (l0 + l3) | 0
      h0 = (h0 + h3 + carry(l0, l3)) | 0
      half = (l3 << 21) | (h3 >>> 11)
      h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0
      l3 = half ^ l0
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      l2 = (l2 + l1) | 0
      h2 = (h2 + h1 + carry(l2, l1)) | 0
      half = (l1 << 17) | (h1 >>> 15)
      h1 = ((h1 << 17) | (l1 >>> 15)) ^ h2
      l1 = half ^ l2
      half = l2
      l2 = h2
      h2 = half
    }
    l0 ^= low
    h0 ^= high
  }
  return l0 ^ l1 ^ l2 ^ l3
}

/** Of an addition whose lower half is `sum`. */
function carry(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}
