/**
 * Zstandard with a check: what is stored was decompressed and compared first (a compressor's bug must not become data loss).
 *
 * The level follows what a few thousand bytes of the content look like, and how well the content before shrank: text, and what shrinks well, costs little more at
 * the next level and gains most. What looks random is tried at the fastest level first, which still finds repetitions some 100 KiB apart.
 */
import { invariant } from '../../base/errors.ts'
import { zstd } from '../../platform/index.ts'
import { COMPRESSION, type Compression } from './pack-format.ts'

const LEVEL = { fastest: -1, fast: 1, better: 2, small: 3 } as const
/** Shrinks to less than this: the next content is compressed better. */
const WELL = 0.35
/** Content that shrinks by less than this is stored as it is: decompressing it would cost more than the space. */
const WORTH = 0.98
const LEAST_BYTES = 64
/** Below this, contents are pages and lists and what is left of bundles: the best level costs nothing. */
const SMALL_BYTES = 131_072
const SAMPLES = 4096
/** This share of the samples is printable, or white space. */
const TEXT_SHARE = 0.97
/** Of the most that a sample can have (8 bits a byte, less what so few samples lose). */
const RANDOM_BITS = 7.93

/** Keeps its buffers: what it returns is overwritten by the next call. One per writer. */
export class Compressor {
  #packed = Buffer.alloc(0)
  #back = Buffer.alloc(0)
  #lastRatio = 1

  compress(content: Uint8Array): { compression: Compression; stored: Uint8Array } {
    if (content.length < LEAST_BYTES) return { compression: COMPRESSION.none, stored: content }
    if (this.#packed.length < content.length) {
      this.#packed = Buffer.allocUnsafeSlow(content.length)
      this.#back = Buffer.allocUnsafeSlow(content.length)
    }
    // No more room than is worth it: zstd gives up where the frame would be larger.
    const room = this.#packed.subarray(0, Math.floor(content.length * WORTH))
    const size = this.#pack(room, content)
    this.#lastRatio = size < 0 ? 1 : size / content.length
    if (size < 0) return { compression: COMPRESSION.none, stored: content }
    const stored = room.subarray(0, size)
    const back = this.#back.subarray(0, content.length)
    invariant(zstd.decompress(back, stored) === content.length && back.equals(content), 'what was compressed decompresses to itself')
    return { compression: COMPRESSION.zstd, stored }
  }

  #pack(room: Uint8Array, content: Uint8Array): number {
    if (content.length < SMALL_BYTES) return zstd.compress(room, content, LEVEL.small)
    const look = lookAt(content)
    if (look === 'random' && zstd.compress(room, content, LEVEL.fastest) < 0) return -1
    return zstd.compress(room, content, look === 'text' || this.#lastRatio < WELL ? LEVEL.better : LEVEL.fast)
  }
}

const counts = new Uint16Array(256)

/** By the frequencies of bytes, at even distances. */
function lookAt(content: Uint8Array): 'random' | 'text' | 'other' {
  counts.fill(0)
  const step = Math.max(1, Math.floor(content.length / SAMPLES))
  for (let at = 0, i = 0; i < SAMPLES; at += step, i++) counts[content[at] as number] = (counts[content[at] as number] as number) + 1
  let bits = 0
  let printable = 0
  for (let byte = 0; byte < 256; byte++) {
    const share = (counts[byte] as number) / SAMPLES
    if (share > 0) bits -= share * Math.log2(share)
    if ((byte >= 32 && byte < 127) || (byte >= 9 && byte <= 13)) printable += share
  }
  return bits > RANDOM_BITS ? 'random' : printable >= TEXT_SHARE ? 'text' : 'other'
}

/** Undefined when the bytes are not a frame of exactly that content length. */
export function decompress(packed: Uint8Array, contentBytes: number): Buffer | undefined {
  const content = Buffer.allocUnsafeSlow(contentBytes)
  return decompressInto(content, packed, contentBytes) ? content : undefined
}

/** False when the bytes are not a frame of exactly that content length; then `into` holds nothing that counts. */
export function decompressInto(into: Uint8Array, packed: Uint8Array, contentBytes: number): boolean {
  return into.length >= contentBytes && zstd.decompress(into.subarray(0, contentBytes), packed) === contentBytes
}
