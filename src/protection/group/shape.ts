/**
 * What a protection group is made of: the policy, and the members that share it. Here is only the shape with the domain's defaults, so that
 * `protectionGroupShape.parse({ name, members })` is a whole group; what may stand together is for validate-group.ts, which has codes for it.
 */
import { z } from 'zod'
import { WEEKDAYS } from '../calendar/civil.ts'
import { datesShape, monthDayShape, scheduleShape, timesShape, weekdayShape, weekdaysShape, windowShape } from '../schedule/shape.ts'

const idShape = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits')
const pathShape = z.string().min(1).max(4096)

/** Kinds of workloads. Those with increments take log backups at each synchronisation; those without only have express fulls. */
export const WORKLOADS = {
  files: { goal: 'files', name: 'files and folders' },
  'sql-full': { goal: 'increments', name: 'SQL database with log backups' },
  'sql-simple': { goal: 'express-full', name: 'SQL database in the simple recovery model' },
  postgres: { goal: 'increments', name: 'PostgreSQL database' },
  mysql: { goal: 'increments', name: 'MySQL database' },
  sharepoint: { goal: 'express-full', name: 'SharePoint farm' },
  exchange: { goal: 'increments', name: 'Exchange database' },
  'system-state': { goal: 'express-full', name: 'system state' },
  'bare-metal': { goal: 'express-full', name: 'bare-metal recovery' },
  'virtual-machine': { goal: 'express-full', name: 'virtual machine' },
} as const
export type Workload = keyof typeof WORKLOADS
export const workloadShape = z.enum(Object.keys(WORKLOADS) as [Workload, ...Workload[]])

/** Which part of a file-like data source is taken. Paths are absolute, `/` or `\` as the machine has it. See selection.ts. */
export const selectionShape = z.strictObject({
  includes: z.array(pathShape).min(1).max(1000).default(['/']),
  excludes: z.array(pathShape).max(10_000).default([]),
  /** For each mount point below an included folder: whether the volume behind it is taken too. */
  mountPoints: z
    .array(z.strictObject({ path: pathShape, isIncluded: z.boolean() }))
    .max(1000)
    .default([]),
})

const scriptShape = z.strictObject({
  path: pathShape,
  arguments: z.array(z.string().max(4096)).max(100).default([]),
})

export const memberShape = z.strictObject({
  dataSourceId: idShape,
  agentId: idShape,
  workload: workloadShape.default('files'),
  /** As the agent names it: a volume, a share, a database. */
  name: z.string().min(1).max(1024),
  selection: selectionShape.prefault({}),
  /** Whether a copy goes to the vault too. */
  isOnline: z.boolean().default(false),
  /** A node whose new children join the group by themselves, such as a database instance. */
  isAutoProtected: z.boolean().default(false),
  /** The pool volume that was chosen for it; without one, the server chooses. */
  volumeId: idShape.optional(),
  preScript: scriptShape.optional(),
  postScript: scriptShape.optional(),
  scriptTimeoutSeconds: z.int().default(600),
})

export const synchronisationShape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('every'), minutes: z.int().min(1).max(1440) }),
  z.strictObject({ kind: z.literal('before-recovery-point') }),
])

export const shortTermShape = z.strictObject({
  retentionDays: z.int().default(5),
  synchronisation: synchronisationShape.default({ kind: 'every', minutes: 15 }),
  /** Of files. */
  recoveryPoints: scheduleShape.default({ kind: 'weekly', times: ['08:00', '12:00', '18:00'], weekdays: [...WEEKDAYS] }),
  /** Of applications. */
  expressFull: scheduleShape.default({ kind: 'weekly', times: ['20:00'], weekdays: [...WEEKDAYS] }),
})

/** Grandfather, father, son. A row takes the point of each of its slots and keeps it for its time. */
export const onlineRetentionShape = z.strictObject({
  daily: z.strictObject({ days: z.int().min(1), times: timesShape }).optional(),
  weekly: z.strictObject({ weeks: z.int().min(1), weekdays: weekdaysShape, times: timesShape }).optional(),
  monthly: z.strictObject({ months: z.int().min(1), on: monthDayShape, times: timesShape }).optional(),
  yearly: z
    .strictObject({ years: z.int().min(1), inMonths: z.array(z.int().min(1).max(12)).min(1).max(12), on: monthDayShape, times: timesShape })
    .optional(),
})

export const onlineShape = z.strictObject({
  schedule: scheduleShape.default({ kind: 'weekly', times: ['12:00', '20:00'], weekdays: [...WEEKDAYS] }),
  retention: onlineRetentionShape,
  /** How the first copy travels. Final once it has begun. */
  initialCopy: z
    .discriminatedUnion('method', [
      z.strictObject({ method: z.literal('network') }),
      z.strictObject({ method: z.literal('offline'), stagingPath: pathShape }),
    ])
    .default({ method: 'network' }),
})

export const replicaCreationShape = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('now') }),
  z.strictObject({ method: z.literal('later'), at: z.iso.datetime() }),
  z.strictObject({ method: z.literal('manual') }),
])

export const consistencyCheckShape = z.strictObject({
  whenInconsistent: z.boolean().default(true),
  /** Daily, for replicas that are flagged. */
  daily: z.strictObject({ time: z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/), maxDurationMinutes: z.int() }).optional(),
  /** Where there is any, checks run in a window only; what is unfinished goes on in the next. */
  windows: z.array(windowShape).max(50).default([]),
})

/** The speed of one agent towards the server. Work hours and all others. */
export const throttleShape = z.strictObject({
  agentId: idShape,
  workDays: z.array(weekdayShape).max(7),
  workFrom: z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/),
  workTo: z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/),
  workMegabitsPerSecond: z.number(),
  otherMegabitsPerSecond: z.number(),
})

export const protectionGroupShape = z.strictObject({
  name: z.string(),
  type: z.enum(['servers', 'clients']).default('servers'),
  /** For schedules, windows and work hours. */
  timeZone: z.string().default('UTC'),
  /** Higher goes first where jobs wait for each other. */
  priority: z.int().min(-100).max(100).default(0),
  members: z.array(memberShape).max(10_000),
  /** Of the whole group: `.tmp`. File data only. */
  excludedExtensions: z.array(z.string().max(255)).max(1000).default([]),
  /** The first copy. Without it there is no other either: switched off, the group is refused. */
  isOnDisk: z.boolean().default(true),
  shortTerm: shortTermShape.prefault({}),
  /** Present where members have a copy in the vault. */
  online: onlineShape.optional(),
  replicaCreation: replicaCreationShape.default({ method: 'now' }),
  consistencyCheck: consistencyCheckShape.prefault({}),
  /** Everything is compressed; with this, by more work of the agent for fewer bytes on the line and in the pool. */
  isCompressedOnWire: z.boolean().default(false),
  startOffsetMinutes: z.int().min(0).default(0),
  throttles: z.array(throttleShape).max(1000).default([]),
  /** Where there is any, backup jobs begin in a window only. */
  backupWindows: z.array(windowShape).max(50).default([]),
  blackouts: z
    .array(z.union([windowShape, datesShape]))
    .max(100)
    .default([]),
  /** A recovery point must exist that is not older. */
  slaHours: z.int().optional(),
})

export type Selection = z.infer<typeof selectionShape>
export type Member = z.infer<typeof memberShape>
export type ShortTerm = z.infer<typeof shortTermShape>
export type OnlineRetention = z.infer<typeof onlineRetentionShape>
export type Online = z.infer<typeof onlineShape>
export type Throttle = z.infer<typeof throttleShape>
export type ProtectionGroup = z.infer<typeof protectionGroupShape>
/** With everything left out that has a default. */
export type ProtectionGroupInput = z.input<typeof protectionGroupShape>
