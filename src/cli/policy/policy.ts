/** The policy of a server as a file: settings, pool volumes, protection groups. A section that the file does not have is none of its business. */
import { z } from 'zod'
import { changePoolShape, createPoolShape, firstIssue } from '../../wire/index.ts'
import { cliError } from '../errors.ts'
import type { Document, YamlFile } from './documents.ts'

const documentShape = z.record(z.string(), z.unknown())

const policyShape = z.strictObject({
  /** By the name of a setting; keys that are left out stay as they are. */
  settings: z.record(z.string().regex(/^[a-z][a-z-]{0,40}$/), documentShape).optional(),
  pools: z
    .array(z.strictObject({ ...createPoolShape.omit({ confirm: true }).shape, ...changePoolShape.omit({ name: true }).shape }))
    .optional(),
  groups: z.array(documentShape.and(z.object({ name: z.string().min(1) }))).optional(),
})

export type Policy = z.output<typeof policyShape>
export type PolicyPool = NonNullable<Policy['pools']>[number]

/** POLICY_INVALID, with the line. */
export function readPolicy({ value, placeOf }: YamlFile): Policy {
  const parsed = policyShape.safeParse(value ?? {})
  if (!parsed.success) throw cliError('POLICY_INVALID', `${placeOf(issuePath(parsed.error))}: ${firstIssue(parsed.error)}`)
  for (const what of ['pools', 'groups'] as const) {
    const names = (parsed.data[what] ?? []).map(({ name }) => String(name))
    const i = names.findIndex((name, at) => names.indexOf(name) !== at)
    if (i !== -1) throw cliError('POLICY_INVALID', `${placeOf([what, i, 'name'])}: there are two ${what} with the name ${names[i]}`)
  }
  return parsed.data
}

/** Of the first thing that is wrong; a key that is not known is where it stands, not what holds it. */
export function issuePath(error: z.ZodError): readonly PropertyKey[] {
  const [issue] = error.issues
  if (!issue) return []
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  return [...issue.path, ...unknown]
}

export interface Difference {
  /** `shortTerm.retentionDays`. */
  readonly path: string
  readonly is: unknown
  readonly wanted: unknown
}

/** Where two documents differ, at the places where they do; lists as a whole. */
export function differencesOf(is: unknown, wanted: unknown, path = ''): Difference[] {
  if (isEqual(is, wanted)) return []
  if (!isPlain(is) || !isPlain(wanted)) return [{ path, is, wanted }]
  const keys = [...new Set([...Object.keys(is), ...Object.keys(wanted)])].sort()
  return keys.flatMap((key) => differencesOf(is[key], wanted[key], path === '' ? key : `${path}.${key}`))
}

function isPlain(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, i) => isEqual(each, b[i]))
  if (!isPlain(a) || !isPlain(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => isEqual(a[key], b[key]))
}
