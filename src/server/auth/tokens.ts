/** Secrets that programs and browsers show: 256 random bits, of which only a plain hash is kept. */
import { createHash, createHmac } from 'node:crypto'
import type { Random } from '../../base/random.ts'

/** So that a scanner of published texts knows one when it sees one. */
export const API_TOKEN_PREFIX = 'terp_'
const API_TOKEN = /^Bearer (terp_[A-Za-z0-9_-]{43})$/
const SESSION_TOKEN = /^[A-Za-z0-9_-]{43}$/

export function makeSecret(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('base64url')
}

export function sha256Of(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

export function readBearer(header: string | undefined): string | undefined {
  return API_TOKEN.exec(header ?? '')?.[1]
}

export function isSessionToken(cookie: string | undefined): cookie is string {
  return cookie !== undefined && SESSION_TOKEN.test(cookie)
}

/** Only who has the cookie can make it, and a page of another site has not. It need not be kept. */
export function csrfTokenOf(sessionToken: string): string {
  return createHmac('sha256', sessionToken).update('terp csrf').digest('base64url')
}
