/**
 * AES-256-GCM between buffers that the caller owns. Node's own decipher makes a buffer for every call; that many megabytes a second keep the garbage
 * collector busier than the cipher. Where Node's binary does not export OpenSSL's symbols, node:crypto does the same with a copy.
 */
import { createDecipheriv } from 'node:crypto'
import { bindGcm, type GcmSymbols } from './posix.ts'

export interface Sealed {
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly associated: Uint8Array
  readonly body: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
}

/**
 * False when the tag is wrong; then `into` holds nothing that counts. `into` has the length of the body, and is either the body's own memory or other
 * memory than it.
 */
export type Decipher = (into: Uint8Array, sealed: Sealed) => boolean

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SET_TAG = 0x11
const NOTHING = new Uint8Array(1)

/** By symbols of the program itself; undefined when they do not do what they say. */
export function symbolDecipher(symbols: GcmSymbols): Decipher | undefined {
  const context = symbols.createContext()
  // Of a worker thread too: its context would outlive it.
  process.once('exit', () => symbols.freeContext(context))
  const written = new Uint8Array(4)
  if (!context || symbols.begin(context, symbols.aes256(), null, null, null) !== 1) return undefined
  return (into, { key, nonce, associated, body, tag }) => {
    // By their addresses alone OpenSSL would read past the end of anything shorter.
    if (into.length !== body.length || key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return false
    return (
      symbols.begin(context, null, null, key, nonce) === 1 &&
      symbols.control(context, SET_TAG, tag.length, tag) === 1 &&
      symbols.update(context, null, written, associated, associated.length) === 1 &&
      (body.length === 0 || symbols.update(context, into, written, body, body.length) === 1) &&
      symbols.end(context, NOTHING, written) === 1
    )
  }
}

export const cryptoDecipher: Decipher = (into, { key, nonce, associated, body, tag }) => {
  if (into.length !== body.length || tag.length !== TAG_BYTES) return false
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated)
  decipher.setAuthTag(tag)
  const plain = decipher.update(body)
  try {
    decipher.final()
  } catch {
    return false // the only failure of final() is a wrong tag
  }
  into.set(plain)
  return true
}

let ours: Decipher | undefined

/** Of this thread. */
export const decipher: Decipher = (into, sealed) => {
  if (!ours) {
    const symbols = bindGcm('Decrypt')
    ours = (symbols && symbolDecipher(symbols)) ?? cryptoDecipher
  }
  return ours(into, sealed)
}
