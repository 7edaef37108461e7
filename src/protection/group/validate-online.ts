/** Rules about the copy in the vault (§3.7–3.9). */
import { timeOfDayMs } from '../calendar/civil.ts'
import { MINUTE_MS, ONLINE_FLOORS } from '../limits.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { rowSchedules } from '../retention/rows.ts'
import { localPatternOf } from '../schedule/occurrences.ts'
import type { Schedule } from '../schedule/shape.ts'
import { countOnlinePoints } from '../sizing/online-points.ts'
import type { GroupFacts } from './facts.ts'
import type { Online, ProtectionGroup } from './shape.ts'
import { readSchedule } from './validate-goals.ts'

export function validateOnline(group: ProtectionGroup, facts: GroupFacts): Refusal[] {
  const refusals: Refusal[] = []
  const { online } = group
  if (!group.isOnDisk) {
    refusals.push(refuse('ONLINE_NEEDS_DISK', 'the group has no short-term protection on disk', { path: 'isOnDisk' }))
  }
  if (online === undefined) {
    const without = group.members.findIndex((member) => member.isOnline)
    if (without === -1) return refusals
    const message = `${group.members[without]?.name} is to have an online copy, but the group has no online protection`
    return [...refusals, refuse('ONLINE_NO_POLICY', message, { path: `members.${without}.isOnline` })]
  }
  if (!facts.isRegistered)
    refusals.push(refuse('ONLINE_NEEDS_REGISTRATION', 'the server is not registered with a vault', { path: 'online' }))
  refusals.push(...validateRetention(online, facts))
  const schedule = readSchedule(online.schedule, 'online.schedule')
  if ('refusal' in schedule) return [...refusals, schedule.refusal]
  const { caps } = facts.settings
  if (caps.onlineBackupsPerDay !== null && schedule.frequency.maxPerDay > caps.onlineBackupsPerDay) {
    const message = `${schedule.frequency.maxPerDay} online backups on one day, ${caps.onlineBackupsPerDay} may be`
    refusals.push(refuse('ONLINE_TOO_OFTEN', message, { path: 'online.schedule' }))
  }
  if (caps.isGridStrict && !isOnHalfHours(online.schedule)) {
    refusals.push(refuse('ONLINE_TIME_STEP', 'an online backup is not on the hour or half hour', { path: 'online.schedule' }))
  }
  return [...refusals, ...validateRowTimes(online), ...validateFrozen(group, facts)]
}

/** A few hundred runs show every time of day that an expression has, on that grid or off it. */
function isOnHalfHours(schedule: Schedule): boolean {
  const pattern = localPatternOf(schedule)
  let at = pattern.nextAfter(0)
  for (let i = 0; i < 300 && at !== undefined; i++, at = pattern.nextAfter(at)) if (timeOfDayMs(at) % (30 * MINUTE_MS) !== 0) return false
  return true
}

function validateRetention({ retention }: Online, facts: GroupFacts): Refusal[] {
  const { daily, weekly, monthly, yearly } = retention
  const path = 'online.retention'
  if (!daily && !weekly && !monthly && !yearly) return [refuse('ONLINE_RETENTION_EMPTY', 'retention has no row', { path })]
  const refusals: Refusal[] = []
  if (facts.settings.hasOnlineFloors) {
    const rows = [
      ['daily', daily?.days, ONLINE_FLOORS.days, 'days'],
      ['weekly', weekly?.weeks, ONLINE_FLOORS.weeks, 'weeks'],
      ['monthly', monthly?.months, ONLINE_FLOORS.months, 'months'],
      ['yearly', yearly?.years, ONLINE_FLOORS.years, 'years'],
    ] as const
    for (const [row, value, floor, unit] of rows) {
      if (value === undefined || value >= floor) continue
      const message = `${row} points for ${value} ${unit}, at least ${floor} are required`
      refusals.push(refuse('ONLINE_RETENTION_BELOW_FLOOR', message, { path: `${path}.${row}` }))
    }
  }
  const count = countOnlinePoints(retention).upperBound
  const most = facts.settings.caps.onlinePoints
  if (most !== null && count > most) {
    refusals.push(refuse('ONLINE_POINTS_OVER_CAP', `up to ${count} points in the vault, ${most} may be`, { path }))
  }
  return refusals
}

/** 33465: a day and time that the schedule never has. A row may name what the schedule has now and then, such as every second Saturday. */
function validateRowTimes(online: Online): Refusal[] {
  const pattern = localPatternOf(online.schedule)
  const refusals: Refusal[] = []
  for (const { row, schedule } of rowSchedules(online.retention)) {
    for (const single of singleTimes(schedule)) {
      const slots = localPatternOf(single)
      let meets = false
      let slot = slots.nextAfter(FIRST_SLOT_MS)
      for (let i = 0; i < SLOTS_LOOKED_AT && slot !== undefined && !meets; i++, slot = slots.nextAfter(slot)) {
        meets = pattern.nextAfter(slot - 1) === slot
      }
      if (meets) continue
      const when = single.kind === 'weekly' ? `${single.weekdays[0]} ${single.times[0]}` : single.kind === 'every' ? single.times[0] : ''
      const message = `the ${row} row names ${when}, when no online backup runs`
      refusals.push(refuse('ONLINE_RETENTION_TIME_NOT_SCHEDULED', message, { path: `online.retention.${row}` }))
    }
  }
  return refusals
}

const SLOTS_LOOKED_AT = 60
/** 2024-01-01: nothing that `every` counts from a date of its own begins earlier. */
const FIRST_SLOT_MS = 1_704_067_200_000 - 1

function singleTimes(schedule: Schedule): Schedule[] {
  if (schedule.kind === 'weekly') {
    return schedule.weekdays.flatMap((weekday) =>
      schedule.times.map((time): Schedule => ({ ...schedule, weekdays: [weekday], times: [time] })),
    )
  }
  return schedule.kind === 'every' ? schedule.times.map((time): Schedule => ({ ...schedule, times: [time] })) : [schedule]
}

/** 33478 and 100128. */
function validateFrozen(group: ProtectionGroup, { before }: GroupFacts): Refusal[] {
  const was = before?.group.online
  if (before === undefined || was === undefined || group.online === undefined) return []
  const refusals: Refusal[] = []
  if (before.hasInitialCopy && !isSame(was.initialCopy, group.online.initialCopy)) {
    refusals.push(refuse('ONLINE_INITIAL_COPY_FROZEN', 'the first online copy has begun', { path: 'online.initialCopy' }))
  }
  if (before.isSeedPending) {
    const members = (of: ProtectionGroup) => of.members.map(({ dataSourceId, isOnline }) => `${dataSourceId} ${isOnline}`).sort()
    const frozen: readonly [string, unknown, unknown][] = [
      ['members', members(before.group), members(group)],
      ['online.schedule', was.schedule, group.online.schedule],
      ['online.retention', was.retention, group.online.retention],
    ]
    for (const [path, old, now] of frozen) {
      if (isSame(old, now)) continue
      refusals.push(refuse('ONLINE_SEED_PENDING', `${path} can not change while an offline seed is on its way`, { path }))
    }
  }
  return refusals
}

/** For plain data of the same shape; the order of keys doesn't count. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sortKeys(a)) === JSON.stringify(sortKeys(b))
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sortKeys(each)]),
  )
}
