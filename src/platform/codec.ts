/**
 * Zstandard between buffers that the caller owns. Node's own zlib makes a stream, a context and new buffers for every call; here a context a thread and no
 * buffer at all is made, which is half again as fast for compressing and twice for decompressing. Where Node's binary does not export the symbols,
 * node:zlib does the same with copies.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { bindZstd, type ZstdSymbols } from './posix.ts'

export interface Codec {
  /** One frame. How many bytes were written; -1 when they do not fit. */
  compress(into: Uint8Array, content: Uint8Array, level: number): number
  /** How many bytes were written; -1 when it is no whole frame, or holds more than fits. */
  decompress(into: Uint8Array, stored: Uint8Array): number
}

/** By symbols of the program itself. */
export function symbolCodec(symbols: ZstdSymbols): Codec {
  const compressor = symbols.createCompressor()
  const decompressor = symbols.createDecompressor()
  // Of a worker thread too: its contexts would outlive it.
  process.once('exit', () => {
    symbols.freeCompressor(compressor)
    symbols.freeDecompressor(decompressor)
  })
  const written = (size: number | bigint, room: number) => (typeof size === 'number' && size <= room ? size : -1)
  return {
    compress: (into, content, level) =>
      written(symbols.compress(compressor, into, into.length, content, content.length, level), into.length),
    decompress: (into, stored) => written(symbols.decompress(decompressor, into, into.length, stored, stored.length), into.length),
  }
}

/** By node:zlib. `chunkSize` makes it give one buffer instead of many small ones. */
export const zlibCodec: Codec = {
  compress(into, content, level) {
    const packed = zstdCompressSync(content, {
      chunkSize: Math.max(1024, content.length + 1024),
      params: { [constants.ZSTD_c_compressionLevel]: level },
    })
    return place(into, packed)
  },
  decompress(into, stored) {
    try {
      return place(into, zstdDecompressSync(stored, { chunkSize: Math.max(1024, into.length), maxOutputLength: Math.max(1, into.length) }))
    } catch {
      return -1 // every failure of zstd here means: not what was compressed
    }
  },
}

function place(into: Uint8Array, bytes: Uint8Array): number {
  if (bytes.length > into.length) return -1
  into.set(bytes)
  return bytes.length
}

let codec: Codec | undefined

/** Of this thread. */
export const zstd: Codec = {
  compress: (into, content, level) => ours().compress(into, content, level),
  decompress: (into, stored) => ours().decompress(into, stored),
}

function ours(): Codec {
  if (!codec) {
    const symbols = bindZstd()
    codec = symbols ? symbolCodec(symbols) : zlibCodec
  }
  return codec
}
