/** How `vault.db` came to its shape. Once released, a migration is never edited; the next one follows it. */
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

type AnyTables = Kysely<unknown>

export const migrations: Record<string, Migration> = {
  '0001-start': {
    async up(db: AnyTables) {
      const schema = db.schema
      await schema
        .createTable('settings')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('value', 'text', (column) => column.notNull())
        .execute()
      await schema
        .createTable('vaults')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('name', sql`text collate nocase`, (column) => column.notNull().unique())
        .addColumn('redundancy', 'text', (column) => column.notNull())
        .addColumn('created_ms', 'integer', (column) => column.notNull())
        .execute()
      await schema
        .createTable('servers')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('vault_id', 'text', (column) => column.notNull().references('vaults.id'))
        .addColumn('name', sql`text collate nocase`, (column) => column.notNull())
        .addColumn('public_key', 'text', (column) => column.notNull())
        .addColumn('registered_ms', 'integer', (column) => column.notNull())
        .addColumn('retired_ms', 'integer')
        .execute()
      // A name is free again when its server is retired; the objects stay under the old id.
      await sql`create unique index servers_active_name on servers (vault_id, name) where retired_ms is null`.execute(db)
      await schema
        .createTable('credentials')
        .addColumn('token_sha256', 'text', (column) => column.primaryKey())
        .addColumn('vault_id', 'text', (column) => column.notNull().references('vaults.id'))
        .addColumn('number', 'integer', (column) => column.notNull())
        .addColumn('issued_ms', 'integer', (column) => column.notNull())
        .addColumn('expires_ms', 'integer', (column) => column.notNull())
        .addColumn('used_by', 'text', (column) => column.references('servers.id'))
        .addUniqueConstraint('credentials_number', ['vault_id', 'number'])
        .execute()
      await schema
        .createTable('recovery_sessions')
        .addColumn('token_sha256', 'text', (column) => column.primaryKey())
        .addColumn('vault_id', 'text', (column) => column.notNull().references('vaults.id'))
        .addColumn('expires_ms', 'integer', (column) => column.notNull())
        .execute()
    },
  },
}
