/**
 * One error class for the whole program. Callers branch on `code` or `kind`, never on text (docs/errors.md).
 * Each room declares its codes in an `errors.ts` of its own with `defineErrors`.
 */
export type ErrorKind =
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'locked'
  | 'unauthenticated'
  | 'forbidden'
  | 'unavailable'
  | 'exhausted'
  | 'corrupt'
  | 'cancelled'
  | 'internal'

export type Retry = 'never' | 'later' | 'elsewhere'

export interface ErrorDefinition {
  readonly kind: ErrorKind
  /** Defaults to `never`. */
  readonly retry?: Retry
  /** One sentence for the operator: what to do. */
  readonly hint: string
}

export interface ErrorDetails {
  readonly cause?: unknown
  /** Plain data, never secrets. */
  readonly context?: Readonly<Record<string, unknown>>
  /** Replaces the catalogue's hint where a better one is known. */
  readonly hint?: string
}

export class TerpError extends Error {
  readonly code: string
  readonly kind: ErrorKind
  readonly retry: Retry
  readonly hint: string
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: string, definition: ErrorDefinition, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'TerpError'
    this.code = code
    this.kind = definition.kind
    this.retry = definition.retry ?? 'never'
    this.hint = details.hint ?? definition.hint
    this.context = details.context ?? {}
  }
}

/** Returns a maker of errors whose codes are exactly those of the catalogue; `catalogue` stays readable for docs.test.ts. */
export function defineErrors<C extends Record<string, ErrorDefinition>>(catalogue: C) {
  const make = (code: keyof C & string, message: string, details?: ErrorDetails): TerpError =>
    new TerpError(code, catalogue[code] as ErrorDefinition, message, details)
  return Object.assign(make, { catalogue })
}

/** What crosses a worker boundary or a wire: an error without its stack. */
export interface PlainError {
  readonly code: string
  readonly kind: ErrorKind
  readonly retry: Retry
  readonly hint: string
  readonly message: string
  readonly context: Readonly<Record<string, unknown>>
}

export const baseError = defineErrors({
  CANCELLED: { kind: 'cancelled', hint: 'Run the command again; what was already stored is not sent again.' },
  INTERNAL: { kind: 'internal', hint: 'This is a bug in Terp: report it with the command and this message.' },
})

export function toPlainError(error: unknown): PlainError {
  const known = asTerpError(error)
  const { code, kind, retry, hint, message, context } = known
  return { code, kind, retry, hint, message, context }
}

export function fromPlainError(plain: PlainError): TerpError {
  return new TerpError(plain.code, plain, plain.message, { context: plain.context })
}

/** Every failure that is not ours is INTERNAL: a bug, or a case that nobody thought of. */
export function asTerpError(error: unknown): TerpError {
  if (error instanceof TerpError) return error
  if (error instanceof Error && error.name === 'AbortError') return baseError('CANCELLED', 'interrupted', { cause: error })
  const text = error instanceof Error ? error.message : String(error)
  return baseError('INTERNAL', text, { cause: error })
}

export function isKind(error: unknown, kind: ErrorKind): error is TerpError {
  return error instanceof TerpError && error.kind === kind
}

export function hasCode(error: unknown, code: string): error is TerpError {
  return error instanceof TerpError && error.code === code
}

/** For what cannot happen. Not caught below a program's main. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw baseError('INTERNAL', `invariant broken: ${why}`)
}
