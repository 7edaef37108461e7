/** SQLite as this program uses it: files that survive a loss of power, brought to the newest shape, refused when damaged or newer. */
export { type OpenDatabase, type OpenOptions, openSqlite, transact } from './database.ts'
export { sqliteError } from './errors.ts'
export { isForeignKeyViolation, isUniqueViolation } from './violations.ts'
