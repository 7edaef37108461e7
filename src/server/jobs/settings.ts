/** How protection works on this server, beyond what each group says. */
import { z } from 'zod'
import { COMPATIBLE_CAPS, LIFTED_CAPS, PARALLEL_ONLINE_JOBS, type ProtectionSettings } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import { administrators, everyRole, guardians } from '../http/route.ts'
import { defineSetting, readSetting } from '../settings/setting.ts'

const timeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/)

export const protectionSetting = defineSetting({
  name: 'protection',
  summary: 'Limits of groups, jobs at the same time, and when the server looks after itself.',
  shape: z.strictObject({
    /** `compatible`: 64, 448, 96 and 8 recovery points, as people of this kind of product know it. */
    caps: z.enum(['compatible', 'lifted']).default('compatible'),
    deploymentProfile: z.enum(['own-hardware', 'private-cloud', 'public-cloud']).default('own-hardware'),
    parallelJobs: z.int().min(1).max(PARALLEL_ONLINE_JOBS.most).default(PARALLEL_ONLINE_JOBS.default),
    /** Scheduled jobs of many sources begin within so many seconds, each always at the same moment of it. */
    spreadSeconds: z.int().min(0).max(3600).default(120),
    /** In the server's zone: expiry, pruning, self-checks. */
    maintenanceTime: timeOfDay.default('02:30'),
    /** Every stored byte is read once in so many days. */
    verifyEveryDays: z.int().min(1).max(366).default(30),
    /** A test restore of each data source, every so many days; 0: none by itself. */
    testRestoreEveryDays: z.int().min(0).max(366).default(7),
    jobHistoryDays: z.int().min(1).max(3660).default(90),
  }),
  readers: everyRole,
  writers: administrators,
  stepUp: false,
})

/** What keeps backups from people who may otherwise do much: only guardians change it, and just proven. */
export const deletionSetting = defineSetting({
  name: 'deletion',
  summary: 'How long a recovery point stays after it was given up, and what must not go without a person.',
  shape: z.strictObject({
    coolOffDays: z.int().min(0).max(180).default(14),
    keepLastGood: z.int().min(1).max(100).default(3),
    /** More than this share of a source at once needs a person. */
    maxPercentAtOnce: z.int().min(1).max(100).default(30),
  }),
  readers: everyRole,
  writers: guardians,
  stepUp: true,
  needsSecond: (before, after) =>
    after.coolOffDays < before.coolOffDays || after.keepLastGood < before.keepLastGood || after.maxPercentAtOnce > before.maxPercentAtOnce,
})

export async function protectionSettings(context: ServerContext): Promise<ProtectionSettings> {
  const { caps, deploymentProfile } = (await readSetting(context, protectionSetting)).value
  return { caps: caps === 'lifted' ? LIFTED_CAPS : COMPATIBLE_CAPS, deploymentProfile, hasOnlineFloors: true }
}
