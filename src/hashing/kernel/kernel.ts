/** BLAKE3 of pieces of 64 KiB as WebAssembly (assembly/, compiled into kernel-bytes.ts). Between two calls it keeps nothing that matters. */
import { invariant } from '../../base/errors.ts'
import { loadKernel } from '../../base/web-assembly.ts'
import { PIECE_BYTES, type TreeHash } from '../tree.ts'
import { KERNEL_BASE64 } from './kernel-bytes.ts'

/** assembly/blake3.ts says what they do. */
interface KernelExports {
  readonly PIECE: { readonly value: number }
  readonly VALUES: { readonly value: number }
  hashPiece(bytes: number, piece: number, isRoot: boolean): void
  hashValues(count: number, isRoot: boolean): void
}

const VALUE_BYTES = 32
const MEMORY_BYTES = 131_072

export class Blake3Kernel implements TreeHash {
  readonly #exports: KernelExports
  readonly #piece: Uint8Array
  readonly #values: Uint8Array

  /** Undefined where the processor or the runtime has no SIMD for WebAssembly. */
  static load(): Blake3Kernel | undefined {
    const loaded = loadKernel(KERNEL_BASE64, MEMORY_BYTES)
    return loaded && new Blake3Kernel(loaded.memory, loaded.exports as KernelExports)
  }

  private constructor(memory: ArrayBuffer, exports: KernelExports) {
    this.#exports = exports
    this.#piece = new Uint8Array(memory, exports.PIECE.value, PIECE_BYTES)
    this.#values = new Uint8Array(memory, exports.VALUES.value, 2 * VALUE_BYTES)
  }

  ofPiece(bytes: Uint8Array, number: number, isRoot: boolean): Buffer {
    invariant(number < 2 ** 32, 'a piece has a number of 32 bits')
    this.#piece.set(bytes)
    this.#exports.hashPiece(bytes.length, number, isRoot)
    return this.#value()
  }

  ofParent(left: Uint8Array, right: Uint8Array, isRoot: boolean): Buffer {
    this.#values.set(left)
    this.#values.set(right, VALUE_BYTES)
    this.#exports.hashValues(2, isRoot)
    return this.#value()
  }

  #value(): Buffer {
    return Buffer.from(this.#values.subarray(0, VALUE_BYTES))
  }
}
