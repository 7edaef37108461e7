/**
 * Credentials files: made for an administrator, and judged when they come back. A file counts if this vault signed it, it has not expired, and
 * none was issued after it. Whether it was used matters for registering only. Tokens are 256 random bits, so a plain hash of them is enough.
 */
import { fromTimestamp, toTimestamp } from '../base/clock.ts'
import type { Credentials } from '../wire/index.ts'
import {
  domainCodes,
  expiredCredentials,
  foreignCredentials,
  sha256Hex,
  signCredentials,
  timestampShape,
  vaultLimits,
  verifyCredentials,
  wireError,
} from '../wire/index.ts'
import type { VaultContext } from './context.ts'
import type { Database } from './database.ts'
import { vaultError } from './errors.ts'
import { getVault } from './vaults.ts'

export function makeToken({ op }: Pick<VaultContext, 'op'>): string {
  return Buffer.from(op.random.bytes(32)).toString('base64url')
}

/** Voids the files of this vault that were issued before. */
export async function issueCredentials(context: VaultContext, vaultName: string): Promise<Credentials> {
  const { op, database, key, publicKey, url } = context
  const token = makeToken(context)
  const issuedMs = op.clock.nowMs()
  const expiresMs = issuedMs + vaultLimits.credentialsLifeMs
  const vault = await database.transaction().execute(async (transaction) => {
    const found = await getVault(transaction, vaultName)
    const number = (await newestNumber(transaction, found.id)) + 1
    const row = { token_sha256: sha256Hex(token), vault_id: found.id, number, issued_ms: issuedMs, expires_ms: expiresMs, used_by: null }
    await transaction.insertInto('credentials').values(row).execute()
    return found
  })
  const times = { issued: toTimestamp(issuedMs), expires: toTimestamp(expiresMs) }
  const names = { vaultId: vault.id, vaultName: vault.name, url: url(), vaultPublicKey: publicKey }
  return signCredentials({ format: 'terp-vault-credentials', version: 1, ...names, token, ...times }, key)
}

export interface AcceptedCredentials {
  readonly tokenSha256: string
  readonly vaultId: string
  readonly vaultName: string
  readonly expiresMs: number
  /** The server that was registered with it. */
  readonly usedBy: string | null
}

/** CREDENTIALS_FOREIGN, CREDENTIALS_EXPIRED, CREDENTIALS_SUPERSEDED. */
export async function acceptCredentials(context: VaultContext, database: Database, credentials: Credentials): Promise<AcceptedCredentials> {
  if (!verifyCredentials(credentials, context.publicKey)) throw foreignCredentials('was not signed by this vault')
  const tokenSha256 = sha256Hex(credentials.token)
  const row = await database
    .selectFrom('credentials')
    .innerJoin('vaults', 'vaults.id', 'credentials.vault_id')
    .select(['vault_id', 'vaults.name', 'number', 'expires_ms', 'used_by'])
    .where('token_sha256', '=', tokenSha256)
    .where('vault_id', '=', credentials.vaultId)
    .executeTakeFirst()
  if (!row) throw foreignCredentials('is not known to this vault')
  if (row.expires_ms <= context.op.clock.nowMs()) throw expiredCredentials(credentials.expires)
  if (row.number !== (await newestNumber(database, row.vault_id))) {
    throw wireError('CREDENTIALS_SUPERSEDED', `a newer credentials file of vault ${row.name} was downloaded`)
  }
  return { tokenSha256, vaultId: row.vault_id, vaultName: row.name, expiresMs: row.expires_ms, usedBy: row.used_by }
}

async function newestNumber(database: Database, vaultId: string): Promise<number> {
  const row = await database
    .selectFrom('credentials')
    .select((select) => select.fn.max('number').as('number'))
    .where('vault_id', '=', vaultId)
    .executeTakeFirst()
  return row?.number ?? 0
}

/** What the other end takes for now must be near our now: it decides what has expired, and when its backups were made. */
export function checkTime({ op }: VaultContext, time: string | undefined): void {
  const parsed = timestampShape.safeParse(time)
  if (!parsed.success) throw vaultError('VAULT_REQUEST_INVALID', 'the request does not say when it was made')
  const skewMs = fromTimestamp(parsed.data) - op.clock.nowMs()
  if (Math.abs(skewMs) <= vaultLimits.clockSkewMs) return
  const context = { domainCode: domainCodes.clockSkew, skewSeconds: Math.round(skewMs / 1000) }
  throw vaultError('VAULT_CLOCK_SKEW', `the clock of the server differs by ${context.skewSeconds} s from that of the vault`, { context })
}
