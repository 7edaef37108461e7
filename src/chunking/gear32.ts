/**
 * Cuts where the content says so: equal bytes give equal chunks wherever they sit in a stream (docs/format.md §7).
 * Only the last 32 bytes decide, since each step shifts the hash by one bit; the table is keyed, so sizes of chunks
 * tell nothing about content to someone without the key.
 */
import type { ChunkingParameters } from './parameters.ts'

export interface Cutter {
  /**
   * End of the chunk that begins at `start`: the first cut point, else `start + maxBytes`, else `end`.
   * The answer `end` is a cut point only if the stream ends there or the chunk reached its maximum.
   */
  findCut(bytes: Uint8Array, start: number, end: number): number
}

/** `table` holds 256 u32 of the repository's key. */
export function gear32(parameters: ChunkingParameters, table: Uint32Array): Cutter {
  const { minBytes, targetBytes, maxBytes } = parameters
  const gear = new Int32Array(table)
  const bits = Math.log2(targetBytes)
  // The upper bits are zero exactly when the unsigned hash is below 2^(32 - bits).
  const strict = 2 ** (32 - bits - 2)
  const lenient = 2 ** (32 - bits + 2)
  return {
    findCut(bytes, start, end) {
      const limit = Math.min(end, start + maxBytes)
      if (limit - start <= minBytes) return limit
      const target = Math.min(limit, start + targetBytes)
      let hash = 0
      let at = start + Math.max(0, minBytes - 64)
      for (const warm = start + minBytes - 1; at < warm; at++) hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
      // From here on, at + 1 - start >= minBytes: a chunk may end after this byte.
      for (; at < target - 1; at++) {
        hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
        if (hash >>> 0 < strict) return at + 1
      }
      for (; at < limit; at++) {
        hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
        if (hash >>> 0 < lenient) return at + 1
      }
      return limit
    },
  }
}
