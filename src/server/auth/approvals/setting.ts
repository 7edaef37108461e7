/** Acts that take protection away need two people: one asks, another one with the right role agrees. */
import { z } from 'zod'
import { auditors, guardians } from '../../http/route.ts'
import { defineSetting } from '../../settings/setting.ts'

const shape = z.strictObject({
  /** `auto`: as soon as there are two who could decide on the act. */
  rule: z.enum(['auto', 'on', 'off']).default('auto'),
  /** So long a request waits. */
  hours: z.int().min(1).max(168).default(24),
})

const STRENGTH = { off: 0, auto: 1, on: 2 } as const

export const secondPersonSetting = defineSetting({
  name: 'second-person',
  summary: 'Whether acts that take protection away need a second person.',
  shape,
  readers: auditors,
  writers: guardians,
  stepUp: true,
  // Who could switch it off alone would need nobody.
  needsSecond: (before, after) => STRENGTH[after.rule] < STRENGTH[before.rule],
})
