/** AES-256-GCM as docs/format.md §3 uses it. Nonces are counters: every key encrypts one object. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { decipher } from '../../platform/index.ts'
import { keyObject } from '../keys/key-object.ts'

export const TAG_BYTES = 16
const NONCE_BYTES = 12

/** `counter` as a 96-bit little-endian integer. */
export function nonceOf(counter: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUInt32LE(counter, 0)
  return nonce
}

/** Ciphertext ‖ tag. */
export function seal(key: Uint8Array, counter: number, associated: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', keyObject(key), nonceOf(counter))
  cipher.setAAD(associated)
  const body = cipher.update(plain)
  cipher.final()
  return Buffer.concat([body, cipher.getAuthTag()])
}

/** Undefined when the tag is wrong: damaged, or not what it claims to be. */
export function unseal(key: Uint8Array, counter: number, associated: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', keyObject(key), nonceOf(counter), { authTagLength: TAG_BYTES })
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES))
  try {
    decipher.final()
  } catch {
    return undefined // the only failure of final() is a wrong tag
  }
  return plain
}

/** The same into memory of the caller's, as long as the plaintext: the ciphertext's own, or other memory. False when the tag is wrong; then it holds nothing that counts. */
export function unsealInto(into: Uint8Array, key: Uint8Array, counter: number, associated: Uint8Array, sealed: Uint8Array): boolean {
  const end = sealed.length - TAG_BYTES
  if (end !== into.length) return false
  return decipher(into, { key, nonce: nonceOf(counter), associated, body: sealed.subarray(0, end), tag: sealed.subarray(end) })
}
