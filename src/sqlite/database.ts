/** Opening a database: durable settings, its integrity, the migrations that it lacks. */
import { DatabaseSync } from 'node:sqlite'
import { Kysely, SqliteDialect, sql, type Transaction } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { asKyselyDatabase } from './connection.ts'
import { sqliteError } from './errors.ts'

export interface OpenOptions {
  readonly path: string
  readonly migrations: Readonly<Record<string, Migration>>
  /** Reads the whole file, to find damage before anything relies on it. */
  readonly isChecked?: boolean
  /**
   * FULL, the default: what was acknowledged survives a loss of power. NORMAL, for what can be made again: the last transactions may be gone
   * then, but the file is sound.
   */
  readonly synchronous?: 'full' | 'normal'
}

export interface OpenDatabase<Tables> {
  readonly database: Kysely<Tables>
  /** The same connection, for what kysely has no word for: copies, pragmas. */
  readonly connection: DatabaseSync
}

/** DATABASE_NEWER if a newer Terp has changed it, DATABASE_INVALID if it is damaged. It is left alone then. */
export async function openSqlite<Tables>(options: OpenOptions): Promise<OpenDatabase<Tables>> {
  const { path, migrations } = options
  const connection = connect(path, options.synchronous ?? 'full')
  const database = new Kysely<Tables>({ dialect: new SqliteDialect({ database: asKyselyDatabase(connection) }) })
  try {
    if (options.isChecked) checkIntegrity(connection, path)
    const applied = await appliedMigrations(database)
    if (applied.some((name) => !(name in migrations))) throw sqliteError('DATABASE_NEWER', `${path} was written by a newer version`)
    const migrator = new Migrator({ db: database, provider: { getMigrations: async () => ({ ...migrations }) } })
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw sqliteError('DATABASE_INVALID', `${path} cannot be brought to this version`, { cause: error })
    return { database, connection }
  } catch (error) {
    await database.destroy()
    throw error
  }
}

function connect(path: string, synchronous: 'full' | 'normal'): DatabaseSync {
  let connection: DatabaseSync | undefined
  try {
    connection = new DatabaseSync(path)
    connection.exec(`pragma journal_mode = wal; pragma synchronous = ${synchronous}; pragma foreign_keys = on; pragma busy_timeout = 5000`)
    return connection
  } catch (cause) {
    connection?.close()
    throw sqliteError('DATABASE_INVALID', `${path} cannot be opened`, { cause })
  }
}

function checkIntegrity(connection: DatabaseSync, path: string): void {
  const rows = connection.prepare('pragma integrity_check(5)').all()
  const found = rows.map((row) => String(row.integrity_check)).filter((text) => text !== 'ok')
  const orphans = connection.prepare('pragma foreign_key_check').all().length
  if (orphans > 0) found.push(`${orphans} rows refer to nothing`)
  if (found.length > 0) throw sqliteError('DATABASE_INVALID', `${path} is damaged: ${found.join('; ')}`, { context: { path, found } })
}

async function appliedMigrations<Tables>(database: Kysely<Tables>): Promise<string[]> {
  const tables = await database.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some((table) => table.name === 'kysely_migration')) return []
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(database)
  return rows.map((row) => row.name)
}

/** In the transaction that `database` is, or in one of its own. There is one connection: `work` awaits nothing but queries of its transaction. */
export async function transact<Tables, T>(database: Kysely<Tables>, work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
  if (database.isTransaction) return await work(database as Transaction<Tables>)
  return await database.transaction().execute(work)
}
