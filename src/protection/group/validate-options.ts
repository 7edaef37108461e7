/** Rules about what makes a group run better (§3.6, §3.10). */
import { fromTimestamp } from '../../base/clock.ts'
import { parseDate } from '../calendar/civil.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Member, ProtectionGroup, Throttle } from './shape.ts'
import { refuseLaterDate } from './validate-goals.ts'

export function validateOptions(group: ProtectionGroup, nowMs: number): Refusal[] {
  const refusals: Refusal[] = []
  if (group.replicaCreation.method === 'later') {
    const why = refuseLaterDate(fromTimestamp(group.replicaCreation.at), nowMs)
    if (why !== undefined) {
      refusals.push(
        refuse('REPLICA_CREATION_DATE', `replica creation at ${group.replicaCreation.at}: ${why}`, { path: 'replicaCreation.at' }),
      )
    }
  }
  const { daily } = group.consistencyCheck
  if (daily !== undefined && (daily.maxDurationMinutes < 1 || daily.maxDurationMinutes > 1440)) {
    const path = 'consistencyCheck.daily.maxDurationMinutes'
    refusals.push(refuse('WINDOW_INVALID', `a daily consistency check for ${daily.maxDurationMinutes} minutes`, { path }))
  }
  for (const [i, blackout] of group.blackouts.entries()) {
    if (!('fromDate' in blackout)) continue
    const from = parseDate(blackout.fromDate)
    const to = parseDate(blackout.toDate)
    if (from !== undefined && to !== undefined && from <= to) continue
    refusals.push(refuse('WINDOW_INVALID', `a blackout from ${blackout.fromDate} to ${blackout.toDate}`, { path: `blackouts.${i}` }))
  }
  const sync = group.shortTerm.synchronisation
  const longestOffset = sync.kind === 'every' ? sync.minutes : 1440
  if (group.startOffsetMinutes >= longestOffset) {
    const message = `an offset of ${group.startOffsetMinutes} minutes, where every ${longestOffset} minutes something runs`
    refusals.push(refuse('OFFSET_INVALID', message, { path: 'startOffsetMinutes' }))
  }
  for (const [i, throttle] of group.throttles.entries()) refusals.push(...validateThrottle(throttle, `throttles.${i}`))
  if (group.slaHours !== undefined && !isSla(group.slaHours)) {
    refusals.push(refuse('SLA_INVALID', `an SLA of ${group.slaHours} hours`, { path: 'slaHours' }))
  }
  for (const [i, member] of group.members.entries()) refusals.push(...validateScripts(member, `members.${i}`))
  return refusals
}

export const LONGEST_SLA_HOURS = 2160

/** Divisors of 24 and multiples of it, up to 90 days. */
export function isSla(hours: number): boolean {
  return Number.isSafeInteger(hours) && hours >= 1 && hours <= LONGEST_SLA_HOURS && (24 % hours === 0 || hours % 24 === 0)
}

interface WorkHours {
  readonly workDays: readonly string[]
  readonly workFrom: string
  readonly workTo: string
}

function validateWorkHours({ workDays, workFrom, workTo }: WorkHours, path: string): Refusal[] {
  const refusals: Refusal[] = []
  if (workDays.length === 0) refusals.push(refuse('THROTTLE_NO_WORK_DAY', 'no work day was chosen', { path: `${path}.workDays` }))
  if (workFrom === workTo) refusals.push(refuse('THROTTLE_HOURS_EQUAL', `work begins and ends at ${workFrom}`, { path: `${path}.workTo` }))
  return refusals
}

/** Agent to server (140). */
export function validateThrottle(throttle: Throttle, path: string): Refusal[] {
  const refusals = validateWorkHours(throttle, path)
  for (const field of ['workMegabitsPerSecond', 'otherMegabitsPerSecond'] as const) {
    const value = throttle[field]
    if (value >= 1 && value <= 10_000) continue
    refusals.push(refuse('THROTTLE_OUT_OF_RANGE', `${value} Mbit/s`, { path: `${path}.${field}` }))
  }
  return refusals
}

export interface OnlineThrottle extends WorkHours {
  readonly workKilobitsPerSecond: number
  readonly otherKilobitsPerSecond: number
}

/** Server to vault (280005–280007). A setting of the server, not of a group. */
export function validateOnlineThrottle(throttle: OnlineThrottle, path = 'throttle'): Refusal[] {
  const refusals = validateWorkHours(throttle, path)
  for (const field of ['workKilobitsPerSecond', 'otherKilobitsPerSecond'] as const) {
    const value = throttle[field]
    if (value >= 512 && value <= 1_023_000) continue
    refusals.push(refuse('THROTTLE_ONLINE_OUT_OF_RANGE', `${value} kbit/s`, { path: `${path}.${field}` }))
  }
  return refusals
}

const isAbsolute = (path: string) => /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(path)

function validateScripts(member: Member, path: string): Refusal[] {
  const refusals: Refusal[] = []
  for (const field of ['preScript', 'postScript'] as const) {
    const script = member[field]
    if (script === undefined || isAbsolute(script.path)) continue
    refusals.push(refuse('SCRIPT_INVALID', `"${script.path}" is not an absolute path`, { path: `${path}.${field}` }))
  }
  const seconds = member.scriptTimeoutSeconds
  if (seconds < 1 || seconds > 86_400) {
    refusals.push(refuse('SCRIPT_INVALID', `a time-out of ${seconds} seconds`, { path: `${path}.scriptTimeoutSeconds` }))
  }
  return refusals
}
