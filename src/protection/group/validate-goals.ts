/** Rules about short-term goals on disk (§3.4, S-043). */
import { TerpError } from '../../base/errors.ts'
import { parseDate } from '../calendar/civil.ts'
import { DAY_MS, DEPLOYMENT_PROFILES, MINUTE_MS, type ProtectionSettings, SYNC_FREQUENCIES_MINUTES } from '../limits.ts'
import { type Refusal, refuse, warn } from '../refusal.ts'
import { type Frequency, frequencyOf } from '../schedule/occurrences.ts'
import type { Schedule } from '../schedule/shape.ts'
import { type Member, type ProtectionGroup, WORKLOADS } from './shape.ts'

/** The frequency of a schedule that can be read and runs at all; else what is wrong with it. */
export function readSchedule(schedule: Schedule, path: string): { frequency: Frequency } | { refusal: Refusal } {
  if (schedule.kind === 'every' && parseDate(schedule.from) === undefined) {
    return {
      refusal: refuse('SCHEDULE_INVALID', `there is no date ${schedule.from}`, { path: `${path}.from`, hint: 'Give a date that exists.' }),
    }
  }
  try {
    const frequency = frequencyOf(schedule)
    if (frequency.perWeek > 0) return { frequency }
    return { refusal: refuse('SCHEDULE_NEVER_RUNS', 'the schedule does not run within two years', { path }) }
  } catch (error) {
    if (!(error instanceof TerpError)) throw error
    return { refusal: refuse('SCHEDULE_INVALID', error.message, { path }) }
  }
}

const goalOf = ({ workload }: Member) => WORKLOADS[workload].goal

export function validateGoals(group: ProtectionGroup, settings: ProtectionSettings): Refusal[] {
  const { shortTerm } = group
  const { caps } = settings
  const refusals: Refusal[] = []
  const longest = caps.diskRetentionDays ?? 36_500
  const range = shortTerm.retentionDays
  const rangePath = 'shortTerm.retentionDays'
  if (!Number.isSafeInteger(range) || range < 1 || range > longest) {
    refusals.push(
      refuse('RETENTION_RANGE_INVALID', `a retention range of ${range} days`, {
        path: rangePath,
        hint: `Choose a retention range between 1 and ${longest} days.`,
      }),
    )
  }
  const advised = DEPLOYMENT_PROFILES[settings.deploymentProfile].adviseDiskDays
  if (advised !== null && range > advised) {
    const message = `points stay on disk for ${range} days; where this server runs, ${advised === 1 ? '1 day is' : `${advised} days are`} advised`
    refusals.push(warn('FIVE_DAY_RULE', message, { path: rangePath }))
  }
  const sync = shortTerm.synchronisation
  if (caps.isGridStrict && sync.kind === 'every' && !SYNC_FREQUENCIES_MINUTES.some((minutes) => minutes === sync.minutes)) {
    refusals.push(
      refuse('SYNC_FREQUENCY_INVALID', `a synchronisation every ${sync.minutes} minutes`, { path: 'shortTerm.synchronisation' }),
    )
  }
  // A group without members is checked as if it had files: it will have some.
  const hasFiles = group.members.length === 0 || group.members.some((member) => goalOf(member) === 'files')
  const hasApplications = group.members.some((member) => goalOf(member) !== 'files')
  const hasIncrements = group.members.some((member) => goalOf(member) === 'increments')
  const points = readSchedule(shortTerm.recoveryPoints, 'shortTerm.recoveryPoints')
  if ('refusal' in points) refusals.push(points.refusal)
  else if (hasFiles) refusals.push(...validateFilePoints(group, points.frequency, settings))
  const fulls = readSchedule(shortTerm.expressFull, 'shortTerm.expressFull')
  if ('refusal' in fulls) refusals.push(fulls.refusal)
  else if (hasApplications) refusals.push(...validateExpressFulls(group, fulls.frequency, settings, hasIncrements))
  return refusals
}

function validateFilePoints(group: ProtectionGroup, frequency: Frequency, { caps }: ProtectionSettings): Refusal[] {
  const { retentionDays, synchronisation: sync } = group.shortTerm
  const path = 'shortTerm.recoveryPoints'
  const refusals: Refusal[] = []
  if (sync.kind === 'every' && frequency.shortestGapMs < sync.minutes * MINUTE_MS) {
    const gap = Math.round(frequency.shortestGapMs / MINUTE_MS)
    const message = `two recovery points are ${gap} minutes apart, but the replica is synchronised every ${sync.minutes} minutes`
    refusals.push(refuse('RECOVERY_POINT_CLOSER_THAN_SYNC', message, { path }))
  }
  if (caps.filePointsPerDay !== null && frequency.maxPerDay > caps.filePointsPerDay) {
    const message = `${frequency.maxPerDay} recovery points of files on one day, ${caps.filePointsPerDay} may be`
    refusals.push(refuse('RECOVERY_POINTS_PER_DAY_OVER_CAP', message, { path }))
  }
  const count = (retentionDays * frequency.perWeek) / 7
  if (caps.filePoints !== null && count > caps.filePoints) {
    const hint = `Keep them for at most ${daysWithin(caps.filePoints, frequency)} days, make fewer of them, or lift the compatible caps.`
    const message = `${Math.ceil(count)} recovery points of files would be on disk, ${caps.filePoints} may be`
    refusals.push(refuse('RECOVERY_POINTS_OVER_CAP', message, { path, hint }))
  }
  return refusals
}

function validateExpressFulls(
  group: ProtectionGroup,
  frequency: Frequency,
  settings: ProtectionSettings,
  hasIncrements: boolean,
): Refusal[] {
  const { caps } = settings
  const { retentionDays, synchronisation: sync } = group.shortTerm
  const path = 'shortTerm.expressFull'
  const refusals: Refusal[] = []
  const count = (retentionDays * frequency.perWeek) / 7
  if (caps.expressFulls !== null && count > caps.expressFulls) {
    const hint = `Keep them for at most ${daysWithin(caps.expressFulls, frequency)} days, make fewer of them, or lift the compatible caps.`
    const message = `${Math.ceil(count)} express fulls would be on disk, ${caps.expressFulls} may be`
    refusals.push(refuse('EXPRESS_FULLS_OVER_CAP', message, { path, hint }))
  }
  if (hasIncrements && sync.kind === 'every' && caps.incrementsPerExpressFull !== null) {
    const increments = Math.ceil(frequency.longestGapMs / (sync.minutes * MINUTE_MS)) - 1
    if (increments > caps.incrementsPerExpressFull) {
      const seen = Number.isFinite(increments) ? String(increments) : 'any number of'
      const message = `${seen} increments would follow one express full, ${caps.incrementsPerExpressFull} may`
      refusals.push(refuse('INCREMENTS_OVER_CAP', message, { path }))
    }
  }
  return refusals
}

/** The longest range in days that stays within a cap. */
const daysWithin = (cap: number, { perWeek }: Frequency): number => Math.floor((cap * 7) / perWeek)

/** §3.1 page 8: not in the past, and less than a year ahead (31061). */
export function refuseLaterDate(atMs: number, nowMs: number): string | undefined {
  if (Number.isNaN(atMs)) return 'it is no time'
  if (atMs < nowMs) return 'it has passed'
  return atMs - nowMs >= 365 * DAY_MS ? 'it is a year ahead or more' : undefined
}
