/**
 * BLAKE3, the plain hash of 32 bytes: by a compiled package where there is one for the machine, else by 128-bit SIMD in WebAssembly, four of its
 * chunks at a time. Where there is no SIMD either, a twin in TypeScript does the same, only slower.
 */
import { Blake3Kernel } from './kernel/kernel.ts'
import { loadNative, type NativeBlake3, nativeHasher } from './native.ts'
import { ScriptTreeHash } from './script.ts'
import { PIECE_BYTES, Tree, type TreeHash } from './tree.ts'

/** For bytes that come in parts. `digest` is asked once, at the end. */
export interface Hasher {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

export type Blake3Way = 'native' | 'kernel' | 'script'

export function blake3(bytes: Uint8Array): Buffer {
  const { native, hash } = ofThread()
  return native ? native.blake3(bytes) : hashWhole(hash, bytes)
}

export function createBlake3(): Hasher {
  const { native, hash } = ofThread()
  return native ? nativeHasher(native) : new PartsHasher(hash)
}

/** Each in the way that it is told, and not in the fastest; undefined where this machine has no such way. */
export function blake3By(way: Blake3Way): { readonly hash: (bytes: Uint8Array) => Buffer; readonly create: () => Hasher } | undefined {
  if (way === 'native') {
    const native = loadNative()
    return native && { hash: (bytes) => native.blake3(bytes), create: () => nativeHasher(native) }
  }
  const hash = way === 'kernel' ? Blake3Kernel.load() : new ScriptTreeHash()
  return hash && { hash: (bytes) => hashWhole(hash, bytes), create: () => new PartsHasher(hash) }
}

/** The fastest that this machine has. */
export function blake3Way(): Blake3Way {
  return ofThread().way
}

type OfThread = { readonly way: 'native'; readonly native: NativeBlake3; readonly hash?: never } | Scripted
interface Scripted {
  readonly way: 'kernel' | 'script'
  readonly native?: never
  readonly hash: TreeHash
}

/** Made when first asked for; it keeps nothing between two calls, so one does for all of a thread. */
let made: OfThread | undefined
function ofThread(): OfThread {
  made ??= fastest()
  return made
}

function fastest(): OfThread {
  const native = loadNative()
  if (native) return { way: 'native', native }
  const kernel = Blake3Kernel.load()
  return kernel ? { way: 'kernel', hash: kernel } : { way: 'script', hash: new ScriptTreeHash() }
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
