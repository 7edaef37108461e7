/** The only source of randomness. Tests take a seeded one; keys and salts of real data come from `systemRandom`. */
import { createHash, randomFillSync } from 'node:crypto'

export interface Random {
  bytes(length: number): Uint8Array
}

export function systemRandom(): Random {
  return { bytes: (length) => randomFillSync(new Uint8Array(length)) }
}

/** A repeatable stream: SHA-256 in counter mode. For tests only; never for keys of real data. */
export function seededRandom(seed: string): Random {
  let counter = 0
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at += 32) {
        const block = createHash('sha256').update(`${seed}/${counter++}`).digest()
        out.set(block.subarray(0, Math.min(32, length - at)), at)
      }
      return out
    },
  }
}

export function randomHex(random: Random, lengthBytes: number): string {
  return Buffer.from(random.bytes(lengthBytes)).toString('hex')
}
