/**
 * Lists are read in pages. A cursor is the key of the last row that was given, so a page costs the same wherever it is, and rows that come or go
 * meanwhile are neither repeated nor skipped. To callers it is opaque.
 */
import { catalogError } from './errors.ts'

export interface PageRequest {
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Absent on the last page. */
  readonly next?: string
}

export type CursorKey = readonly (string | number)[]

/** `types`: of what the key of this list is made. CATALOG_CURSOR_INVALID. */
export function readCursor<K extends CursorKey>(cursor: string | undefined, types: readonly ('string' | 'number')[]): K | undefined {
  if (cursor === undefined) return undefined
  let key: unknown
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    // Not one of ours, which is said below.
    key = undefined
  }
  const fits = Array.isArray(key) && key.length === types.length && key.every((part, n) => typeof part === types[n])
  if (!fits) throw catalogError('CATALOG_CURSOR_INVALID', 'the cursor does not belong to this list')
  return key as unknown as K
}

/** `rows`: one more than `limit`, if there are so many. */
export function toPage<Row, T>(rows: readonly Row[], limit: number, keyOf: (row: Row) => CursorKey, present: (row: Row) => T): Page<T> {
  const items = rows.slice(0, limit).map(present)
  const last = rows.length > limit ? rows[limit - 1] : undefined
  if (last === undefined) return { items }
  return { items, next: Buffer.from(JSON.stringify(keyOf(last))).toString('base64url') }
}
