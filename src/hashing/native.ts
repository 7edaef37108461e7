/**
 * BLAKE3 of the processor's widest vectors, in a package that carries it compiled. It is there on the usual machines and optional on all: where it
 * can't be loaded the kernel does the same, at a quarter of the speed.
 */
import { createRequire } from 'node:module'

/** What is used of the package. */
export interface NativeBlake3 {
  blake3(bytes: Uint8Array): Buffer
  readonly Blake3Hasher: new () => NativeHasher
}

interface NativeHasher {
  update(bytes: Uint8Array): unknown
  digestBuffer(): Buffer
}

/** BLAKE3 of no bytes: what is loaded is asked once whether it is what it says. */
const OF_NOTHING = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'

/** Undefined where the package has nothing for this machine, or something else. */
export function loadNative(): NativeBlake3 | undefined {
  try {
    const native = createRequire(import.meta.url)('@napi-rs/blake-hash') as NativeBlake3
    return native.blake3(new Uint8Array(0)).toString('hex') === OF_NOTHING ? native : undefined
  } catch {
    return undefined // an optional dependency
  }
}

export function nativeHasher(native: NativeBlake3): { update(bytes: Uint8Array): void; digest(): Buffer } {
  const hasher = new native.Blake3Hasher()
  return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digestBuffer() }
}
