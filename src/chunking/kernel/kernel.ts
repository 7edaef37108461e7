/**
 * The search for cuts as WebAssembly (assembly/, compiled into kernel-bytes.ts), in a memory of its own whose size never changes: growing it would
 * take the views of it away. Buffers that are allocated here are searched where they lie.
 */
import { invariant } from '../../base/errors.ts'
import { KERNEL_BASE64 } from './kernel-bytes.ts'

/** What is used of WebAssembly: the types of Node leave it out. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number })
    readonly buffer: ArrayBuffer
  }
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module, imports: { env: { memory: Memory } })
    readonly exports: unknown
  }
  function validate(bytes: Uint8Array): boolean
}

/** All addresses are in the kernel's memory; the answer is the first position from `from` on and before `to` that ends a chunk, else 0. */
export interface KernelSearches {
  gear32(key: number, start: number, from: number, to: number, below: number): number
  sieve(key: number, from: number, to: number, sumMask: number, hashMask: number): number
}

/** A kernel's buffers together have at most this many bytes. What is not touched costs no memory. */
export const KERNEL_BUFFERS_BYTES = 67_108_864

const PAGE_BYTES = 65_536
/** A buffer begins on a line of the processor's cache. */
const ALIGN_BYTES = 64
/** The searches look a little past the end of what they were given, and address 0 stands for nothing. */
const MARGIN_BYTES = ALIGN_BYTES
/** For the kernel's own buffers: its key, and windows of what lies elsewhere. */
const OWN_BYTES = 4 * PAGE_BYTES

export class Kernel {
  readonly search: KernelSearches
  readonly #memory: ArrayBuffer
  #free = MARGIN_BYTES

  /** Undefined where the processor or the runtime has no SIMD for WebAssembly. */
  static load(): Kernel | undefined {
    const bytes = Uint8Array.from(atob(KERNEL_BASE64), (character) => character.charCodeAt(0))
    return WebAssembly.validate(bytes) ? new Kernel(new WebAssembly.Module(bytes)) : undefined
  }

  private constructor(module: WebAssembly.Module) {
    const pages = (KERNEL_BUFFERS_BYTES + OWN_BYTES) / PAGE_BYTES
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#memory = memory.buffer
    this.search = new WebAssembly.Instance(module, { env: { memory } }).exports as KernelSearches
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
