/** How `catalog.db` came to its shape. Once released, a migration is never edited; the next one follows it. */
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import { accessTables } from './migrations/0001-access.ts'
import { protectionTables } from './migrations/0001-protection.ts'
import { workTables } from './migrations/0001-work.ts'
import { peopleTables } from './migrations/0002-people.ts'

export const migrations: Record<string, Migration> = {
  '0001-start': {
    async up(db: Kysely<unknown>) {
      for (const statement of [...accessTables, ...protectionTables, ...workTables]) await sql.raw(statement).execute(db)
    },
  },
  '0002-people': {
    async up(db: Kysely<unknown>) {
      for (const statement of peopleTables) await sql.raw(statement).execute(db)
    },
  },
}
