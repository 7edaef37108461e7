/** What every class of records leans on: the connection or a transaction on it, time, and randomness for ids. */
import type { Kysely } from 'kysely'
import type { Clock } from '../base/clock.ts'
import { type Random, randomHex } from '../base/random.ts'
import type { Tables } from './tables.ts'

export interface CatalogContext {
  readonly db: Kysely<Tables>
  readonly clock: Clock
  readonly random: Random
}

export function newId({ random }: CatalogContext): string {
  return randomHex(random, 16)
}
