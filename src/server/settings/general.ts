/** What the server is called, and which clock on the wall it goes by. */
import { z } from 'zod'
import { administrators, everyRole } from '../http/route.ts'
import { defineSetting } from './setting.ts'

export const timeZoneShape = z.string().max(64).refine(isTimeZone, 'must be a time zone such as Europe/Amsterdam')

export const generalSetting = defineSetting({
  name: 'general',
  summary: 'Name and time zone of the server.',
  shape: z.strictObject({
    serverName: z.string().trim().min(1).max(64).default('Terp'),
    timeZone: timeZoneShape.default('UTC'),
  }),
  readers: everyRole,
  writers: administrators,
  stepUp: false,
})

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    // RangeError: there is no such zone.
    return false
  }
}
