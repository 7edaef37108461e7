/**
 * Ed25519 signatures on requests and on credentials files, and the keys for them. A request's signature covers the method, the path with its
 * query, the time, the SHA-256 of the body, and who asks. It does not cover `Range`: what may be read in part may be read in whole.
 * A request that is repeated within the window does nothing new, since there is only put-if-absent and reading.
 */
import type { KeyObject } from 'node:crypto'
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { toTimestamp } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import type { Random } from '../base/random.ts'
import type { Credentials, UnsignedCredentials } from './credentials.ts'
import { credentialsText } from './credentials.ts'
import { vaultHeaders } from './vault-api.ts'

/** Who asks, while the server that is being registered has no id yet. */
export const UNREGISTERED = 'unregistered'

/** RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS 8. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

export function makeSigningKey(random: Random): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, random.bytes(32)]), format: 'der', type: 'pkcs8' })
}

/** PEM, or PKCS 8 in base64 as in the pool's configuration. */
export function readSigningKey(text: string): KeyObject {
  if (text.includes('-----BEGIN')) return createPrivateKey(text)
  return createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' })
}

export function privateKeyText(key: KeyObject): string {
  return key.export({ format: 'der', type: 'pkcs8' }).toString('base64')
}

export function publicKeyText(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).toString('base64')
}

/** Undefined unless it is an Ed25519 key. */
export function readPublicKey(text: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ed25519' ? key : undefined
  } catch {
    // Whatever is wrong with it, it is not a key; the text comes from outside.
    return undefined
  }
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export interface SignedRequest {
  readonly method: string
  /** Path and query, exactly as they are sent. */
  readonly target: string
  readonly time: string
  readonly contentSha256: string
  readonly serverId: string
}

function requestText(request: SignedRequest): Buffer {
  const { method, target, time, contentSha256, serverId } = request
  return Buffer.from(['terp/1/request', method, target, time, contentSha256, serverId].join('\n'))
}

export function verifyRequest(request: SignedRequest, signature: string, publicKey: KeyObject): boolean {
  return verify(null, requestText(request), publicKey, Buffer.from(signature, 'base64'))
}

export interface RequestToSign {
  readonly method: string
  readonly target: string
  readonly body: Uint8Array
  readonly serverId: string
  readonly privateKey: KeyObject
}

/** The headers that prove who asks, as of now. */
export function signedHeaders(op: Operation, { method, target, body, serverId, privateKey }: RequestToSign): Record<string, string> {
  const time = toTimestamp(op.clock.nowMs())
  const contentSha256 = sha256Hex(body)
  const signature = sign(null, requestText({ method, target, time, contentSha256, serverId }), privateKey).toString('base64')
  return {
    [vaultHeaders.server]: serverId,
    [vaultHeaders.time]: time,
    [vaultHeaders.contentSha256]: contentSha256,
    [vaultHeaders.signature]: signature,
  }
}

export function signCredentials(unsigned: UnsignedCredentials, vaultKey: KeyObject): Credentials {
  return { ...unsigned, signature: sign(null, Buffer.from(credentialsText(unsigned)), vaultKey).toString('base64') }
}

/** Whether the file is as the holder of `vaultPublicKey` signed it; whether that is the right vault, only the vault can tell. */
export function verifyCredentials(credentials: Credentials, vaultPublicKey: string = credentials.vaultPublicKey): boolean {
  const key = readPublicKey(vaultPublicKey)
  if (!key || credentials.vaultPublicKey !== vaultPublicKey) return false
  return verify(null, Buffer.from(credentialsText(credentials)), key, Buffer.from(credentials.signature, 'base64'))
}
