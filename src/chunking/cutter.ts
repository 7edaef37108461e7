/**
 * Cuts where the content says so: equal bytes give equal chunks wherever they sit in a stream (docs/format.md §7). The rule that says where is
 * keyed, so sizes of chunks tell nothing about content to someone without the key.
 *
 * The rules run as WebAssembly; where that has no SIMD, their twins in TypeScript find the same cuts, only slower.
 */
import { invariant } from '../base/errors.ts'
import { gear32InKernel, gear32InScript } from './gear32.ts'
import { Kernel } from './kernel/kernel.ts'
import { type ChunkingParameters, CUTTER_KEY_BYTES } from './parameters.ts'
import { type KernelSearch, type Search, WINDOW_BYTES } from './search.ts'
import { sieveInKernel, sieveInScript } from './sieve.ts'

export interface Cutter {
  /**
   * End of the chunk that begins at `start`: the first cut point, else `start + maxBytes`, else `end`.
   * The answer `end` is a cut point only if the stream ends there or the chunk reached its maximum.
   */
  findCut(bytes: Uint8Array, start: number, end: number): number
  /**
   * Whether a chunk that begins at `start` ends at `end` although bytes follow, if it has not ended before. Only the last bytes before `end` are
   * looked at: for content that is known to have been one chunk.
   */
  endsAt(bytes: Uint8Array, start: number, end: number): boolean
  /**
   * A buffer of zeros that is cut where it lies; any other has to be copied, window by window. It lives as long as the cutter, does not change its
   * size, and cannot be transferred to another thread. All buffers of a cutter together have at most 64 MiB.
   */
  allocate(bytes: number): Buffer
}

/** What lies outside the kernel's memory is copied into it in pieces of this size. */
const PIECE_BYTES = 65_536

/** `key` has `CUTTER_KEY_BYTES` of the algorithm. */
export function createCutter(parameters: ChunkingParameters, key: Uint8Array): Cutter {
  const kernel = Kernel.load()
  if (!kernel) return createScriptCutter(parameters, key)
  check(parameters, key)
  const search = parameters.algorithm === 'sieve' ? sieveInKernel(kernel, parameters, key) : gear32InKernel(kernel, key)
  return { ...normalised(parameters, anywhere(kernel, search)), allocate: (bytes) => kernel.allocate(bytes) }
}

/** The twin: the same cuts without WebAssembly. */
export function createScriptCutter(parameters: ChunkingParameters, key: Uint8Array): Cutter {
  check(parameters, key)
  const search = parameters.algorithm === 'sieve' ? sieveInScript(parameters, key) : gear32InScript(key)
  return { ...normalised(parameters, search), allocate: (bytes) => Buffer.alloc(bytes) }
}

function check({ algorithm, minBytes, targetBytes }: ChunkingParameters, key: Uint8Array): void {
  invariant(key.length === CUTTER_KEY_BYTES[algorithm], 'the key is one of the algorithm')
  invariant(minBytes >= 2 * WINDOW_BYTES, 'what decides about a cut lies in the chunk')
  invariant(targetBytes >= 256 && Number.isInteger(Math.log2(targetBytes)), 'the target is a power of two')
}

/** Cuts are rarer before the target and more frequent after it, so that sizes keep near to it. */
function normalised({ minBytes, targetBytes, maxBytes }: ChunkingParameters, search: Search): Pick<Cutter, 'findCut' | 'endsAt'> {
  const bits = Math.log2(targetBytes)
  return {
    findCut(bytes, start, end) {
      const limit = Math.min(end, start + maxBytes)
      const from = start + minBytes
      if (limit <= from) return limit
      const target = Math.min(limit, start + targetBytes)
      return search(bytes, from, target, bits + 2) || search(bytes, Math.max(from, target), limit, bits - 2) || limit
    },
    endsAt(bytes, start, end) {
      const length = end - start
      if (length < minBytes || length >= maxBytes) return length === maxBytes
      return search(bytes, end, end + 1, length < targetBytes ? bits + 2 : bits - 2) === end
    },
  }
}

function anywhere(kernel: Kernel, search: KernelSearch): Search {
  const piece = kernel.allocate(WINDOW_BYTES + PIECE_BYTES)
  const first = piece.byteOffset + WINDOW_BYTES
  return (bytes, from, to, zeroBits) => {
    if (kernel.holds(bytes)) {
      const base = bytes.byteOffset
      const found = search(base + from, base + to, zeroBits)
      return found && found - base
    }
    for (let at = from; at < to; at += PIECE_BYTES) {
      const until = Math.min(to, at + PIECE_BYTES)
      piece.set(bytes.subarray(at - WINDOW_BYTES, until))
      const found = search(first, first + until - at, zeroBits)
      if (found) return found - first + at
    }
    return 0
  }
}
