/** Times and limits of signing in. */

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

export const sessionPolicy = {
  lifeMs: 12 * HOUR_MS,
  idleMs: 15 * MINUTE_MS,
  steppedUpMs: 5 * MINUTE_MS,
  /** The last use is noted at most so often: a commit costs a sync. */
  touchMs: 30 * SECOND_MS,
} as const

/** Of an account: five attempts, then 2, 4, 8 … seconds, at most 15 minutes: some twenty an hour. */
export const accountPolicy = { free: 5, firstWaitMs: 2 * SECOND_MS, longestWaitMs: 15 * MINUTE_MS, forgetMs: DAY_MS } as const
/** Of a network (/24, /64), over all accounts: thirty at once, then one in ten seconds. */
export const networkPolicy = { capacity: 30, refillMs: 10 * SECOND_MS } as const

/** OWASP's floor for argon2id is 19 MiB and 2 passes. */
export const passwordCosts = { memoryKib: 65_536, passes: 3 } as const
export const recoveryCodeCount = 10
