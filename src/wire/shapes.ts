/** The small shapes that the others are made of. */
import { z } from 'zod'

export const idShape = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits')
export const sha256Shape = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
export const tokenShape = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 256 bits in base64url')
export const timestampShape = z.iso.datetime()
export const base64Shape = z
  .string()
  .max(1000)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')

export const vaultNameShape = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{1,49}$/, 'must have 2 to 50 letters, digits, or hyphens, and begin with a letter')
export const serverNameShape = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'must have 1 to 63 letters, digits, dots, hyphens, or underscores, and begin with a letter or digit',
  )
export const redundancyShape = z.enum(['lrs', 'grs'])
/** Whitespace is refused because URL parsers drop it silently, and the address is part of a signed text. */
export const urlShape = z
  .string()
  .max(300)
  .regex(/^https?:\/\/[^\s]+$/, 'must be an http or https address')

export type Redundancy = z.infer<typeof redundancyShape>

/** The first thing that is wrong, for people. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (!issue) return 'the shape is wrong'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
