/**
 * The credentials file of a vault: one JSON object, signed by the vault's key over `credentialsText`. It registers one server, and opens
 * recovery sessions while it lasts. Whoever holds it may read the vault's (encrypted) objects until it expires.
 */
import { z } from 'zod'
import type { TerpError } from '../base/errors.ts'
import { domainCodes, wireError } from './errors.ts'
import { base64Shape, firstIssue, idShape, timestampShape, tokenShape, urlShape, vaultNameShape } from './shapes.ts'

export const credentialsShape = z.object({
  format: z.literal('terp-vault-credentials'),
  version: z.literal(1),
  vaultId: idShape,
  vaultName: vaultNameShape,
  url: urlShape,
  /** SPKI, base64. */
  vaultPublicKey: base64Shape,
  token: tokenShape,
  issued: timestampShape,
  expires: timestampShape,
  signature: base64Shape,
})

export type Credentials = z.infer<typeof credentialsShape>
export type UnsignedCredentials = Omit<Credentials, 'signature'>

const MAX_CHARACTERS = 16_384

/** What the signature covers. No field can hold a line feed, so two different files never give the same text. */
export function credentialsText(credentials: UnsignedCredentials): string {
  const { version, vaultId, vaultName, url, vaultPublicKey, token, issued, expires } = credentials
  return ['terp/1/credentials', version, vaultId, vaultName, url, vaultPublicKey, token, issued, expires].join('\n')
}

/** CREDENTIALS_UNREADABLE unless `text` has the shape; the signature is another question. */
export function parseCredentials(text: string): Credentials {
  if (text.length > MAX_CHARACTERS) throw unreadableCredentials('is too long')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's message would quote the file, which holds a token.
    throw unreadableCredentials('is not JSON')
  }
  const parsed = credentialsShape.safeParse(json)
  if (!parsed.success) throw unreadableCredentials(`is wrong: ${firstIssue(parsed.error)}`)
  return parsed.data
}

export function unreadableCredentials(why: string): TerpError {
  return wireError('CREDENTIALS_UNREADABLE', `the credentials file ${why}`, { context: { domainCode: domainCodes.credentialsUnreadable } })
}

export function expiredCredentials(expires: string): TerpError {
  const context = { domainCode: domainCodes.credentialsExpired, expires }
  return wireError('CREDENTIALS_EXPIRED', `the credentials file expired at ${expires}`, { context })
}

export function foreignCredentials(why: string): TerpError {
  return wireError('CREDENTIALS_FOREIGN', `the credentials file ${why}`, { context: { domainCode: domainCodes.credentialsForeign } })
}
