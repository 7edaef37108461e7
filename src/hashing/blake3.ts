/**
 * BLAKE3, the plain hash of 32 bytes: 128-bit SIMD in WebAssembly, four of its chunks at a time. Where there is no SIMD, @noble/hashes does the same,
 * only slower.
 */
import { blake3 as scriptBlake3 } from '@noble/hashes/blake3.js'
import { Blake3Kernel, PIECE_BYTES } from './kernel/kernel.ts'

/** For bytes that come in parts. `digest` is asked once, at the end. */
export interface Hasher {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

export function blake3(bytes: Uint8Array): Buffer {
  const kernel = kernelOfThread()
  if (!kernel) return Buffer.from(scriptBlake3(bytes))
  if (bytes.length <= PIECE_BYTES) return kernel.ofPiece(bytes, 0, true)
  const tree = new Tree(kernel)
  const last = lastPieceOf(bytes)
  for (let at = 0; at < last; at += PIECE_BYTES) tree.add(bytes.subarray(at, at + PIECE_BYTES))
  return tree.finish(bytes.subarray(last))
}

export function createBlake3(): Hasher {
  const kernel = kernelOfThread()
  return kernel ? new KernelHasher(kernel) : createScriptBlake3()
}

/** The twin, without WebAssembly. */
export function createScriptBlake3(): Hasher {
  const hasher = scriptBlake3.create({})
  return { update: (bytes) => void hasher.update(bytes), digest: () => Buffer.from(hasher.digest()) }
}

export function hasBlake3Kernel(): boolean {
  return kernelOfThread() !== undefined
}

/** Loaded when first asked for; it keeps nothing between two calls, so one does for all of a thread. */
let loaded: { readonly kernel: Blake3Kernel | undefined } | undefined
function kernelOfThread(): Blake3Kernel | undefined {
  loaded ??= { kernel: Blake3Kernel.load() }
  return loaded.kernel
}

/** Where the last piece begins, which has a byte at least if there are any. */
function lastPieceOf(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : bytes.length - 1 - ((bytes.length - 1) % PIECE_BYTES)
}

/** The chaining values of complete subtrees, largest first: as many as the number of pieces has ones in binary. The root waits for the last piece. */
class Tree {
  readonly #kernel: Blake3Kernel
  readonly #subtrees: Buffer[] = []
  #pieces = 0

  constructor(kernel: Blake3Kernel) {
    this.#kernel = kernel
  }

  /** A whole piece that is not the last. */
  add(piece: Uint8Array): void {
    let value = this.#kernel.ofPiece(piece, this.#pieces, false)
    this.#pieces++
    for (let subtrees = this.#pieces; subtrees % 2 === 0; subtrees /= 2) {
      const left = this.#subtrees.pop()
      if (left) value = this.#kernel.ofParent(left, value, false)
    }
    this.#subtrees.push(value)
  }

  finish(piece: Uint8Array): Buffer {
    let value = this.#kernel.ofPiece(piece, this.#pieces, this.#subtrees.length === 0)
    for (let left = this.#subtrees.pop(); left; left = this.#subtrees.pop()) {
      value = this.#kernel.ofParent(left, value, this.#subtrees.length === 0)
    }
    return value
  }
}

/** Holds bytes back until it knows that they are not the last piece. */
class KernelHasher implements Hasher {
  readonly #tree: Tree
  readonly #held = new Uint8Array(PIECE_BYTES)
  #heldBytes = 0

  constructor(kernel: Blake3Kernel) {
    this.#tree = new Tree(kernel)
  }

  update(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#heldBytes === PIECE_BYTES) {
        this.#tree.add(this.#held)
        this.#heldBytes = 0
      }
      const part = bytes.subarray(at, at + PIECE_BYTES - this.#heldBytes)
      this.#held.set(part, this.#heldBytes)
      this.#heldBytes += part.length
      at += part.length
    }
  }

  digest(): Buffer {
    return this.#tree.finish(this.#held.subarray(0, this.#heldBytes))
  }
}
