/** The server's API, where it is about what is protected: agents, data sources, groups, jobs, recovery points, alerts, status. */
import { z } from 'zod'
import { pageQueryShape } from './access-api.ts'
import { enrolmentTokenShape } from './agent-api.ts'
import { idShape, timestampShape } from './shapes.ts'

const details = z.record(z.string(), z.unknown())

export const refusalShape = z.object({
  code: z.string(),
  /** Shown as "DPM 133". */
  domainCode: z.int().optional(),
  severity: z.enum(['refusal', 'warning']),
  message: z.string(),
  hint: z.string(),
  path: z.string(),
})

export const agentDescriptionShape = z.object({
  id: idShape,
  name: z.string(),
  state: z.string(),
  /** For people. */
  status: z.string(),
  stateSince: timestampShape,
  isConnected: z.boolean(),
  version: z.string().optional(),
  protocol: z.int().optional(),
  platform: details.optional(),
  enrolled: timestampShape,
  lastSeen: timestampShape.optional(),
})
export const agentQueryShape = pageQueryShape.extend({ state: z.string().max(40).optional() })
export const createEnrolmentShape = z.object({
  /** The name that the agent will have; without one, what it calls itself. */
  name: z.string().trim().min(1).max(255).optional(),
  hours: z.int().min(1).max(168).default(24),
})
export const enrolmentDescriptionShape = z.object({
  id: idShape,
  name: z.string().optional(),
  created: timestampShape,
  expires: timestampShape,
  used: timestampShape.optional(),
  usedBy: z.string().optional(),
  revoked: timestampShape.optional(),
})
/** `token`, shown once: for `terp agent enroll --token`. */
export const createdEnrolmentShape = z.object({
  enrolment: enrolmentDescriptionShape,
  token: z.string(),
  line: z.string(),
  ...enrolmentTokenShape.pick({ url: true, server: true }).shape,
})
export const browseQueryShape = z.object({
  path: z.string().min(1).max(4096).default('/'),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
})

export const sourceDescriptionShape = z.object({
  id: idShape,
  agentId: idShape.optional(),
  agentName: z.string().optional(),
  workload: z.string(),
  name: z.string(),
  path: z.string(),
  groupId: idShape.optional(),
  groupName: z.string().optional(),
  poolId: idShape.optional(),
  state: z.string(),
  status: z.string(),
  stateSince: timestampShape,
  /** Why it is in this state. */
  cause: details.optional(),
  sizeBytes: z.int().optional(),
  files: z.int().optional(),
  points: z.int(),
  newest: timestampShape.optional(),
  oldest: timestampShape.optional(),
  lastVerified: timestampShape.optional(),
  /** Where the server waits for a first copy that is brought by hand; of one source. */
  firstCopyFolder: z.string().optional(),
})
export const sourceQueryShape = pageQueryShape.extend({
  agent: idShape.optional(),
  group: idShape.optional(),
  state: z.string().max(40).optional(),
})

export const groupDescriptionShape = z.object({
  id: idShape,
  name: z.string(),
  document: details,
  version: z.int(),
  created: timestampShape,
  changed: timestampShape,
})
export const groupChangedShape = z.object({ group: groupDescriptionShape, warnings: z.array(refusalShape) })
export const dataChoiceShape = z.enum(['retain', 'delete'])
export const keepChoiceShape = z.enum(['until-deleted', 'by-policy'])
/** `keep`: of what is retained. */
export const stopGroupShape = z.object({
  data: dataChoiceShape,
  keep: keepChoiceShape.default('until-deleted'),
  members: z.array(idShape).min(1).max(10_000).optional(),
})
export const moveMemberShape = z.object({ source: idShape })

export const jobErrorShape = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  domainCode: z.int().optional(),
  context: details.optional(),
})
export const jobDescriptionShape = z.object({
  id: idShape,
  type: z.string(),
  typeName: z.string(),
  state: z.string(),
  sourceId: idShape.optional(),
  sourceName: z.string().optional(),
  groupId: idShape.optional(),
  groupName: z.string().optional(),
  agentId: idShape.optional(),
  agentName: z.string().optional(),
  poolId: idShape.optional(),
  pointId: idShape.optional(),
  isAdHoc: z.boolean(),
  createdBy: z.string(),
  created: timestampShape,
  due: timestampShape,
  started: timestampShape.optional(),
  finished: timestampShape.optional(),
  elapsedMs: z.int().optional(),
  attempts: z.int(),
  attemptsAllowed: z.int(),
  /** Why it does not run yet. */
  waitsFor: z.enum(['time', 'replica', 'agent', 'turn']).optional(),
  progress: details.optional(),
  bytesTransferred: z.int(),
  bytesPerSecond: z.int().optional(),
  warnings: z.int(),
  error: jobErrorShape.optional(),
  result: details.optional(),
  cancelRequested: timestampShape.optional(),
  retryOf: idShape.optional(),
})
export const jobQueryShape = pageQueryShape.extend({
  state: z.string().max(200).optional(),
  type: z.string().max(400).optional(),
  source: idShape.optional(),
  group: idShape.optional(),
  agent: idShape.optional(),
  from: timestampShape.optional(),
  until: timestampShape.optional(),
  /** At least so long, so far. */
  minElapsedSeconds: z.coerce.number().int().min(0).optional(),
  /** At least so much was transferred. */
  minBytes: z.coerce.number().int().min(0).optional(),
  /** Asked for by a person, or made by a schedule. */
  isAdHoc: z.stringbool().optional(),
})
export const jobStepShape = z.object({
  id: z.int(),
  parentId: z.int().optional(),
  name: z.string(),
  state: z.string(),
  started: timestampShape,
  finished: timestampShape.optional(),
  details: details.optional(),
})
export const jobDetailShape = jobDescriptionShape.extend({ steps: z.array(jobStepShape) })
export const logLineShape = z.object({
  id: z.int(),
  at: timestampShape,
  level: z.enum(['info', 'warning', 'error']),
  code: z.string().optional(),
  message: z.string(),
  item: z.string().optional(),
})

export const onDemandShape = z.object({
  kind: z
    .enum(['synchronise-and-point', 'point-only', 'synchronise-only', 'express-full', 'incremental', 'online'])
    .default('synchronise-and-point'),
})
/** `isHeavy`: reads every byte of the source, not only what looks changed. */
export const checkShape = z.object({ isHeavy: z.boolean().default(false) })
/** On the machine of the server; stands for the path of the data source. */
export const loadReplicaShape = z.object({ folder: z.string().min(1).max(4096) })

export const pointDescriptionShape = z.object({
  id: idShape,
  sourceId: idShape,
  poolId: idShape,
  kind: z.string(),
  state: z.string(),
  started: timestampShape,
  finished: timestampShape,
  bytes: z.int(),
  files: z.int(),
  storedBytes: z.int(),
  warnings: z.int(),
  expires: timestampShape.optional(),
  pinnedUntil: timestampShape.optional(),
  pinNote: z.string().optional(),
  hasLegalHold: z.boolean(),
  verified: timestampShape.optional(),
  verifiedResult: z.enum(['good', 'damaged']).optional(),
})
export const pointQueryShape = pageQueryShape.extend({
  source: idShape.optional(),
  state: z.enum(['valid', 'expired', 'pruned']).optional(),
  from: timestampShape.optional(),
  until: timestampShape.optional(),
})
export const pinShape = z.object({ until: timestampShape.optional(), note: z.string().max(500).optional() })
export const holdShape = z.object({ hasLegalHold: z.boolean() })
export const whyShape = z.object({
  pointId: idShape,
  verdict: z.enum(['kept', 'goes', 'gone']),
  reasons: z.array(z.string()),
  expires: timestampShape.optional(),
})

export const deletionShape = z.object({
  id: idShape,
  sourceId: idShape,
  pointId: idShape,
  poolId: idShape,
  state: z.enum(['held', 'due', 'undone', 'deleted']),
  reason: z.string(),
  /** Why a person must agree. */
  holdReason: z.string().optional(),
  bytes: z.int().optional(),
  decided: timestampShape,
  due: timestampShape,
  ended: timestampShape.optional(),
})
export const deletionQueryShape = pageQueryShape.extend({
  source: idShape.optional(),
  state: z.enum(['held', 'due', 'undone', 'deleted']).optional(),
})
export const simulatedDayShape = z.object({
  date: z.string(),
  made: z.int(),
  kept: z.int(),
  needsPerson: z.boolean(),
  expired: z.array(z.object({ at: timestampShape, why: z.string() })),
})

export const alertDescriptionShape = z.object({
  id: idShape,
  code: z.string(),
  domainCode: z.int().optional(),
  severity: z.enum(['critical', 'warning', 'informational']),
  state: z.string(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  subjectName: z.string(),
  message: z.string(),
  hint: z.string(),
  details: details.optional(),
  jobId: idShape.optional(),
  raised: timestampShape,
  lastSeen: timestampShape,
  times: z.int(),
  ended: timestampShape.optional(),
  endedBy: z.string().optional(),
})
export const alertQueryShape = pageQueryShape.extend({
  state: z.enum(['open', 'inactive', 'all']).default('open'),
  severity: z.enum(['critical', 'warning', 'informational']).optional(),
})

const verdictShape = z.object({
  isAllowed: z.boolean(),
  message: z.string().optional(),
  code: z.string().optional(),
  domainCode: z.int().optional(),
})
export const gateStateShape = z.object({
  /** With which vault this server is registered, and whether that takes it for its own. */
  registration: z.object({ state: z.string(), vault: z.string().optional(), since: timestampShape.optional() }),
  connection: z.string(),
  subscription: z.string(),
  isConnected: z.boolean(),
  countdown: z.object({ ends: timestampShape, remainingMs: z.int(), urgency: z.string(), message: z.string() }).optional(),
  backupCloud: verdictShape,
  backupDisk: verdictShape,
  restoreCloud: verdictShape,
  restoreDisk: verdictShape,
})

export const sourceStatusShape = z.object({
  source: sourceDescriptionShape,
  isGreen: z.boolean(),
  /** Why not; empty: it is. */
  reasons: z.array(z.string()),
  /** The newest moment that can be restored from disk. */
  newestRestorable: timestampShape.optional(),
  /** The newest moment that can be restored from the vault. */
  newestInVault: timestampShape.optional(),
  /** What a loss at this moment would cost, as time. */
  atRiskMs: z.int().optional(),
  lastVerified: timestampShape.optional(),
  slaBreached: z.boolean(),
  next: timestampShape.optional(),
})
export const statusShape = z.object({
  at: timestampShape,
  isGreen: z.boolean(),
  sources: z.array(sourceStatusShape),
  agents: z.object({ connected: z.int(), total: z.int() }),
  jobs: z.object({ running: z.int(), waiting: z.int() }),
  alerts: z.object({ critical: z.int(), warning: z.int(), informational: z.int() }),
  pools: z.array(z.object({ id: idShape, name: z.string(), sizeBytes: z.int(), usedBytes: z.int(), freeBytes: z.int() })),
  frozen: z.string().optional(),
})

export const channelShape = z.object({
  id: idShape,
  kind: z.enum(['smtp', 'webhook', 'heartbeat']),
  name: z.string(),
  options: details,
  hasSecret: z.boolean(),
  severities: z.array(z.enum(['critical', 'warning', 'informational'])),
  isEnabled: z.boolean(),
  version: z.int(),
})
const httpUrl = z
  .string()
  .max(1000)
  .regex(/^https?:\/\/[^\s/?#@\\]+(?:[/?#][^\s\\]*)?$/, 'must be an http or https address, without a name and password')
const mailAddress = z
  .string()
  .max(320)
  .regex(/^[^\s@<>,]+@[^\s@<>,]+$/, 'must be an e-mail address')
export const smtpOptionsShape = z.strictObject({
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535).default(587),
  /** `tls`: from the first byte; `starttls`: demanded; `none`: as it is, for a relay on this machine. */
  security: z.enum(['tls', 'starttls', 'none']).default('starttls'),
  from: mailAddress,
  /** 218, 245: without one there is nobody to notify. */
  to: z.array(mailAddress).min(1, 'at least one recipient').max(100),
  user: z.string().max(320).optional(),
})
export const webhookOptionsShape = z.strictObject({ url: httpUrl })
export const heartbeatOptionsShape = z.strictObject({ url: httpUrl, everyMinutes: z.int().min(1).max(1440).default(5) })
const channelBase = {
  name: z.string().trim().min(1).max(64),
  severities: z
    .array(z.enum(['critical', 'warning', 'informational']))
    .max(3)
    .default(['critical', 'warning']),
  isEnabled: z.boolean().default(true),
  /** A password, or the key of a webhook's signature. Kept when it is left out of a change. */
  secret: z.string().min(1).max(1024).optional(),
}
export const channelInputShape = z.discriminatedUnion('kind', [
  z.strictObject({ ...channelBase, kind: z.literal('smtp'), options: smtpOptionsShape }),
  z.strictObject({ ...channelBase, kind: z.literal('webhook'), options: webhookOptionsShape }),
  z.strictObject({ ...channelBase, kind: z.literal('heartbeat'), options: heartbeatOptionsShape }),
])
export const deliveryShape = z.object({
  id: idShape,
  event: z.string(),
  state: z.string(),
  attempts: z.int(),
  created: timestampShape,
  ended: timestampShape.optional(),
  lastError: z.string().optional(),
})

export type JobDescription = z.infer<typeof jobDescriptionShape>
export type SourceDescription = z.infer<typeof sourceDescriptionShape>
export type SourceStatus = z.infer<typeof sourceStatusShape>
export type AgentDescription = z.infer<typeof agentDescriptionShape>
