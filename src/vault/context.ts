/** What all parts of one running vault service share. */
import type { KeyObject } from 'node:crypto'
import type { Operation } from '../base/operation.ts'
import type { Database } from './database.ts'
import type { ServerStores } from './server-stores.ts'

export interface VaultContext {
  readonly op: Operation
  readonly database: Database
  /** Signs credentials files. */
  readonly key: KeyObject
  /** SPKI, base64. */
  readonly publicKey: string
  readonly stores: ServerStores
  /** The address that credentials files name; known once the service listens. */
  readonly url: () => string
}
