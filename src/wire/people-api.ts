/** The server's API, where it is about a directory of people, and about acts that need a second person. */
import { z } from 'zod'
import { pageQueryShape, passwordShape, roleShape } from './access-api.ts'
import { idShape, timestampShape } from './shapes.ts'

export const directoryPasswordShape = z.strictObject({ password: passwordShape })
export const directoryTestShape = z.strictObject({ name: z.string().min(1).max(200) })
export const directoryTestedShape = z.object({
  isReached: z.boolean(),
  isFound: z.boolean(),
  name: z.string().optional(),
  dn: z.string().optional(),
  isDisabled: z.boolean().optional(),
  roles: z.array(roleShape).optional(),
  /** Why it could not be asked. */
  problem: z.string().optional(),
})

export const approvalShape = z.object({
  id: idShape,
  /** The name of the act, as in the audit log. */
  act: z.string(),
  summary: z.string(),
  /** What exactly: parameters of the path, of the query, and the body. */
  request: z.object({ params: z.unknown().optional(), query: z.unknown().optional(), body: z.unknown().optional() }),
  requestedBy: z.object({ id: idShape, name: z.string() }),
  requested: timestampShape,
  expires: timestampShape,
  /** `approved`: being carried out, or the server stopped during it. */
  state: z.enum(['waiting', 'approved', 'done', 'failed', 'refused', 'expired']),
  decidedBy: z.object({ id: idShape, name: z.string() }).optional(),
  decided: timestampShape.optional(),
  reason: z.string().optional(),
  failureCode: z.string().optional(),
})
/** Answer of 202 where an act waits for a second person. */
export const approvalNeededShape = z.object({ approval: approvalShape })
/** `result`: what the act itself answered. */
export const approvalDoneShape = z.object({ approval: approvalShape, result: z.unknown().optional() })
export const approvalQueryShape = pageQueryShape.extend({ waiting: z.stringbool().default(false) })
export const refuseApprovalShape = z.strictObject({ reason: z.string().trim().max(500).default('') })

export type ApprovalDescription = z.infer<typeof approvalShape>
