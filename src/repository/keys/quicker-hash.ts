/** Which hash a new pool on this machine begins with: the faster one, by what the processor has and not by a measurement of the moment. */
import { type Blake3Way, blake3Way } from '../../hashing/index.ts'
import { hasShaInstructions } from '../../platform/index.ts'
import type { HashName } from './hierarchy.ts'

export function poolHash(): HashName {
  return fasterHash(blake3Way(), hasShaInstructions(), process.arch)
}

/** Compiled BLAKE3 uses vectors of 256 or 512 bits on x64, and passes even the instructions for SHA-256 there. */
export function fasterHash(way: Blake3Way, hasSha: boolean, processor: string): HashName {
  if (way === 'native' && processor === 'x64') return 'blake3'
  return hasSha || way === 'script' ? 'sha256' : 'blake3'
}
