/** What passes between the agent and the process that ends what must not last. Plain data only. */

export interface HoldOrder {
  /** Paths in base64. Frozen at once, all or none. */
  readonly freeze: readonly string[]
  /** Frozen by others, perhaps: thawed with them. */
  readonly watch: readonly string[]
  readonly limitMs: number
}

/** `limit`: its time was up; `gone`: the agent ended. */
export type HoldEnd = 'done' | 'limit' | 'gone'

export type FromHolder =
  | { readonly type: 'held' }
  | { readonly type: 'failed'; readonly path: string; readonly errno: string }
  /** How many file systems were still frozen. */
  | { readonly type: 'ended'; readonly why: HoldEnd; readonly thawed: number }
