/**
 * AES-256-GCM from one buffer of the caller into another. Node's own cipher makes an object and a buffer for every message; a buffer per chunk is copied once
 * more, and makes the garbage collector look at everything again and again. Where Node's binary does not export the symbols, node:crypto does the same.
 */
import { createCipheriv } from 'node:crypto'
import { invariant } from '../base/errors.ts'
import { bindGcm, type GcmSymbols } from './posix.ts'

export const GCM_TAG_BYTES = 16
const KEY_BYTES = 32
const NONCE_BYTES = 12
/** EVP_CTRL_AEAD_GET_TAG. */
const GET_TAG = 0x10

export interface Gcm {
  /** Ciphertext ‖ tag, into as many bytes. `into` and `content` do not overlap. That no key meets a nonce twice is the caller's to see to. */
  seal(into: Uint8Array, key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, content: Uint8Array): void
}

/** By symbols of the program itself. */
export function symbolGcm(symbols: GcmSymbols): Gcm {
  const context = symbols.createContext()
  const cipher = symbols.aes256()
  invariant(context && cipher, 'OpenSSL has memory, and AES-256-GCM')
  const written = new Uint8Array(4)
  process.once('exit', () => symbols.freeContext(context)) // of a worker thread too
  const must = (answer: number) => invariant(answer === 1, 'OpenSSL encrypts')
  return {
    seal(into, key, nonce, associated, content) {
      checkSizes(into, key, nonce, content)
      must(symbols.begin(context, cipher, null, key, nonce))
      if (associated.length > 0) must(symbols.update(context, null, written, associated, associated.length))
      if (content.length > 0) must(symbols.update(context, into, written, content, content.length))
      const tag = into.subarray(content.length)
      must(symbols.end(context, tag, written))
      must(symbols.control(context, GET_TAG, GCM_TAG_BYTES, tag))
    },
  }
}

/** By node:crypto. */
export const cryptoGcm: Gcm = {
  seal(into, key, nonce, associated, content) {
    checkSizes(into, key, nonce, content)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(associated)
    into.set(cipher.update(content))
    cipher.final()
    into.set(cipher.getAuthTag(), content.length)
  },
}

/** The library takes pointers: it would read and write beyond what is too short. */
function checkSizes(into: Uint8Array, key: Uint8Array, nonce: Uint8Array, content: Uint8Array): void {
  invariant(key.length === KEY_BYTES && nonce.length === NONCE_BYTES, 'a key has 32 bytes and a nonce 12')
  invariant(into.length === content.length + GCM_TAG_BYTES, 'what is sealed has the length of the content and a tag')
}

let made: Gcm | undefined

/** Of this thread. */
export const gcm: Gcm = {
  seal(into, key, nonce, associated, content) {
    if (!made) {
      const symbols = bindGcm('Encrypt')
      made = symbols ? symbolGcm(symbols) : cryptoGcm
    }
    made.seal(into, key, nonce, associated, content)
  },
}
