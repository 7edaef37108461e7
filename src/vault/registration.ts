/** Registering a server: a credentials file, a name and a key become an id. */
import type { z } from 'zod'
import { randomHex } from '../base/random.ts'
import type { RegisteredServer, registrationShape } from '../wire/index.ts'
import { domainCodes, readPublicKey, vaultLimits, wireError } from '../wire/index.ts'
import type { VaultContext } from './context.ts'
import { acceptCredentials } from './credentials.ts'
import type { Database } from './database.ts'
import { vaultError } from './errors.ts'

type Registration = z.infer<typeof registrationShape>

/** A repetition by the same key under the same name gives the same id: the first answer may have been lost. */
export async function registerServer(
  context: VaultContext,
  { credentials, serverName, publicKey }: Registration,
): Promise<RegisteredServer> {
  if (!readPublicKey(publicKey)) throw vaultError('VAULT_KEY_INVALID', 'the public key is not an Ed25519 key')
  // One transaction: neither a name nor a file is given away twice, and a refusal uses up nothing.
  return await context.database.transaction().execute(async (database) => {
    const accepted = await acceptCredentials(context, database, credentials)
    const { vaultId, vaultName, usedBy } = accepted
    if (usedBy !== null) return await repeated(database, accepted, { serverName, publicKey })
    await checkRoom(database, accepted, serverName)
    const serverId = randomHex(context.op.random, 16)
    const row = { id: serverId, vault_id: vaultId, name: serverName, public_key: publicKey, registered_ms: context.op.clock.nowMs() }
    await database.insertInto('servers').values(row).execute()
    await database.updateTable('credentials').set({ used_by: serverId }).where('token_sha256', '=', accepted.tokenSha256).execute()
    return { vaultId, vaultName, serverId, serverName }
  })
}

interface VaultOfServer {
  readonly vaultId: string
  readonly vaultName: string
}

async function repeated(
  database: Database,
  { vaultId, vaultName, usedBy }: VaultOfServer & { usedBy: string | null },
  { serverName, publicKey }: Pick<Registration, 'serverName' | 'publicKey'>,
): Promise<RegisteredServer> {
  const server = await database
    .selectFrom('servers')
    .select(['id', 'name'])
    .where('id', '=', usedBy)
    .where('public_key', '=', publicKey)
    .where('retired_ms', 'is', null)
    .executeTakeFirst()
  if (server?.name !== serverName) throw wireError('CREDENTIALS_USED', 'a server was registered with this credentials file already')
  return { vaultId, vaultName, serverId: server.id, serverName }
}

async function checkRoom(database: Database, { vaultId, vaultName }: VaultOfServer, serverName: string): Promise<void> {
  const active = database.selectFrom('servers').where('vault_id', '=', vaultId).where('retired_ms', 'is', null)
  const namesake = await active.select('id').where('name', '=', serverName).executeTakeFirst()
  if (namesake) {
    const context = { domainCode: domainCodes.nameTaken, vault: vaultName, server: serverName }
    throw vaultError('VAULT_SERVER_NAME_TAKEN', `vault ${vaultName} has a server ${serverName} already`, { context })
  }
  const { count } = await active.select((select) => select.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  if (count < vaultLimits.serversPerVault) return
  const context = { vault: vaultName, limit: vaultLimits.serversPerVault }
  throw vaultError('VAULT_SERVERS_FULL', `vault ${vaultName} has ${count} servers`, { context })
}
