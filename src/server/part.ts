/** A part of the server: jobs, agents, recovery … Each brings its routes and settings, says whether it can work, and is closed in its turn. */
import type { ServerContext } from './context.ts'
import type { Route } from './http/route.ts'
import type { SettingDefinition } from './settings/setting.ts'

export interface ServerPart {
  readonly routes?: readonly Route[]
  readonly settings?: readonly SettingDefinition[]
  /** Why it can not do its work; empty: it can. */
  isReady?(): Promise<readonly string[]>
  /** The server listens. */
  started?(): Promise<void>
  /** Nobody asks any more. In the reverse of the order in which parts were made. */
  close?(): Promise<void>
}

/** Parts are made in order, before the server listens; one that fails ends the start, and those before it are closed. */
export type MakePart = (context: ServerContext) => Promise<ServerPart>
