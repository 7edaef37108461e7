/** What a policy comes to, day by day, before it is set: for a group as it is or as it is meant to be, or for one of its sources with the points that it has. */
import { z } from 'zod'
import {
  onlineRetentionShape,
  protectionError,
  type RetainedPoint,
  type RetentionPolicy,
  type Schedule,
  type SimulatedDay,
  scheduleShape,
  simulateRetention,
  WORKLOADS,
  type Workload,
} from '../../protection/index.ts'
import { idShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from '../groups/group-facts.ts'
import { timeZoneShape } from '../settings/general.ts'
import type { Retention } from './retention.ts'

/** What is not given is the group's, or the group of the source's; without either, all of the first three are to be given or have their defaults. */
export const simulationShape = z.strictObject({
  retentionDays: z.int().min(1).max(3660).optional(),
  schedule: scheduleShape.optional(),
  timeZone: timeZoneShape.optional(),
  /** Rows of long-term retention, for a copy in the vault. */
  online: onlineRetentionShape.optional(),
  group: idShape.optional(),
  source: idShape.optional(),
  days: z.int().min(1).max(400).default(30),
})
export type SimulationInput = z.infer<typeof simulationShape>

export interface Simulated {
  readonly timeZone: string
  readonly days: readonly SimulatedDay[]
}

/** CATALOG_RECORD_NOT_FOUND, RETENTION_RANGE_INVALID, GROUP_TIME_ZONE_UNKNOWN by the rules of groups, SCHEDULE_INVALID. */
export async function simulate({ catalog, op }: ServerContext, retention: Retention, input: SimulationInput): Promise<Simulated> {
  const source = input.source === undefined ? undefined : await catalog.sources.get(input.source)
  const groupId = input.group ?? source?.groupId
  const group = groupId === undefined ? undefined : readGroup((await catalog.groups.get(groupId)).document)
  const isFiles = source === undefined || WORKLOADS[source.workload as Workload].goal === 'files'
  const own = group && (isFiles ? group.shortTerm.recoveryPoints : group.shortTerm.expressFull)
  const schedule: Schedule | undefined = input.schedule ?? own
  const shortTermDays = input.retentionDays ?? (input.online ? undefined : group?.shortTerm.retentionDays)
  if (schedule === undefined || (shortTermDays === undefined && input.online === undefined))
    throw protectionError('RETENTION_RANGE_INVALID', 'neither a group nor a range and a schedule were given')
  const timeZone = input.timeZone ?? group?.timeZone ?? 'UTC'
  const rules = source && (await retention.policyOf(source))
  const policy: RetentionPolicy = {
    ...(rules && !input.online ? rules : {}),
    timeZone,
    ...(shortTermDays !== undefined && { shortTermDays }),
    ...(input.online && { online: input.online, hasFloors: true }),
  }
  const points: readonly RetainedPoint[] = source ? await retention.pointsOf(source.id) : []
  return { timeZone, days: [...simulateRetention({ policy, schedule, fromMs: op.clock.nowMs(), days: input.days, points })] }
}
