/** Vaults and their servers, as an administrator sees them. */
import { toTimestamp } from '../base/clock.ts'
import { randomHex } from '../base/random.ts'
import type { CreateVault, ServerDescription, VaultDescription } from '../wire/index.ts'
import type { VaultContext } from './context.ts'
import type { Database } from './database.ts'
import { vaultError } from './errors.ts'

export async function addVault({ op, database }: VaultContext, { name, redundancy }: CreateVault): Promise<VaultDescription> {
  const row = { id: randomHex(op.random, 16), name, redundancy, created_ms: op.clock.nowMs() }
  // One statement: of two requests for one name, one inserts nothing.
  const { numInsertedOrUpdatedRows } = await database
    .insertInto('vaults')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirstOrThrow()
  if (numInsertedOrUpdatedRows !== 1n) throw vaultError('VAULT_EXISTS', `there is a vault ${name} already`, { context: { name } })
  return { id: row.id, name, redundancy, created: toTimestamp(row.created_ms) }
}

/** Upper and lower case do not matter. */
export async function getVault(database: Database, name: string): Promise<{ id: string; name: string }> {
  const vault = await database.selectFrom('vaults').select(['id', 'name']).where('name', '=', name).executeTakeFirst()
  if (!vault) throw vaultError('VAULT_NOT_FOUND', `there is no vault ${name}`, { context: { name } })
  return vault
}

/** All that have objects here, retired ones too: their recovery points can still be restored. */
export async function serversOf(database: Database, vaultId: string): Promise<ServerDescription[]> {
  return await database.selectFrom('servers').select(['id', 'name']).where('vault_id', '=', vaultId).orderBy('registered_ms').execute()
}

/** Frees the server's name; its objects stay and can be recovered, but it cannot come back under its old key. */
export async function retireServer({ op, database }: VaultContext, vaultName: string, serverName: string): Promise<ServerDescription> {
  const vault = await getVault(database, vaultName)
  const retired = await database
    .updateTable('servers')
    .set({ retired_ms: op.clock.nowMs() })
    .where('vault_id', '=', vault.id)
    .where('name', '=', serverName)
    .where('retired_ms', 'is', null)
    .returning(['id', 'name'])
    .executeTakeFirst()
  if (retired) return retired
  const context = { vault: vault.name, server: serverName }
  throw vaultError('VAULT_SERVER_NOT_FOUND', `vault ${vault.name} has no server ${serverName}`, { context })
}
