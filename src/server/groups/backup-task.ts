/** What an agent is told to back up, made of a group and its member at the moment the job begins, so that it is what is wanted now. */
import { toDate, toTimestamp } from '../../base/clock.ts'
import { DAY_MS, type Member, openZone, type ProtectionGroup, type Throttle, WEEKDAYS } from '../../protection/index.ts'
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
  const hours = group.throttles.find(({ agentId }) => agentId === member.agentId)
  const throttle = throttleNow(hours, group.timeZone, nowMs)
  const changes = throttleChanges(hours, group.timeZone, nowMs)
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
    compression: group.isCompressedOnWire ? 'hard' : 'usual',
    ...((preScript || postScript) && {
      scripts: {
        ...(preScript && { before: preScript.path, beforeArguments: preScript.arguments }),
        ...(postScript && { after: postScript.path, afterArguments: postScript.arguments }),
        timeoutMs: member.scriptTimeoutSeconds * 1000,
      },
    }),
    ...(throttle !== undefined && { throttle }),
    ...(changes.length > 0 && {
      throttleChanges: changes.map(({ atMs, throttle: next }) => ({
        at: toTimestamp(atMs),
        ...(next !== undefined && { throttle: next }),
      })),
    }),
  }
}

/** A path is meant as it is written, whatever it has of the characters of patterns. */
export function literalPattern(path: string): string {
  return path.replace(/[\\*?[\]{}()!+@|^$]/g, '\\$&')
}

/** In upper and lower case; of files alone, and not of a name that only begins with a dot (§3.3). */
export function extensionPattern(extension: string): string {
  const either = (character: string) => {
    const [lower, upper] = [character.toLowerCase(), character.toUpperCase()]
    return lower === upper ? literalPattern(character) : `[${lower}${upper}]`
  }
  return `//?*${[...extension].map(either).join('')}`
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

/** So far ahead a running job is told; who needs longer goes on at the last rate. */
const TOLD_DAYS = 14

/** What the throttle becomes after this moment: work hours begin and end while a job runs. */
export function throttleChanges(
  throttle: Throttle | undefined,
  timeZone: string,
  nowMs: number,
): readonly { readonly atMs: number; readonly throttle: number | undefined }[] {
  if (!throttle) return []
  const zone = openZone(timeZone)
  const today = Math.floor(zone.toLocal(nowMs) / DAY_MS) * DAY_MS
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
  const bounds = [0, minutes(throttle.workFrom), minutes(throttle.workTo)]
  const instants = new Set<number>()
  for (let day = 0; day <= TOLD_DAYS; day++) for (const at of bounds) instants.add(zone.toInstant(today + day * DAY_MS + at * 60_000))
  const changes: { atMs: number; throttle: number | undefined }[] = []
  let last = throttleNow(throttle, timeZone, nowMs)
  for (const atMs of [...instants].sort((a, b) => a - b)) {
    if (atMs <= nowMs) continue
    const next = throttleNow(throttle, timeZone, atMs)
    if (next !== last) changes.push({ atMs, throttle: next })
    last = next
  }
  return changes
}
