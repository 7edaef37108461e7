/**
 * For `node --import`: whoever asks for `src/base/clock.ts`, the only source of time, in this process or a thread of it, gets simulated-clock.ts. So the programs themselves
 * run, from `src/main.ts` on, and know nothing of it.
 */
import { registerHooks } from 'node:module'

const CLOCK = new URL('../../src/base/clock.ts', import.meta.url).href
const STAND_IN = new URL('./simulated-clock.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    return found.url === CLOCK && context.parentURL !== STAND_IN ? { ...found, url: STAND_IN } : found
  },
})
