/** `node:sqlite` with the face that kysely's dialect expects: parameters in an array, and `reader`: whether a statement gives rows. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { sqliteError } from './errors.ts'

/** A program has some hundreds of statements; texts that depend on the length of a list must not pile up. */
const KEPT_STATEMENTS = 512

/** One connection, used by one caller at a time, which kysely sees to: so statements can be kept and used again. */
export function asKyselyDatabase(sqlite: DatabaseSync): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>()
  return {
    close: () => sqlite.close(),
    prepare(sql) {
      const known = kept.get(sql)
      if (known !== undefined) return known
      const made = asKyselyStatement(sqlite.prepare(sql))
      const oldest = kept.size < KEPT_STATEMENTS ? undefined : kept.keys().next().value
      if (oldest !== undefined) kept.delete(oldest)
      kept.set(sql, made)
      return made
    },
  }
}

function asKyselyStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...toSqlite(parameters)),
    run: (parameters) => statement.run(...toSqlite(parameters)),
    iterate: (parameters) => statement.iterate(...toSqlite(parameters)),
  }
}

function toSqlite(parameters: readonly unknown[]): (string | number | bigint | null | Uint8Array)[] {
  return parameters.map((value) => {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
    if (value instanceof Uint8Array) return value
    throw sqliteError('DATABASE_INVALID', `a ${typeof value} cannot be stored`)
  })
}
