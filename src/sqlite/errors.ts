import { defineErrors } from '../base/errors.ts'

export const sqliteError = defineErrors({
  DATABASE_INVALID: { kind: 'corrupt', hint: 'Restore the database from a copy, or have it made again from what it is a catalog of.' },
  DATABASE_NEWER: { kind: 'invalid', hint: 'This database was written by a newer Terp; run that version.' },
})
