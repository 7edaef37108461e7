/**
 * The rule `sieve` (docs/format.md §7): a keyed sum of the last 32 bytes, made for SIMD, lets about one position in 2^⌊t / 2⌋ through; there a
 * keyed hash of the same bytes decides. Zeros never get through.
 */
import type { Kernel } from './kernel/kernel.ts'
import type { ChunkingParameters } from './parameters.ts'
import { type KernelSearch, type Search, WINDOW_BYTES } from './search.ts'
import { sipHash, sipHashStart } from './siphash.ts'

interface SieveKey {
  readonly hashStart: Int32Array
  /** Of pairs of bytes as u16, in turn; then of what is 4, 8 and 16 bytes older. */
  readonly factors: readonly [k0: number, k1: number, c4: number, c8: number, c16: number]
  readonly summand: number
}

/** `key` has 32 bytes. */
function sieveKey(key: Uint8Array): SieveKey {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  const factors = [16, 18, 20, 22, 24].map((at) => view.getUint16(at, true) | 1) as [number, number, number, number, number]
  return { hashStart: sipHashStart(view), factors, summand: view.getUint16(26, true) | 0x8000 }
}

function masks({ targetBytes }: ChunkingParameters): { sumMask: number; hashMaskOf: (zeroBits: number) => number } {
  const sumBits = Math.log2(targetBytes) >>> 1
  return { sumMask: (0xffff << (16 - sumBits)) & 0xffff, hashMaskOf: (zeroBits) => 2 ** (zeroBits - sumBits) - 1 }
}

export function sieveInKernel(kernel: Kernel, parameters: ChunkingParameters, bytes: Uint8Array): KernelSearch {
  const { hashStart, factors, summand } = sieveKey(bytes)
  const { sumMask, hashMaskOf } = masks(parameters)
  const { search } = kernel
  const key = kernel.allocate(44)
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  for (const [i, half] of hashStart.entries()) view.setInt32(i * 4, half, true)
  for (const [i, number] of [...factors, summand].entries()) view.setUint16(32 + i * 2, number, true)
  return (from, to, zeroBits) => search.sieve(key.byteOffset, from, to, sumMask, hashMaskOf(zeroBits))
}

export function sieveInScript(parameters: ChunkingParameters, bytes: Uint8Array): Search {
  const key = sieveKey(bytes)
  const { sumMask, hashMaskOf } = masks(parameters)
  return (content, from, to, zeroBits) => {
    const hashMask = hashMaskOf(zeroBits)
    for (let n = from; ; n++) {
      n = findSmallSum(key, content, n, to, sumMask)
      if (n === 0 || (sipHash(key.hashStart, content, n - WINDOW_BYTES) & hashMask) === 0) return n
    }
  }
}

/** The first n from `from` on and before `to` where the masked bits of the sum are zero, 0 if there is none. */
function findSmallSum({ factors, summand }: SieveKey, content: Uint8Array, from: number, to: number, sumMask: number): number {
  const [k0, k1, c4, c8, c16] = factors
  // Sums of the last 4, 8 and 16 bytes at the positions before; whole once a window has passed.
  const sums4 = new Int32Array(WINDOW_BYTES)
  const sums8 = new Int32Array(WINDOW_BYTES)
  const sums16 = new Int32Array(WINDOW_BYTES)
  for (let n = from - WINDOW_BYTES + 4; n < to; n++) {
    const sum4 = (Math.imul(k0, pair(content, n - 4)) + Math.imul(k1, pair(content, n - 2))) | 0
    const sum8 = (sum4 + Math.imul(c4, sums4[(n - 4) & 31] as number)) | 0
    const sum16 = (sum8 + Math.imul(c8, sums8[(n - 8) & 31] as number)) | 0
    const sum32 = sum16 + Math.imul(c16, sums16[(n - 16) & 31] as number) + summand
    if ((sum32 & sumMask) === 0 && n >= from) return n
    sums4[n & 31] = sum4
    sums8[n & 31] = sum8
    sums16[n & 31] = sum16
  }
  return 0
}

function pair(content: Uint8Array, at: number): number {
  return (content[at] as number) | ((content[at + 1] as number) << 8)
}
