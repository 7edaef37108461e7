/** A rule that says no, as data: several can be told at once. `refusalError` makes a TerpError of it where one has to be thrown. */
import type { TerpError } from '../base/errors.ts'
import { DOMAIN_CODES, type ProtectionCode, protectionError } from './errors.ts'

export interface Refusal {
  readonly code: ProtectionCode
  /** The domain's number for the rule, where it has one. */
  readonly domainCode?: number
  /** A warning does not stop anything. */
  readonly severity: 'refusal' | 'warning'
  /** What was seen. */
  readonly message: string
  /** What to do. */
  readonly hint: string
  /** Where in the thing that was checked, as `members.0.selection`; empty for the whole. */
  readonly path: string
}

export interface RefusalDetails {
  readonly path?: string
  /** Replaces the catalogue's hint where a better one is known. */
  readonly hint?: string
  /** Replaces the number of the catalogue where several belong to one rule. */
  readonly domainCode?: number
}

export function refuse(code: ProtectionCode, message: string, details: RefusalDetails = {}): Refusal {
  const domainCode = details.domainCode ?? DOMAIN_CODES[code]
  const hint = details.hint ?? protectionError.catalogue[code].hint
  return { code, ...(domainCode === undefined ? {} : { domainCode }), severity: 'refusal', message, hint, path: details.path ?? '' }
}

export function warn(code: ProtectionCode, message: string, details: RefusalDetails = {}): Refusal {
  return { ...refuse(code, message, details), severity: 'warning' }
}

export const isRefused = (refusals: readonly Refusal[]): boolean => refusals.some((refusal) => refusal.severity === 'refusal')

/** The error for one refusal. `domain_code` in its context is what people see as "DPM 133". */
export function refusalError(refusal: Refusal): TerpError {
  const { code, message, hint, path, domainCode } = refusal
  return protectionError(code, message, {
    hint,
    context: { ...(domainCode === undefined ? {} : { domain_code: domainCode }), ...(path === '' ? {} : { path }) },
  })
}
