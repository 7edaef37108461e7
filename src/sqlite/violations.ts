/** Extended result codes of SQLite, as `node:sqlite` gives them. */
const SQLITE_CONSTRAINT_FOREIGNKEY = 787
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555
const SQLITE_CONSTRAINT_UNIQUE = 2067

export function isUniqueViolation(error: unknown): boolean {
  return hasResult(error, SQLITE_CONSTRAINT_UNIQUE) || hasResult(error, SQLITE_CONSTRAINT_PRIMARYKEY)
}

export function isForeignKeyViolation(error: unknown): boolean {
  return hasResult(error, SQLITE_CONSTRAINT_FOREIGNKEY)
}

function hasResult(error: unknown, code: number): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === code
}
