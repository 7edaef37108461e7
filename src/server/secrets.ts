/**
 * Small secrets, sealed: AES-256-GCM under a key that lies beside the catalog and not in it, so a copy of the catalog alone gives none of them away.
 * `context` says what a secret is for: sealed for one purpose, it can not be opened for another.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import type { Random } from '../base/random.ts'
import { serverError } from './errors.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

export class Sealer {
  readonly #key: Uint8Array
  readonly #random: Random

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array, random: Random) {
    this.#key = key
    this.#random = random
  }

  /** Nonces are random: with some thousands of secrets in the life of a server, far from the bound of 2^32. */
  seal(secret: Uint8Array, context: string): Uint8Array {
    const nonce = this.#random.bytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context))
    return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  }

  /** A hash that can not be searched for what was hashed without the key: for secrets that are short. */
  hash(secret: string, context: string): string {
    return createHmac('sha256', this.#key).update(`${context}\n${secret}`).digest('hex')
  }

  /** SERVER_SECRET_UNREADABLE when it was sealed under another key, for another purpose, or was changed. */
  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed)
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    } catch (cause) {
      throw serverError('SERVER_SECRET_UNREADABLE', `a secret (${context.split(':')[0]}) can not be opened`, { cause })
    }
  }
}
