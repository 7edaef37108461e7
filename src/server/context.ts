/** What all parts of one running server share. */
import type { Operation } from '../base/operation.ts'
import type { Catalog } from '../catalog/index.ts'
import type { EventHub } from './http/event-hub.ts'
import type { Metrics } from './http/metrics.ts'
import type { Sealer } from './secrets.ts'

export interface ServerContext {
  readonly op: Operation
  readonly catalog: Catalog
  /** For what must be stored but not be read from a copy of the catalog: secrets of second factors, passwords of mail servers. */
  readonly sealer: Sealer
  readonly events: EventHub
  readonly metrics: Metrics
  readonly version: string
}
