/**
 * The vault's metadata: vaults, credentials, servers, recovery sessions. Never objects, and never a token: only hashes of tokens.
 * SQLite through kysely; `node:sqlite` is given the face that kysely's dialect expects.
 */
import { DatabaseSync } from 'node:sqlite'
import type { SqliteDatabase } from 'kysely'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
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
  const database: Database = new Kysely({ dialect: new SqliteDialect({ database: openSqlite(path) }) })
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => migrations } })
  const known = new Set(Object.keys(migrations))
  try {
    const executed = await appliedMigrations(database)
    if (executed.some((name) => !known.has(name))) throw vaultError('VAULT_DATA_NEWER', `${path} was written by a newer version`)
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw vaultError('VAULT_DATA_INVALID', `${path} cannot be brought to this version`, { cause: error })
    return database
  } catch (error) {
    await database.destroy()
    throw error
  }
}

async function appliedMigrations(database: Database): Promise<string[]> {
  const tables = await database.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some((table) => table.name === 'kysely_migration')) return []
  const rows = await database.withTables<{ kysely_migration: { name: string } }>().selectFrom('kysely_migration').select('name').execute()
  return rows.map((row) => row.name)
}

/** What kysely calls, on top of what Node has: parameters in an array, and `reader`: whether a statement gives rows. */
function openSqlite(path: string): SqliteDatabase {
  let sqlite: DatabaseSync
  try {
    sqlite = new DatabaseSync(path)
    // FULL: what was acknowledged survives a loss of power, in WAL mode too.
    sqlite.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000')
  } catch (cause) {
    throw vaultError('VAULT_DATA_INVALID', `${path} cannot be opened`, { cause })
  }
  return {
    close: () => sqlite.close(),
    prepare(sql) {
      const statement = sqlite.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...toSqlite(parameters)),
        run: (parameters) => statement.run(...toSqlite(parameters)),
        iterate: (parameters) => statement.iterate(...toSqlite(parameters)),
      }
    },
  }
}

function toSqlite(parameters: readonly unknown[]): (string | number | bigint | null | Uint8Array)[] {
  return parameters.map((value) => {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
    if (value instanceof Uint8Array) return value
    throw vaultError('VAULT_DATA_INVALID', `a ${typeof value} cannot be stored`)
  })
}
