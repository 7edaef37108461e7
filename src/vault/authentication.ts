/**
 * Who asks, and what he may. Three kinds: the administrator (a bearer token out of the data folder), a registered server (a signature on every
 * request), a recovery session (a bearer token). Judged before a body is read.
 */
import { timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { idShape, readPublicKey, sha256Hex, sha256Shape, UNREGISTERED, vaultHeaders, verifyRequest } from '../wire/index.ts'
import type { VaultContext } from './context.ts'
import { checkTime } from './credentials.ts'
import { vaultError } from './errors.ts'
import { vaultOfRecovery } from './recovery.ts'
import { adminTokenSha256 } from './settings.ts'

export type Asker =
  | { readonly kind: 'server'; readonly serverId: string; readonly contentSha256: string }
  | { readonly kind: 'recovery'; readonly vaultId: string }

/** A server by its signature, or a recovery session by its token. */
export async function authenticate(context: VaultContext, request: FastifyRequest): Promise<Asker> {
  const token = bearerToken(request)
  if (token !== undefined) return { kind: 'recovery', vaultId: await vaultOfRecovery(context, token) }
  const serverId = idShape.safeParse(header(request, vaultHeaders.server))
  if (!serverId.success) throw vaultError('VAULT_UNAUTHENTICATED', 'the request does not say who asks')
  const server = await context.database
    .selectFrom('servers')
    .select(['id', 'public_key', 'retired_ms'])
    .where('id', '=', serverId.data)
    .executeTakeFirst()
  if (!server) throw vaultError('VAULT_UNAUTHENTICATED', `there is no server ${serverId.data}`)
  const contentSha256 = checkSignature(context, request, { serverId: server.id, publicKey: server.public_key })
  if (server.retired_ms !== null) throw vaultError('VAULT_SERVER_RETIRED', `server ${server.id} was retired`)
  return { kind: 'server', serverId: server.id, contentSha256 }
}

/** Whether the request was made by who holds the key that it brings along. */
export function checkNewcomer(context: VaultContext, request: FastifyRequest, publicKey: string): void {
  const contentSha256 = checkSignature(context, request, { serverId: UNREGISTERED, publicKey })
  checkBody(request, contentSha256)
}

function checkSignature(context: VaultContext, request: FastifyRequest, who: { serverId: string; publicKey: string }): string {
  const key = readPublicKey(who.publicKey)
  if (!key) throw vaultError('VAULT_KEY_INVALID', 'the public key is not an Ed25519 key')
  const time = header(request, vaultHeaders.time) ?? ''
  const contentSha256 = header(request, vaultHeaders.contentSha256) ?? ''
  const signature = header(request, vaultHeaders.signature) ?? ''
  // Hashed as it came in: not decoded, not normalized.
  const target = request.raw.url ?? ''
  const signed = { method: request.method, target, time, contentSha256, serverId: who.serverId }
  if (!sha256Shape.safeParse(contentSha256).success || !verifyRequest(signed, signature, key)) {
    throw vaultError('VAULT_SIGNATURE_INVALID', 'the signature of the request is wrong')
  }
  checkTime(context, time)
  return contentSha256
}

/** The signature covers the hash of the body; this compares it with the body. */
export function checkBody(request: FastifyRequest, contentSha256: string): Buffer {
  const body = bodyOf(request)
  if (sha256Hex(body) !== contentSha256) throw vaultError('VAULT_BODY_MISMATCH', 'the body is not the one that was signed')
  return body
}

export function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** Whether `asker` may read the objects of a server, or add to them. */
export async function authorize(
  { database }: VaultContext,
  asker: Asker,
  serverId: string,
  act: 'read' | 'add',
): Promise<{ vaultId: string }> {
  if (asker.kind === 'recovery' && act === 'add') throw vaultError('VAULT_RECOVERY_READ_ONLY', 'a recovery session cannot add objects')
  const server = await database.selectFrom('servers').select('vault_id').where('id', '=', serverId).executeTakeFirst()
  const allowed = asker.kind === 'server' ? asker.serverId === serverId : asker.vaultId === server?.vault_id
  // The same answer for another's server and for none: nobody learns which ids there are.
  if (!allowed || !server) throw vaultError('VAULT_SERVER_FORBIDDEN', 'these are the objects of another server')
  return { vaultId: server.vault_id }
}

export async function checkAdministrator({ database }: VaultContext, request: FastifyRequest): Promise<void> {
  const expected = Buffer.from(await adminTokenSha256(database))
  const given = Buffer.from(sha256Hex(bearerToken(request) ?? ''))
  const right = given.length === expected.length && timingSafeEqual(given, expected)
  if (!right)
    throw vaultError('VAULT_UNAUTHENTICATED', 'the administrator token is wrong', {
      hint: 'Use the token in the file admin-token of the data folder.',
    })
}

function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(request.headers.authorization ?? '')?.[1]
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}
