/**
 * Zstandard with a check: what is stored was decompressed and compared first (a compressor's bug must not become data loss).
 * `chunkSize` makes zlib give one buffer instead of many small ones.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { invariant } from '../../base/errors.ts'
import { COMPRESSION, type Compression } from './pack-format.ts'

const LEVEL = 2
/** Content that shrinks by less than this is stored as it is: decompressing it would cost more than the space. */
const WORTH = 0.98

export function compress(content: Uint8Array): { compression: Compression; stored: Uint8Array } {
  if (content.length < 64) return { compression: COMPRESSION.none, stored: content }
  const packed = zstdCompressSync(content, {
    chunkSize: Math.max(1024, content.length + 1024),
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
  })
  if (packed.length > content.length * WORTH) return { compression: COMPRESSION.none, stored: content }
  const back = decompress(packed, content.length)
  invariant(back !== undefined && Buffer.compare(back, content) === 0, 'what was compressed decompresses to itself')
  return { compression: COMPRESSION.zstd, stored: packed }
}

/** Undefined when the bytes are not a frame of exactly that content length. */
export function decompress(packed: Uint8Array, contentBytes: number): Buffer | undefined {
  try {
    const content = zstdDecompressSync(packed, { chunkSize: Math.max(1024, contentBytes), maxOutputLength: Math.max(1, contentBytes) })
    return content.length === contentBytes ? content : undefined
  } catch {
    return undefined // every failure of zstd here means: not what was compressed
  }
}
