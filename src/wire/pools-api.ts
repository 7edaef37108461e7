/** The server's API, where it is about pool volumes. */
import { z } from 'zod'
import { idShape, timestampShape } from './shapes.ts'

export const poolNameShape = z.string().trim().min(1).max(64)
export const folderShape = z.string().min(1).max(4096)
const workloadsShape = z.array(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/)).max(50)
/** 0 to 1: above it, people are warned, and nothing new is put there. */
const thresholdsShape = z.strictObject({ usage: z.number().min(0.1).max(1) })

export const fullnessShape = z.object({ sizeBytes: z.number(), usedBytes: z.number(), freeBytes: z.number() })

export const poolShape = z.object({
  id: idShape,
  name: z.string(),
  folder: z.string(),
  /** Kinds of data that may be put there; none: any. */
  workloads: z.array(z.string()),
  thresholds: thresholdsShape,
  state: z.enum(['active', 'evacuating', 'missing', 'removed']),
  created: timestampShape,
  version: z.int(),
  isOpen: z.boolean(),
  /** Of its disk; absent when that does not answer. */
  usage: fullnessShape.optional(),
})
export const poolsShape = z.object({ items: z.array(poolShape) })

export const createPoolShape = z.object({
  name: poolNameShape,
  folder: folderShape,
  /** The folder, typed once more. */
  confirm: z.string().max(4096),
  workloads: workloadsShape.optional(),
  thresholds: thresholdsShape.optional(),
})
/** The words open the pool without this server. Shown once. */
export const createdPoolShape = z.object({ pool: poolShape, recoveryWords: z.string() })
export const changePoolShape = z.object({
  name: poolNameShape.optional(),
  workloads: workloadsShape.optional(),
  thresholds: thresholdsShape.optional(),
})
export const removePoolShape = z.object({ confirm: z.string().max(200) })

export const forecastShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('full-at'), at: timestampShape, bytesPerDay: z.number(), fit: z.number() }),
  z.object({ kind: z.literal('not-growing'), bytesPerDay: z.number() }),
  z.object({ kind: z.literal('not-enough-data'), why: z.string() }),
  z.object({ kind: z.literal('full') }),
])
export const poolUsageQueryShape = z.object({ days: z.coerce.number().int().min(1).max(3650).default(90) })
export const poolUsageShape = z.object({
  now: fullnessShape.optional(),
  /** As it was measured last. */
  reclaimableBytes: z.number().optional(),
  history: z.array(fullnessShape.extend({ at: timestampShape })),
  forecast: forecastShape,
})

export const verifyPoolShape = z.object({
  /** Every stored byte, not only whether all of it is there. */
  readData: z.boolean().default(false),
})
export const prunePoolShape = z.object({ dryRun: z.boolean().default(false) })
/** The job that does it. */
export const jobStartedShape = z.object({ jobId: idShape })
export const moveSourceShape = z.object({ poolId: idShape })
/** A job for each data source, and the volume to which it goes. */
export const evacuationShape = z.object({ jobs: z.array(z.object({ jobId: idShape, sourceId: idShape, to: idShape })) })

export type PoolDescription = z.infer<typeof poolShape>
export type PoolUsageDescription = z.infer<typeof poolUsageShape>
