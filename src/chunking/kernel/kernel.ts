/**
 * The search for cuts as WebAssembly (assembly/, compiled into kernel-bytes.ts), in a memory of its own whose size never changes: growing it would
 * take the views of it away. Buffers that are allocated here are searched where they lie.
 */
import { invariant } from '../../base/errors.ts'
import { type LoadedKernel, loadKernel, WEB_ASSEMBLY_PAGE_BYTES } from '../../base/web-assembly.ts'
import { KERNEL_BASE64 } from './kernel-bytes.ts'

/** All addresses are in the kernel's memory; the answer is the first position from `from` on and before `to` that ends a chunk, else 0. */
export interface KernelSearches {
  gear32(key: number, start: number, from: number, to: number, below: number): number
  sieve(key: number, from: number, to: number, sumMask: number, hashMask: number): number
}

/** A kernel's buffers together have at most this many bytes. What is not touched costs no memory. */
export const KERNEL_BUFFERS_BYTES = 67_108_864

/** A buffer begins on a line of the processor's cache. */
const ALIGN_BYTES = 64
/** The searches look a little past the end of what they were given, and address 0 stands for nothing. */
const MARGIN_BYTES = ALIGN_BYTES
/** For the kernel's own buffers: its key, and windows of what lies elsewhere. */
const OWN_BYTES = 4 * WEB_ASSEMBLY_PAGE_BYTES

export class Kernel {
  readonly search: KernelSearches
  readonly #memory: ArrayBuffer
  #free = MARGIN_BYTES

  /** Undefined where the processor or the runtime has no SIMD for WebAssembly. */
  static load(): Kernel | undefined {
    const loaded = loadKernel(KERNEL_BASE64, KERNEL_BUFFERS_BYTES + OWN_BYTES)
    return loaded && new Kernel(loaded)
  }

  private constructor({ memory, exports }: LoadedKernel) {
    this.#memory = memory
    this.search = exports as KernelSearches
  }

  /** Zeros. It is never given back while the kernel lives. */
  allocate(bytes: number): Buffer {
    const at = this.#free
    const end = at + Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES
    invariant(end <= this.#memory.byteLength - MARGIN_BYTES, 'the buffers fit into the memory of the kernel')
    this.#free = end
    return Buffer.from(this.#memory, at, bytes)
  }

  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#memory
  }
}
