/** From a credentials file to access: a registered server, or a recovery session. What can be told from the file alone is told before anything is sent. */
import { fromTimestamp, toTimestamp } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import type { Credentials, Fetch, ServerDescription } from '../wire/index.ts'
import {
  exchange,
  expiredCredentials,
  foreignCredentials,
  makeSigningKey,
  parseCredentials,
  privateKeyText,
  publicKeyText,
  readAnswer,
  readSigningKey,
  recoveryOpenedShape,
  registeredShape,
  signedHeaders,
  UNREGISTERED,
  vaultHeaders,
  vaultPaths,
  verifyCredentials,
} from '../wire/index.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

export interface Registration {
  readonly url: string
  readonly vaultId: string
  readonly vaultName: string
  readonly serverId: string
  readonly serverName: string
  /** Secret; known to nobody else. */
  readonly privateKeyPkcs8Base64: string
}

export interface RegistrationOptions {
  /** The text of the credentials file. */
  readonly credentials: string
  readonly serverName: string
  /** As in `Registration`; without it one is made. With the key and the name of an earlier call the vault tells the same server again. */
  readonly privateKey?: string
  readonly fetch: Fetch
}

/**
 * Registers a key. CREDENTIALS_UNREADABLE, CREDENTIALS_EXPIRED, CREDENTIALS_FOREIGN, CREDENTIALS_SUPERSEDED, CREDENTIALS_USED,
 * VAULT_SERVER_NAME_TAKEN, VAULT_SERVERS_FULL, VAULT_CLOCK_SKEW, VAULT_UNREACHABLE.
 */
export async function registerServer(op: Operation, options: RegistrationOptions): Promise<Registration> {
  const { serverName, fetch } = options
  const credentials = readCredentials(op, options.credentials)
  const { url } = credentials
  const privateKey = options.privateKey === undefined ? makeSigningKey(op.random) : readSigningKey(options.privateKey)
  const body = jsonBytes({ credentials, serverName, publicKey: publicKeyText(privateKey) })
  const target = vaultPaths.registrations
  // The same key for each try: if the first answer was lost, the second one is about the same server.
  const headers = () => ({ ...JSON_TYPE, ...signedHeaders(op, { method: 'POST', target, body, serverId: UNREGISTERED, privateKey }) })
  const answer = await exchange(op, fetch, { url, method: 'POST', target, headers, body })
  const { vaultId, vaultName, serverId } = readAnswer(answer, url, registeredShape)
  return { url, vaultId, vaultName, serverId, serverName, privateKeyPkcs8Base64: privateKeyText(privateKey) }
}

export interface RecoverySession {
  readonly url: string
  /** Secret; reads the objects of all servers of the vault until `expires`. */
  readonly token: string
  readonly expires: string
  readonly servers: readonly ServerDescription[]
}

/** May be called again and again. The codes of `registerServer`, without those about use, names and room. */
export async function openRecovery(
  op: Operation,
  options: { readonly credentials: string; readonly fetch: Fetch },
): Promise<RecoverySession> {
  const credentials = readCredentials(op, options.credentials)
  const { url } = credentials
  const headers = () => ({ ...JSON_TYPE, [vaultHeaders.time]: toTimestamp(op.clock.nowMs()) })
  const request = { url, method: 'POST', target: vaultPaths.recoveries, headers, body: jsonBytes({ credentials }) } as const
  const answer = await exchange(op, options.fetch, request)
  return { url, ...readAnswer(answer, url, recoveryOpenedShape) }
}

/** What the file tells about itself; whether it is the vault's newest, or of this vault at all, the vault tells. */
function readCredentials(op: Operation, text: string): Credentials {
  const credentials = parseCredentials(text)
  if (!verifyCredentials(credentials)) throw foreignCredentials('has a wrong signature')
  if (fromTimestamp(credentials.expires) <= op.clock.nowMs()) throw expiredCredentials(credentials.expires)
  return credentials
}

function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value))
}
