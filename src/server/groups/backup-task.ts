/** What an agent is told to back up, made of a group and its member at the moment the job begins, so that it is what is wanted now. */
import { toDate, toTimestamp } from '../../base/clock.ts'
import { type Member, openZone, type ProtectionGroup, type Throttle, WEEKDAYS } from '../../protection/index.ts'
import type { BackupTask } from '../../wire/index.ts'

export interface BackupTaskFacts {
  readonly jobId: string
  readonly group: ProtectionGroup
  readonly member: Member
  /** Reads every byte, not only what looks changed. */
  readonly forceRead: boolean
  readonly nowMs: number
}

const BITS_PER_MEGABIT = 1_000_000

export function backupTaskOf({ jobId, group, member, forceRead, nowMs }: BackupTaskFacts): BackupTask {
  const { selection, preScript, postScript } = member
  const included = selection.mountPoints.filter(({ isIncluded }) => isIncluded).map(({ path }) => path)
  const left = selection.mountPoints.filter(({ isIncluded }) => !isIncluded).map(({ path }) => path)
  const base64 = (path: string) => Buffer.from(path).toString('base64')
  const throttle = throttleNow(
    group.throttles.find(({ agentId }) => agentId === member.agentId),
    group.timeZone,
    nowMs,
  )
  return {
    kind: 'backup',
    jobId,
    workload: member.workload,
    source: member.dataSourceId,
    paths: [...new Set([...selection.includes, ...included])].map(base64),
    excludes: [...[...selection.excludes, ...left].map(literalPattern), ...group.excludedExtensions.map(extensionPattern)],
    excludeCaches: false,
    // Volumes behind mount points are taken when the member says so: they are paths of their own then.
    oneFileSystem: true,
    forceRead,
    rereadPercent: 0,
    snapshot: 'if-possible',
    ...((preScript || postScript) && {
      scripts: {
        ...(preScript && { before: preScript.path }),
        ...(postScript && { after: postScript.path }),
        timeoutMs: member.scriptTimeoutSeconds * 1000,
      },
    }),
    ...(throttle !== undefined && { throttle }),
  }
}

/** A path is meant as it is written, whatever it has of the characters of patterns. */
export function literalPattern(path: string): string {
  return path.replace(/[\\*?[\]{}()!+@|^$]/g, '\\$&')
}

/** In upper and lower case. */
export function extensionPattern(extension: string): string {
  const either = (character: string) => {
    const [lower, upper] = [character.toLowerCase(), character.toUpperCase()]
    return lower === upper ? literalPattern(character) : `[${lower}${upper}]`
  }
  return `*${[...extension].map(either).join('')}`
}

/** Bytes a second at this moment; undefined for as fast as it goes. */
export function throttleNow(throttle: Throttle | undefined, timeZone: string, nowMs: number): number | undefined {
  if (!throttle) return undefined
  const localMs = openZone(timeZone).toLocal(nowMs)
  const local = toTimestamp(localMs)
  const day = WEEKDAYS[(toDate(localMs).getUTCDay() + 6) % 7]
  const time = local.slice(11, 16)
  const { workFrom, workTo, workDays } = throttle
  const isInHours = workFrom < workTo ? time >= workFrom && time < workTo : time >= workFrom || time < workTo
  const isWork = day !== undefined && workDays.includes(day) && isInHours
  const megabits = isWork ? throttle.workMegabitsPerSecond : throttle.otherMegabitsPerSecond
  return Math.max(1, Math.round((megabits * BITS_PER_MEGABIT) / 8))
}
