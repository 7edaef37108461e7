/** What an agent and its backup server say to each other: paths, headers, limits, and the shape of every request and answer. docs/protocol.md. */
import { z } from 'zod'
import { idShape, timestampShape, tokenShape } from './shapes.ts'

/** Of this program; each side speaks all that it lists. */
export const AGENT_PROTOCOLS = [1] as const

export const agentPaths = {
  enrolments: '/agent/v1/enrolments',
  hello: '/agent/v1/hello',
  commands: '/agent/v1/commands',
  events: (jobId: string) => `/agent/v1/jobs/${jobId}/events`,
  replies: (commandId: string) => `/agent/v1/commands/${commandId}/reply`,
  /** A part of the agent's own program, from that byte on. */
  bundle: (sha256: string, offset: number | string) => `/agent/v1/bundles/${sha256}/${offset}`,
  sessions: '/agent/v1/sessions',
  session: (sessionId: string) => `/agent/v1/sessions/${sessionId}`,
  objects: (sessionId: string) => `/agent/v1/sessions/${sessionId}/objects`,
  /** Names of objects need no escaping (docs/format.md §2), and an escaped one is refused. */
  object: (sessionId: string, name: string) => `/agent/v1/sessions/${sessionId}/objects/${name}`,
} as const

export const agentHeaders = {
  agent: 'terp-agent',
  /** Given by the answer to `hello`: an agent that begins anew makes its earlier self invalid. */
  epoch: 'terp-epoch',
  /** Rises with each request of one `lane`. */
  counter: 'terp-counter',
  lane: 'terp-lane',
  time: 'terp-time',
  /** SHA-256 of the body; or `name` where the object's name is the hash of the body, which the server checks anyway. */
  content: 'terp-content',
  signature: 'terp-signature',
  code: 'terp-code',
} as const

export const agentLimits = {
  bodyBytes: 72 * 1024 * 1024,
  jsonBytes: 4 * 1024 * 1024,
  clockSkewMs: 5 * 60_000,
  /** So long the server holds a request for commands when there are none. */
  pollMs: 25_000,
  /** Without a word of the agent, a job counts as lost after this; every request and every event extends it. */
  leaseMs: 10 * 60_000,
  objectsPerPage: 5000,
  eventsPerRequest: 500,
  bundlePartBytes: 4 * 1024 * 1024,
  /** Of a running job, at least so often, although nothing happened. */
  heartbeatMs: 20_000,
} as const

const nameText = z.string().min(1).max(255)
/** Bytes of a path, which need not be text. */
export const pathShape = z
  .string()
  .max(24_000)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64')
const fingerprintShape = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')

/** What `terp agent enroll --token` is given: `terp1.` and this, as JSON in base64url. */
export const enrolmentTokenShape = z.object({
  url: z
    .string()
    .max(300)
    .regex(/^https:\/\/[^\s]+$/, 'must be an https address'),
  /** SHA-256 of the public key (SPKI) of the server's certificate. */
  server: fingerprintShape,
  token: tokenShape,
})

export const platformShape = z.object({
  os: nameText,
  release: nameText,
  arch: nameText,
  hostname: nameText,
  cpus: z.int().min(1).max(100_000),
  memoryBytes: z.int().min(0),
  /** Runs from one file, and its administrator lets the server replace that. */
  takesUpdates: z.boolean().optional(),
})

export const enrolmentShape = z.object({
  token: tokenShape,
  name: nameText,
  protocols: z.array(z.int()).min(1).max(100),
  version: nameText,
  platform: platformShape,
})
export const enrolledShape = z.object({ agentId: idShape, serverId: idShape, name: nameText, protocol: z.int() })

export const helloShape = z.object({
  protocols: z.array(z.int()).min(1).max(100),
  version: nameText,
  platform: platformShape,
  /** Jobs that this process still works on, after a connection was lost. */
  jobs: z.array(idShape).max(1000).default([]),
})
export const helloAnswerShape = z.object({
  epoch: z.int().min(1),
  protocol: z.int(),
  serverTime: timestampShape,
  serverVersion: nameText,
  /** Jobs that the server gave up meanwhile: the agent stops them. */
  abandoned: z.array(idShape),
})

const scriptArgumentsShape = z.array(z.string().max(4096)).max(100)
const scriptsShape = z.object({
  /** Absolute paths of programs on the agent, that its administrator allowed there. */
  before: z.string().max(4096).optional(),
  beforeArguments: scriptArgumentsShape.optional(),
  after: z.string().max(4096).optional(),
  afterArguments: scriptArgumentsShape.optional(),
  timeoutMs: z
    .int()
    .min(1000)
    .max(24 * 3_600_000),
})

const throttleChangeShape = z.object({ at: timestampShape, throttle: z.int().min(1).optional() })

export const backupTaskShape = z.object({
  kind: z.literal('backup'),
  jobId: idShape,
  workload: nameText,
  /** The data source's id: the engine's source. */
  source: idShape,
  paths: z.array(pathShape).min(1).max(10_000),
  excludes: z.array(z.string().max(4096)).max(10_000),
  excludeCaches: z.boolean(),
  oneFileSystem: z.boolean(),
  forceRead: z.boolean(),
  rereadPercent: z.int().min(0).max(100),
  snapshot: z.enum(['if-possible', 'required', 'never']),
  scripts: scriptsShape.optional(),
  /** `hard`: fewer bytes for more work of the agent. All is compressed in any case. */
  compression: z.enum(['usual', 'hard']).optional(),
  /** Bytes a second; undefined for as fast as it goes. */
  throttle: z.int().min(1).optional(),
  /** What that becomes while the job runs, in order. */
  throttleChanges: z.array(throttleChangeShape).max(100).optional(),
})

export const restoreTaskShape = z.object({
  kind: z.literal('restore'),
  jobId: idShape,
  target: pathShape,
  /** Of the recovery point; all of it without. */
  paths: z.array(pathShape).max(10_000).optional(),
  overwrite: z.enum(['never', 'if-changed', 'always', 'copy']),
  /** Whose owners, modes and ACLs. */
  security: z.enum(['recovery-point', 'destination']).optional(),
  dryRun: z.boolean(),
  throttle: z.int().min(1).optional(),
})

export const updateTaskShape = z.object({
  kind: z.literal('update'),
  jobId: idShape,
  version: nameText,
  /** Of the whole file: what comes with another is thrown away. */
  sha256: fingerprintShape,
  sizeBytes: z.int().min(1).max(1_073_741_824),
})

export const browseTaskShape = z.object({ kind: z.literal('browse'), path: pathShape, limit: z.int().min(1).max(10_000) })
export const discoverTaskShape = z.object({ kind: z.literal('discover') })
export const cancelTaskShape = z.object({ kind: z.literal('cancel'), jobId: idShape })

export const taskShape = z.discriminatedUnion('kind', [
  backupTaskShape,
  restoreTaskShape,
  updateTaskShape,
  browseTaskShape,
  discoverTaskShape,
  cancelTaskShape,
])
export const commandShape = z.object({ id: idShape, task: taskShape })
export const commandsShape = z.object({ commands: z.array(commandShape) })
/** Commands that the agent has taken: they are not given again. */
export const pollShape = z.object({ taken: z.array(idShape).max(1000).default([]) })

export const progressShape = z.object({
  phase: nameText,
  filesDone: z.int().min(0),
  filesTotal: z.int().min(0).optional(),
  bytesDone: z.int().min(0),
  bytesTotal: z.int().min(0).optional(),
})
const warningShape = z.object({ code: nameText, message: z.string().max(4000), item: z.string().max(8000).optional() })
const errorShape = z.object({
  code: nameText,
  kind: nameText,
  message: z.string().max(8000),
  hint: z.string().max(2000),
  context: z.record(z.string(), z.unknown()).default({}),
})

export const eventShape = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), at: timestampShape }),
  z.object({ type: z.literal('step'), at: timestampShape, name: nameText, detail: z.string().max(2000).optional() }),
  z.object({ type: z.literal('progress'), at: timestampShape, progress: progressShape }),
  z.object({ type: z.literal('warning'), at: timestampShape, warning: warningShape }),
  z.object({ type: z.literal('finished'), at: timestampShape, report: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal('failed'), at: timestampShape, error: errorShape }),
])
/** `first` numbers the first event; those that the server has are passed over, so that a request may be repeated. */
export const eventsShape = z.object({ first: z.int().min(0), events: z.array(eventShape).max(agentLimits.eventsPerRequest) })
export const eventsAnswerShape = z.object({ next: z.int().min(0), cancel: z.boolean() })

export const openSessionShape = z.object({ jobId: idShape })
const keyText = z.string().max(100)
export const agentSessionShape = z.object({
  sessionId: idShape,
  kind: z.enum(['backup', 'restore']),
  /** Of the view, in base64: docs/adr/0015-an-agents-view.md. */
  masterKey: keyText,
  idKey: keyText,
  chunkingKey: keyText,
  /** Restore: the recovery point to take. */
  point: idShape.optional(),
})

export const itemShape = z.object({
  path: pathShape,
  text: z.string().max(24_000),
  kind: z.enum(['file', 'folder', 'symlink', 'other']),
  sizeBytes: z.int().min(0),
  modified: timestampShape.optional(),
})
export const replyShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('browse'), items: z.array(itemShape).max(10_000), isComplete: z.boolean() }),
  z.object({
    kind: z.literal('discover'),
    sources: z
      .array(
        z.object({
          workload: nameText,
          name: nameText,
          path: pathShape,
          sizeBytes: z.int().min(0),
          detail: z.record(z.string(), z.unknown()),
        }),
      )
      .max(10_000),
  }),
  z.object({ kind: z.literal('error'), error: errorShape }),
])

export type EnrolmentToken = z.infer<typeof enrolmentTokenShape>
export type Platform = z.infer<typeof platformShape>
export type AgentCommand = z.infer<typeof commandShape>
export type AgentTask = z.infer<typeof taskShape>
export type BackupTask = z.infer<typeof backupTaskShape>
export type RestoreTask = z.infer<typeof restoreTaskShape>
export type UpdateTask = z.infer<typeof updateTaskShape>
export type AgentEvent = z.infer<typeof eventShape>
export type AgentReply = z.infer<typeof replyShape>
export type AgentSession = z.infer<typeof agentSessionShape>
export type AgentHello = z.infer<typeof helloShape>

const TOKEN_PREFIX = 'terp1.'

export function encodeEnrolmentToken(token: EnrolmentToken): string {
  return TOKEN_PREFIX + Buffer.from(JSON.stringify(token)).toString('base64url')
}

/** Undefined when it is not one. */
export function decodeEnrolmentToken(text: string): EnrolmentToken | undefined {
  const trimmed = text.trim()
  if (!trimmed.startsWith(TOKEN_PREFIX)) return undefined
  try {
    const json: unknown = JSON.parse(Buffer.from(trimmed.slice(TOKEN_PREFIX.length), 'base64url').toString('utf8'))
    const parsed = enrolmentTokenShape.safeParse(json)
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined // it comes from a person's clipboard
  }
}
