/**
 * Zstandard with a check: what is stored was decompressed and compared first (a compressor's bug must not become data loss).
 *
 * How hard is tried follows what a few thousand bytes of the content look like: where few kinds of bytes come often, a larger table costs little and gains most; where
 * all come as often, coding what matches nothing costs most and gains least. docs/adr/0012-hashes-and-compression.md has the figures. Where the way is narrow, time is
 * spent to save bytes.
 */
import { invariant } from '../../base/errors.ts'
import { type ZstdSettings, zstd } from '../../platform/index.ts'
import { COMPRESSION, type Compression } from './pack-format.ts'

/** The fastest strategy, with a window over the whole chunk: level 1 itself looks back for half a MiB, and wants 7 equal bytes. */
const FAST = { level: 1, windowLog: 22, codesLiterals: true }
const SETTINGS = {
  small: { level: 3 },
  even: { ...FAST, hashLog: 15, minMatch: 7 },
  usual: { ...FAST, minMatch: 6, targetLength: 2 },
  dense: { ...FAST, minMatch: 6, targetLength: 2, codesLiterals: false },
} as const satisfies Record<string, ZstdSettings>
/** Towards a slow line: a seventh fewer bytes of programs and libraries, at a quarter of the speed. */
const HARD: ZstdSettings = { level: 7, windowLog: 22 }
/** Content that shrinks by less than this is stored as it is: decompressing it would cost more than the space. */
const WORTH = 0.98
const LEAST_BYTES = 64
/** Below this, contents are pages and lists and what is left of bundles: a better level costs nothing. */
const SMALL_BYTES = 131_072
/** Looked at, in runs that are as long as what a processor reads at once. */
const SAMPLES = 4096
const RUN_BYTES = 64
/** Of 8 bits a byte: below and above, content is taken for even or dense. */
const EVEN_BITS = 5.6
const DENSE_BITS = 6.4

/** Keeps its buffers: what it returns is overwritten by the next call. One per writer. */
export class Compressor {
  #packed = Buffer.alloc(0)
  #back = Buffer.alloc(0)
  readonly #isChecked: boolean
  readonly #isHard: boolean

  /** `isCheckedElsewhere`: by whoever takes it, before it counts. `isHard`: several times as slow, for fewer bytes. */
  constructor({ isCheckedElsewhere = false, isHard = false } = {}) {
    this.#isHard = isHard
    this.#isChecked = !isCheckedElsewhere
  }

  compress(content: Uint8Array): { compression: Compression; stored: Uint8Array } {
    if (content.length < LEAST_BYTES) return { compression: COMPRESSION.none, stored: content }
    if (this.#packed.length < content.length) {
      this.#packed = Buffer.allocUnsafeSlow(content.length)
      if (this.#isChecked) this.#back = Buffer.allocUnsafeSlow(content.length)
    }
    // No more room than is worth it: zstd gives up where the frame would be larger.
    const room = this.#packed.subarray(0, Math.floor(content.length * WORTH))
    const size = zstd.compress(room, content, this.#settingsFor(content))
    if (size < 0) return { compression: COMPRESSION.none, stored: content }
    const stored = room.subarray(0, size)
    if (!this.#isChecked) return { compression: COMPRESSION.zstd, stored }
    const back = this.#back.subarray(0, content.length)
    invariant(zstd.decompress(back, stored) === content.length && back.equals(content), 'what was compressed decompresses to itself')
    return { compression: COMPRESSION.zstd, stored }
  }

  #settingsFor(content: Uint8Array): ZstdSettings {
    if (content.length < SMALL_BYTES) return SETTINGS.small
    return this.#isHard ? HARD : SETTINGS[lookAt(content)]
  }
}

const counts = new Uint16Array(256)

/** By how often each kind of byte comes, in runs at even distances. `content` has more bytes than are looked at. */
function lookAt(content: Uint8Array): 'even' | 'usual' | 'dense' {
  counts.fill(0)
  const step = Math.floor((content.length - RUN_BYTES) / (SAMPLES / RUN_BYTES - 1))
  for (let run = 0; run * RUN_BYTES < SAMPLES; run++) {
    for (let at = run * step; at < run * step + RUN_BYTES; at++) {
      const byte = content[at] as number
      counts[byte] = (counts[byte] as number) + 1
    }
  }
  let bits = 0
  for (const count of counts) if (count > 0) bits -= (count / SAMPLES) * Math.log2(count / SAMPLES)
  return bits < EVEN_BITS ? 'even' : bits > DENSE_BITS ? 'dense' : 'usual'
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
