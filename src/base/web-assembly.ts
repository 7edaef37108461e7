/** Kernels in WebAssembly. What is used of it is declared here: the types of Node leave it out. */

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

export const WEB_ASSEMBLY_PAGE_BYTES = 65_536

/** Whoever loads a kernel knows what it exports. Its memory never grows: that would take the views of it away. */
export interface LoadedKernel {
  readonly memory: ArrayBuffer
  readonly exports: unknown
}

/** Undefined where the processor or the runtime lacks what the kernel needs, such as SIMD. */
export function loadKernel(base64: string, memoryBytes: number): LoadedKernel | undefined {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  if (!WebAssembly.validate(bytes)) return undefined
  const pages = Math.ceil(memoryBytes / WEB_ASSEMBLY_PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  return { memory: memory.buffer, exports: new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports }
}
