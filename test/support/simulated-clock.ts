/** Stands in for `src/base/clock.ts` in processes of simulated time (simulated-time-hook.ts): all of it, but the system's clock is the simulated one. */
import type { Clock } from '../../src/base/clock.ts'
import { simulatedClock, TIME_FILE } from './simulated-time.ts'

export * from '../../src/base/clock.ts'

const clock = simulatedClock(process.env[TIME_FILE] ?? '')

export function systemClock(): Clock {
  return clock
}
