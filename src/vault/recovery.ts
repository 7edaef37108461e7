/** Recovery sessions: read-only, for all servers of a vault, for whoever holds a credentials file that counts. */
import { toTimestamp } from '../base/clock.ts'
import type { Credentials, ServerDescription } from '../wire/index.ts'
import { sha256Hex, vaultLimits } from '../wire/index.ts'
import type { VaultContext } from './context.ts'
import { acceptCredentials, makeToken } from './credentials.ts'
import { vaultError } from './errors.ts'
import { serversOf } from './vaults.ts'

export interface OpenedRecovery {
  readonly token: string
  readonly expires: string
  readonly servers: ServerDescription[]
}

/** As often as wanted: a disaster must not be lost for a lost answer. Never ends after the credentials file does. */
export async function openRecovery(context: VaultContext, credentials: Credentials): Promise<OpenedRecovery> {
  const { op, database } = context
  const { vaultId, expiresMs } = await acceptCredentials(context, database, credentials)
  const token = makeToken(context)
  const nowMs = op.clock.nowMs()
  const endMs = Math.min(expiresMs, nowMs + vaultLimits.recoveryLifeMs)
  await database.deleteFrom('recovery_sessions').where('expires_ms', '<=', nowMs).execute()
  await database
    .insertInto('recovery_sessions')
    .values({ token_sha256: sha256Hex(token), vault_id: vaultId, expires_ms: endMs })
    .execute()
  return { token, expires: toTimestamp(endMs), servers: await serversOf(database, vaultId) }
}

/** The vault that a session may read. */
export async function vaultOfRecovery({ op, database }: VaultContext, token: string): Promise<string> {
  const session = await database
    .selectFrom('recovery_sessions')
    .select(['vault_id', 'expires_ms'])
    .where('token_sha256', '=', sha256Hex(token))
    .executeTakeFirst()
  if (!session || session.expires_ms <= op.clock.nowMs())
    throw vaultError('VAULT_RECOVERY_ENDED', 'there is no such recovery session, or it has ended')
  return session.vault_id
}
