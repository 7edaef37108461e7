/**
 * BLAKE3, the plain hash of 32 bytes: 128-bit SIMD in WebAssembly, four of its chunks at a time. Where there is no SIMD, a twin in TypeScript does
 * the same, only slower.
 */
import { Blake3Kernel } from './kernel/kernel.ts'
import { ScriptTreeHash } from './script.ts'
import { PIECE_BYTES, Tree, type TreeHash } from './tree.ts'

/** For bytes that come in parts. `digest` is asked once, at the end. */
export interface Hasher {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

export function blake3(bytes: Uint8Array): Buffer {
  return hashWhole(ofThread().hash, bytes)
}

/** The twin, without WebAssembly. */
export function scriptBlake3(bytes: Uint8Array): Buffer {
  return hashWhole(new ScriptTreeHash(), bytes)
}

export function createBlake3(): Hasher {
  return new PartsHasher(ofThread().hash)
}

export function hasBlake3Kernel(): boolean {
  return ofThread().isKernel
}

/** Made when first asked for; it keeps nothing between two calls, so one does for all of a thread. */
let made: { readonly hash: TreeHash; readonly isKernel: boolean } | undefined
function ofThread(): { readonly hash: TreeHash; readonly isKernel: boolean } {
  if (made === undefined) {
    const kernel = Blake3Kernel.load()
    made = { hash: kernel ?? new ScriptTreeHash(), isKernel: kernel !== undefined }
  }
  return made
}

function hashWhole(hash: TreeHash, bytes: Uint8Array): Buffer {
  const tree = new Tree(hash)
  const last = lastPieceOf(bytes)
  for (let at = 0; at < last; at += PIECE_BYTES) tree.add(bytes.subarray(at, at + PIECE_BYTES))
  return tree.finish(bytes.subarray(last))
}

/** Where the last piece begins, which has a byte at least if there are any. */
function lastPieceOf(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : bytes.length - 1 - ((bytes.length - 1) % PIECE_BYTES)
}

/** Holds bytes back until it knows that they are not the last piece. */
class PartsHasher implements Hasher {
  readonly #tree: Tree
  readonly #held = new Uint8Array(PIECE_BYTES)
  #heldBytes = 0

  constructor(hash: TreeHash) {
    this.#tree = new Tree(hash)
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
