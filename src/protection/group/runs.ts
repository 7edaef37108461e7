/** Which jobs a group's schedules ask for, member by member (§3.4, §3.6, §3.7). When they run, not whether they may: that is for the gate. */
import { type Occurrences, occurrencesOf } from '../schedule/occurrences.ts'
import { syncOccurrences } from '../schedule/sync.ts'
import { type Member, type ProtectionGroup, WORKLOADS } from './shape.ts'

export interface ScheduledRun {
  readonly job: 'synchronisation' | 'recovery-point' | 'online-point' | 'consistency-check'
  readonly occurrences: Occurrences
  /** The point is preceded by a synchronisation of its own. */
  readonly synchronisesFirst: boolean
  /** Each run makes a point that can be restored. */
  readonly makesPoint: boolean
  /** The job has something to do only where the replica was flagged. */
  readonly onlyWhenInconsistent: boolean
}

/** Throws SCHEDULE_INVALID where an expression can not be read, which validate-group.ts refuses before. */
export function scheduledRuns(group: ProtectionGroup, member: Member): ScheduledRun[] {
  const { shortTerm, timeZone, online, consistencyCheck } = group
  const { goal } = WORKLOADS[member.workload]
  const sync = shortTerm.synchronisation
  const runs: ScheduledRun[] = []
  const add = (job: ScheduledRun['job'], occurrences: Occurrences, rest: Partial<ScheduledRun> = {}) =>
    runs.push({ job, occurrences, synchronisesFirst: false, makesPoint: false, onlyWhenInconsistent: false, ...rest })
  // Without increments a synchronisation has no effect: an express full brings everything.
  if (sync.kind === 'every' && goal !== 'express-full') {
    const every = { everyMinutes: sync.minutes, offsetMinutes: group.startOffsetMinutes }
    add('synchronisation', syncOccurrences(every, timeZone), { makesPoint: goal === 'increments' })
  }
  const points = goal === 'files' ? shortTerm.recoveryPoints : shortTerm.expressFull
  const synchronisesFirst = goal === 'files' && sync.kind === 'before-recovery-point'
  add('recovery-point', occurrencesOf(points, timeZone), { makesPoint: true, synchronisesFirst })
  if (online !== undefined && member.isOnline) add('online-point', occurrencesOf(online.schedule, timeZone), { makesPoint: true })
  if (consistencyCheck.daily !== undefined) {
    const daily = occurrencesOf(
      { kind: 'every', every: 1, unit: 'day', from: '1970-01-01', times: [consistencyCheck.daily.time] },
      timeZone,
    )
    add('consistency-check', daily, { onlyWhenInconsistent: true })
  }
  return runs
}
