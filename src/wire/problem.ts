/** Errors on the wire: RFC 9457 problem details with our code, kind, retry and hint. */
import { z } from 'zod'
import type { PlainError } from '../base/errors.ts'
import { TerpError } from '../base/errors.ts'
import type { Peer } from './errors.ts'

export const problemType = 'application/problem+json'

const kinds = [
  'invalid',
  'not-found',
  'conflict',
  'locked',
  'unauthenticated',
  'forbidden',
  'unavailable',
  'exhausted',
  'corrupt',
  'cancelled',
  'internal',
] as const

/** Which codes the other end may make us raise; `CANCELLED`, for one, it may not. */
const FOREIGN_CODE: Readonly<Record<Peer, RegExp>> = {
  vault: /^(VAULT|CREDENTIALS|STORAGE)_[A-Z_]{2,60}$|^INTERNAL$/,
  server: /^(SERVER|AGENT|SESSION|VIEW|STORAGE|PACK|CHUNK|REPOSITORY|TREE|GROUP|JOB)_[A-Z_]{2,60}$|^INTERNAL$/,
}

export const problemShape = z.object({
  type: z.string().max(200),
  title: z.string().max(200),
  status: z.int(),
  detail: z.string().max(2000),
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,70}$/),
  kind: z.enum(kinds),
  retry: z.enum(['never', 'later', 'elsewhere']),
  hint: z.string().max(1000),
  context: z.record(z.string(), z.unknown()).default({}),
  requestId: z.string().max(64).optional(),
})

export type Problem = z.infer<typeof problemShape>

export function toProblem(error: PlainError, status: number, requestId: string): Problem {
  const { code, kind, retry, hint, message, context } = error
  return { type: `urn:terp:error:${code}`, title: code, status, detail: message, code, kind, retry, hint, context, requestId }
}

/** Undefined when the bytes are not one of our problems. */
export function fromProblem(bytes: Uint8Array, peer: Peer = 'vault'): TerpError | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    // A proxy's page, say; the caller judges by the status.
    return undefined
  }
  const parsed = problemShape.safeParse(json)
  if (!parsed.success || !FOREIGN_CODE[peer].test(parsed.data.code)) return undefined
  const { code, kind, retry, hint, detail, context, requestId } = parsed.data
  return new TerpError(code, { kind, retry, hint }, detail, { context: requestId === undefined ? context : { ...context, requestId } })
}
