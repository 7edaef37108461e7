/** The server's API, where it is about people and programs: set-up, sessions, accounts, second factors, tokens, audit, settings. */
import { z } from 'zod'
import { idShape, sha256Shape, timestampShape } from './shapes.ts'

/** Every route of the server's API is below it. */
export const apiBase = '/api/v1'
export const sessionCookie = '__Host-terp'

export const apiHeaders = {
  /** Of a request by a session that changes something: the token that `GET /session` gave. */
  csrf: 'terp-csrf',
  idempotencyKey: 'idempotency-key',
  /** Of an answer with a problem: its code. */
  code: 'terp-code',
} as const

export const roleShape = z.enum(['reader', 'operator', 'backup-admin', 'security-admin', 'auditor'])
export const rolesShape = z.array(roleShape).min(1, 'at least one role').max(5)

export const pageQueryShape = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(500).optional(),
})

export function pageShape<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    /** To be given as `cursor`; absent on the last page. */
    next: z.string().optional(),
  })
}

/** Counted in bytes of UTF-8 where it is hashed: a longer one would only cost memory. */
export const passwordLimits = { leastCharacters: 12, mostBytes: 1024 } as const
/** A new one. */
export const newPasswordShape = z
  .string()
  .min(passwordLimits.leastCharacters, `at least ${passwordLimits.leastCharacters} characters`)
  .max(passwordLimits.mostBytes)
/** One to be compared: whatever it is. */
export const passwordShape = z.string().min(1).max(passwordLimits.mostBytes)

export const accountNameShape = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/,
    'must have 1 to 63 letters, digits, dots, hyphens, underscores, or @, and begin with a letter or digit',
  )
export const totpCodeShape = z.string().regex(/^\d{6}$/, 'must be 6 digits')
export const recoveryCodeShape = z.string().regex(/^[A-Za-z0-9]{5}-?[A-Za-z0-9]{5}$/, 'must be two groups of 5 letters and digits')

/** The proof that a person has the second factor: one of the two. */
const secondFactor = { totp: totpCodeShape.optional(), recoveryCode: recoveryCodeShape.optional() }

export const setupShape = z.object({ secret: z.string().max(100), name: accountNameShape, password: newPasswordShape })
export const setupStateShape = z.object({ isDone: z.boolean() })

export const signInShape = z.object({ name: z.string().min(1).max(200), password: passwordShape, ...secondFactor })
export const stepUpShape = z.object({ password: passwordShape, ...secondFactor })

export const accountShape = z.object({
  id: idShape,
  name: z.string(),
  roles: z.array(roleShape),
  isDisabled: z.boolean(),
  mustChangePassword: z.boolean(),
  hasTotp: z.boolean(),
  /** Its password is the directory's. */
  isOfDirectory: z.boolean(),
  created: timestampShape,
  passwordChanged: timestampShape,
  lastSignIn: timestampShape.optional(),
  version: z.int(),
})

export const callerShape = z.object({
  account: accountShape,
  kind: z.enum(['session', 'token']),
  /** Of a token perhaps fewer than the account has. */
  roles: z.array(roleShape),
  /** Ids of the groups that a token reaches; absent: all. */
  groups: z.array(idShape).optional(),
  expires: timestampShape,
  /** Until then, acts that need a fresh proof are allowed. */
  steppedUpUntil: timestampShape.optional(),
  /** To be sent with every request by which this session changes something. */
  csrfToken: z.string().optional(),
  /** What this account must do before it may do anything else. */
  mustDo: z.array(z.enum(['change-password', 'enrol-totp'])),
})

export const browserSessionShape = z.object({
  id: idShape,
  isThis: z.boolean(),
  created: timestampShape,
  lastUsed: timestampShape,
  expires: timestampShape,
  address: z.string(),
  client: z.string(),
})

/** `isOfDirectory`: signs in with the password that the directory knows under this name. */
export const createAccountShape = z.object({ name: accountNameShape, roles: rolesShape, isOfDirectory: z.boolean().default(false) })
/** The password is shown once: the person changes it at the first sign-in. None of an account of the directory. */
export const createdAccountShape = z.object({ account: accountShape, password: z.string().optional() })
export const changeAccountShape = z.object({ roles: rolesShape.optional(), isDisabled: z.boolean().optional() })
export const resetAccountShape = z.object({ password: z.boolean().default(false), totp: z.boolean().default(false) })
export const resetDoneShape = z.object({ account: accountShape, password: z.string().optional() })
export const changePasswordShape = z.object({ password: passwordShape, newPassword: newPasswordShape })

export const totpOfferShape = z.object({ secret: z.string(), uri: z.string() })
export const confirmTotpShape = z.object({ totp: totpCodeShape })
/** Shown once. */
export const recoveryCodesShape = z.object({ recoveryCodes: z.array(z.string()) })

export const tokenNameShape = z.string().trim().min(1).max(64)
export const createTokenShape = z.object({
  name: tokenNameShape,
  roles: rolesShape,
  groups: z.array(idShape).max(100).optional(),
  /** At most a year. */
  days: z.int().min(1).max(366).default(90),
})
export const tokenDescriptionShape = z.object({
  id: idShape,
  accountId: idShape,
  name: z.string(),
  roles: z.array(roleShape),
  groups: z.array(idShape).optional(),
  created: timestampShape,
  expires: timestampShape,
  lastUsed: timestampShape.optional(),
  revoked: timestampShape.optional(),
})
/** `secret`: shown once. */
export const createdTokenShape = z.object({ token: tokenDescriptionShape, secret: z.string() })

export const auditEntryShape = z.object({
  sequence: z.int(),
  at: timestampShape,
  actor: z.object({ kind: z.enum(['account', 'token', 'agent', 'server', 'nobody']), id: z.string(), name: z.string() }),
  address: z.string(),
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  outcome: z.enum(['done', 'refused', 'failed']),
  details: z.record(z.string(), z.unknown()),
  sha256: sha256Shape,
})
export const auditQueryShape = pageQueryShape.extend({
  actor: idShape.optional(),
  action: z.string().max(100).optional(),
  from: timestampShape.optional(),
  until: timestampShape.optional(),
})
export const auditVerifyShape = z.object({ anchor: z.object({ sequence: z.int().min(0), sha256: sha256Shape }).optional() })
export const auditVerdictShape = z.object({
  entries: z.int(),
  head: z.object({ sequence: z.int(), sha256: sha256Shape }),
  broken: z.object({ sequence: z.int(), why: z.string() }).optional(),
})

export type AccountDescription = z.infer<typeof accountShape>
export type CallerDescription = z.infer<typeof callerShape>
export type SessionDescription = z.infer<typeof browserSessionShape>
export type TokenDescription = z.infer<typeof tokenDescriptionShape>
export type AuditDescription = z.infer<typeof auditEntryShape>
