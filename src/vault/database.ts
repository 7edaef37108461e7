/** The vault's metadata: vaults, credentials, servers, recovery sessions. Never objects, and never a token: only hashes of tokens. */
import type { Kysely } from 'kysely'
import { hasCode } from '../base/errors.ts'
import { openSqlite } from '../sqlite/index.ts'
import type { Redundancy } from '../wire/index.ts'
import { vaultError } from './errors.ts'
import { migrations } from './migrations.ts'

export interface VaultTables {
  settings: { name: string; value: string }
  vaults: { id: string; name: string; redundancy: Redundancy; created_ms: number }
  credentials: {
    token_sha256: string
    vault_id: string
    /** 1 for the first file of a vault; only the highest counts. */
    number: number
    issued_ms: number
    expires_ms: number
    used_by: string | null
  }
  servers: { id: string; vault_id: string; name: string; public_key: string; registered_ms: number; retired_ms: number | null }
  recovery_sessions: { token_sha256: string; vault_id: string; expires_ms: number }
}

export type Database = Kysely<VaultTables>

/** VAULT_DATA_NEWER if a newer Terp has changed it, VAULT_DATA_INVALID if it is damaged. */
export async function openDatabase(path: string): Promise<Database> {
  try {
    return (await openSqlite<VaultTables>({ path, migrations })).database
  } catch (error) {
    if (hasCode(error, 'DATABASE_NEWER')) throw vaultError('VAULT_DATA_NEWER', error.message, { cause: error })
    if (hasCode(error, 'DATABASE_INVALID')) throw vaultError('VAULT_DATA_INVALID', error.message, { cause: error })
    throw error
  }
}
