/**
 * The rule `gear32` (docs/format.md §7), that of pools of version 1: each step shifts the hash by one bit, so the last 32 bytes decide.
 */
import type { Kernel } from './kernel/kernel.ts'
import { type KernelSearch, type Search, WINDOW_BYTES } from './search.ts'

export function gear32InKernel(kernel: Kernel, key: Uint8Array): KernelSearch {
  const { search } = kernel
  const table = kernel.allocate(key.length)
  table.set(key)
  return (from, to, zeroBits) => search.gear32(table.byteOffset, from - WINDOW_BYTES, from, to, 2 ** (32 - zeroBits))
}

export function gear32InScript(key: Uint8Array): Search {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  const gear = Int32Array.from({ length: 256 }, (_, i) => view.getInt32(i * 4, true))
  return (bytes, from, to, zeroBits) => {
    // The upper bits are zero exactly when the unsigned hash is below this.
    const below = 2 ** (32 - zeroBits)
    let hash = 0
    let at = from - WINDOW_BYTES
    for (; at < from - 1; at++) hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    for (; at < to - 1; at++) {
      hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
      if (hash >>> 0 < below) return at + 1
    }
    return 0
  }
}
