/** What a change of a group brings with it, so that it can be shown before it is made (§3.10). */
import type { Member, ProtectionGroup } from './shape.ts'
import { isSame } from './validate-online.ts'

export interface GroupChange {
  readonly added: readonly Member[]
  /** Their protection stops; whether their points are kept is asked. */
  readonly removed: readonly Member[]
  /** Replicas that no longer are what is protected: a consistency check follows. */
  readonly toCheck: readonly Member[]
  /** Points that exist will live shorter. */
  readonly isRetentionShortened: boolean
  readonly isScheduleChanged: boolean
}

export function changeOf(before: ProtectionGroup, after: ProtectionGroup): GroupChange {
  const old = new Map(before.members.map((member) => [member.dataSourceId, member]))
  const kept = new Set(after.members.map((member) => member.dataSourceId))
  const hasOtherExtensions = !isSame([...before.excludedExtensions].sort(), [...after.excludedExtensions].sort())
  const toCheck = after.members.filter((member) => {
    const was = old.get(member.dataSourceId)
    return was !== undefined && member.workload === 'files' && (hasOtherExtensions || !isSame(was.selection, member.selection))
  })
  const schedules = ({ timeZone, shortTerm, online, startOffsetMinutes, backupWindows, blackouts }: ProtectionGroup) => {
    const { synchronisation, recoveryPoints, expressFull } = shortTerm
    return [timeZone, synchronisation, recoveryPoints, expressFull, online?.schedule ?? null, startOffsetMinutes, backupWindows, blackouts]
  }
  return {
    added: after.members.filter((member) => !old.has(member.dataSourceId)),
    removed: before.members.filter((member) => !kept.has(member.dataSourceId)),
    toCheck,
    isRetentionShortened: isShorter(before, after),
    isScheduleChanged: !isSame(schedules(before), schedules(after)),
  }
}

/** A row that is gone, or names other days, counts as shorter: its tags go. */
function isShorter(before: ProtectionGroup, after: ProtectionGroup): boolean {
  if (after.shortTerm.retentionDays < before.shortTerm.retentionDays) return true
  const was = before.online?.retention
  const now = after.online?.retention
  if (was === undefined || now === undefined) return was !== undefined
  const lengths = (retention: typeof was) => [
    retention.daily?.days ?? 0,
    retention.weekly?.weeks ?? 0,
    retention.monthly?.months ?? 0,
    retention.yearly?.years ?? 0,
  ]
  const then = lengths(was)
  if (lengths(now).some((length, i) => length < (then[i] ?? 0))) return true
  const slots = ({ daily, weekly, monthly, yearly }: typeof was) => [
    daily?.times ?? null,
    weekly ? [weekly.weekdays, weekly.times] : null,
    monthly ? [monthly.on, monthly.times] : null,
    yearly ? [yearly.inMonths, yearly.on, yearly.times] : null,
  ]
  const nowSlots = slots(now)
  return slots(was).some((slot, i) => slot !== null && !isSame(slot, nowSlots[i]))
}
