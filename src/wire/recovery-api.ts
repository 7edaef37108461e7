/** The server's API, where people look into recovery points, search, and restore. Paths are absolute; as bytes in base64, since names need not be text. */
import { z } from 'zod'
import { idShape, timestampShape } from './shapes.ts'

const pathText = z
  .string()
  .max(24_000)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64')
const cursorText = z.string().max(8000).optional()
const limitShape = z.coerce.number().int().min(1).max(1000).default(250)

export const entryShape = z.object({
  path: z.string(),
  /** For people. */
  text: z.string(),
  name: z.string(),
  kind: z.string(),
  sizeBytes: z.number(),
  modified: timestampShape,
  mode: z.int(),
  uid: z.number(),
  gid: z.number(),
  userName: z.string().optional(),
  groupName: z.string().optional(),
  target: z.string().optional(),
  links: z.number(),
  isSparse: z.boolean(),
  isUnsettled: z.boolean(),
  xattrs: z.array(z.string()),
})

export const entryQueryShape = z.object({ path: pathText.default('') })
export const folderQueryShape = z.object({ path: pathText.default(''), limit: limitShape, cursor: cursorText })
export const folderPageShape = z.object({ items: z.array(entryShape), next: z.string().optional() })

export const versionsQueryShape = z.object({
  path: pathText,
  limit: z.coerce.number().int().min(1).max(200).default(100),
  cursor: cursorText,
})
export const versionShape = z.object({
  pointId: idShape,
  finished: timestampShape,
  /** Absent where the point has no such path. */
  entry: entryShape.optional(),
  /** As in the point before it, or absent there as well. */
  isSameAsBefore: z.boolean(),
})
/** The newest first. */
export const versionsShape = z.object({ items: z.array(versionShape), next: z.string().optional() })

export const differencesQueryShape = z.object({ with: idShape, limit: limitShape, cursor: cursorText })
export const differenceShape = z.object({
  change: z.enum(['added', 'removed', 'content', 'metadata', 'type']),
  before: entryShape.optional(),
  after: entryShape.optional(),
})
export const differencesShape = z.object({ items: z.array(differenceShape), next: z.string().optional() })

export const planShape = z.object({ paths: z.array(pathText).min(1).max(1000).optional() })
/** 250: synchronisations and recovery points that are due on the machine before the recovery could have ended. They are cancelled when it is started. */
export const cancelledByRecoveryShape = z.array(
  z.object({ jobId: idShape, type: z.string(), due: timestampShape, sourceId: idShape.optional() }),
)
export const plannedShape = z.object({
  files: z.number(),
  folders: z.number(),
  others: z.number(),
  /** Of content: what is written at the target, at most. */
  bytes: z.number(),
  /** What is read from the pool volume and sent. */
  storedBytes: z.number(),
  chunks: z.number(),
  /** Chosen, and not in the recovery point. */
  absent: z.array(z.string()),
  /** What a restore to where the data came from would cancel (250). */
  cancels: cancelledByRecoveryShape,
})

export const recoveryStartedShape = z.object({ jobId: idShape, cancelled: cancelledByRecoveryShape })

export const createGrantShape = z.object({
  agentId: idShape,
  /** Absent: everything. */
  paths: z.array(pathText).min(1).max(1000).optional(),
})
export const grantShape = z.object({ grant: idShape, expires: timestampShape })

export const restoreShape = z.object({
  /** Absent: everything. */
  paths: z.array(pathText).min(1).max(1000).optional(),
  /** A folder of the machine that is restored to; `/` for where everything was. */
  target: pathText.min(1),
  overwrite: z.enum(['never', 'if-changed', 'always', 'copy']).default('never'),
  /** Whose owners, modes and ACLs what is restored gets: those of the recovery point, or what the folder says in which it comes to lie. */
  security: z.enum(['recovery-point', 'destination']).default('recovery-point'),
  dryRun: z.boolean().default(false),
  /** E-mail addresses that are told how it ended; needs a channel for mail (219, 243). */
  notify: z
    .array(
      z
        .string()
        .max(320)
        .regex(/^[^\s@<>,]+@[^\s@<>,]+$/, 'must be an e-mail address'),
    )
    .min(1, 'at least one recipient')
    .max(20)
    .optional(),
  /** Bytes a second. */
  throttle: z.int().min(1).optional(),
  /** Of a grant: to the machine that it names. Absent: to where the data came from. */
  grant: idShape.optional(),
})

export const searchQueryShape = z.object({
  /** Part of a name; with `*` and `?`, the whole name. */
  name: z.string().trim().min(1).max(255),
  sourceId: idShape.optional(),
  /** In this folder, or anywhere below it. */
  below: z.string().max(4096).optional(),
  limit: limitShape,
  cursor: cursorText,
})
export const searchHitShape = z.object({
  sourceId: idShape,
  path: z.string(),
  text: z.string(),
  name: z.string(),
  kind: z.string(),
  /** The newest recovery point that has it. */
  pointId: idShape,
  /** Of the first and the last recovery point that has it. */
  first: timestampShape,
  last: timestampShape,
  points: z.number(),
  /** Whether the newest recovery point of the data source has it. */
  isThere: z.boolean(),
})
export const searchAnswerShape = z.object({
  items: z.array(searchHitShape),
  next: z.string().optional(),
  /** Data sources whose newest recovery points are still being read. */
  pending: z.array(idShape),
})

export type SearchHit = z.infer<typeof searchHitShape>
