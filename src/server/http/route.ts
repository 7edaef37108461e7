/**
 * A route says by itself who may use it: nothing is allowed that no route declares, and a test makes every combination of route, role and credential
 * from the table of routes. What is below knows no HTTP framework: a handler gets what was asked, and gives what is answered.
 */
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { AuditEvent, Records, Role } from '../../catalog/index.ts'
import { apiBase } from '../../wire/index.ts'
import type { Caller, KnownCaller } from '../auth/caller.ts'
import type { Subscription } from './event-hub.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** `anybody`: also who is not signed in. */
export type Access =
  | { readonly who: 'anybody' }
  | {
      readonly who: 'roles'
      /** One of them is enough. */
      readonly roles: readonly Role[]
      /** `groups`: a token that is limited to some groups may use it, and the handler keeps to them. `server`: such a token may not. */
      readonly scope: 'server' | 'groups'
      /** Password and code of the last five minutes. Programs with tokens can not give them. */
      readonly stepUp?: boolean
      /** Only by a person in a session: no token. */
      readonly sessionOnly?: boolean
      /** Also by an account that must change its password or enrol a second factor first. */
      readonly whileIncomplete?: boolean
    }

/** Who may read what the server shows to all who are signed in. */
export const everyRole = ['reader', 'operator', 'backup-admin', 'security-admin', 'auditor'] as const
/** Who may see what is protected. */
export const viewers = ['reader', 'operator', 'backup-admin', 'security-admin', 'auditor'] as const
/** Who runs backups and restores. */
export const operators = ['operator', 'backup-admin'] as const
/** Who decides what is protected, how, and where to. */
export const administrators = ['backup-admin'] as const
/** Who decides on accounts, and on what protects the backups from administrators. */
export const guardians = ['security-admin'] as const
export const auditors = ['auditor', 'security-admin'] as const

/** By the caller, unless somebody else is named: who was nobody until this request. */
export type RecordedEvent = Pick<AuditEvent, 'action' | 'subject' | 'details'> & Partial<Pick<AuditEvent, 'actor' | 'outcome'>>

export interface RouteRequest<C, P, Q, B> {
  readonly caller: C
  readonly params: P
  readonly query: Q
  readonly body: B
  /** From where: an address. */
  readonly address: string
  /** The program that asks, as it calls itself. */
  readonly client: string
  /** `https://name:port` as the caller reached this server. */
  readonly origin: string
  /** Of If-Match; present where the route demands it. */
  readonly expectedVersion: number
  /** Aborted when the caller hangs up or the server stops. */
  readonly signal: AbortSignal
  /**
   * Writes what was done to the audit log; with `records` of a transaction, in it. A route that changes something records it where it changes it.
   */
  record(event: RecordedEvent, records?: Records): Promise<void>
}

export interface Cookie {
  /** Null: to be forgotten. */
  readonly value: string | null
  readonly lifeMs: number
}

export interface RouteAnswer<A> {
  readonly body?: A
  /** In place of the usual one. */
  readonly status?: number
  /** Of a configuration: becomes its ETag. */
  readonly version?: number
  readonly location?: string
  readonly cookie?: Cookie
  readonly file?: { readonly name: string; readonly type: string; readonly content: Readable; readonly sizeBytes?: number }
  readonly events?: Subscription
  readonly text?: { readonly type: string; readonly content: string }
}

/** As it stands in the table of routes. */
export interface Route {
  readonly method: Method
  /** Below /api/v1, with parameters as `:id`; `//name` for one that is not. */
  readonly path: string
  /** Noun and verb: `account.create`. Of the audit log, and the operation's id in the description of the API. */
  readonly name: string
  readonly summary: string
  readonly tag: string
  readonly access: Access
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly status: 200 | 201 | 202 | 204
  readonly answer?: z.ZodType
  /** When the body is not JSON. */
  readonly stream?: 'file' | 'events' | 'text'
  /** The type of a file or text, for the description. */
  readonly contentType?: string
  readonly needsVersion: boolean
  /** Takes idempotency keys. Not where the answer holds a secret: it would be kept. */
  readonly takesKey: boolean
  /** Of the body. */
  readonly bodyLimitBytes: number
  /**
   * It takes protection away: only after a proof of the last five minutes, and another person must agree before it is carried out (auth/approvals); the answer is 202
   * then. Not of routes that stream.
   */
  readonly needsSecond?: true | ((request: RouteRequest<Caller, unknown, unknown, unknown>) => boolean | Promise<boolean>)
  handle(request: RouteRequest<Caller, unknown, unknown, unknown>): Promise<RouteAnswer<unknown>>
}

interface RouteDefinition<
  A extends Access,
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
  R extends z.ZodType | undefined,
> {
  readonly method: Method
  readonly path: string
  readonly name: string
  readonly summary: string
  readonly tag: string
  readonly access: A
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly status?: 200 | 201 | 202 | 204
  readonly answer?: R
  readonly stream?: 'file' | 'events' | 'text'
  readonly contentType?: string
  readonly needsVersion?: boolean
  /** By default where something is made: POST. */
  readonly takesKey?: boolean
  readonly bodyLimitBytes?: number
  /** `true` (with `stepUp`), or whether this request does: a retention that becomes longer takes nothing away. */
  readonly needsSecond?: true | ((request: RouteRequest<KnownCaller, Output<P>, Output<Q>, Output<B>>) => boolean | Promise<boolean>)
  handle(
    request: RouteRequest<A extends { who: 'anybody' } ? Caller : KnownCaller, Output<P>, Output<Q>, Output<B>>,
  ): Promise<RouteAnswer<R extends z.ZodType ? z.input<R> : undefined>>
}

type Output<T> = T extends z.ZodType ? z.output<T> : undefined

const BODY_LIMIT_BYTES = 1 << 20

export function route<
  const A extends Access,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  R extends z.ZodType | undefined = undefined,
>(definition: RouteDefinition<A, P, Q, B, R>): Route {
  const { params, query, body, answer, handle, needsSecond, ...rest } = definition
  const { access, stream, name } = definition
  if (needsSecond && (stream !== undefined || access.who !== 'roles' || (needsSecond === true && !access.stepUp)))
    throw new Error(`${name} can not need a second person`)
  return {
    ...rest,
    ...(params && { params }),
    ...(query && { query }),
    ...(body && { body }),
    ...(answer && { answer }),
    status: definition.status ?? (answer || definition.stream ? 200 : 204),
    needsVersion: definition.needsVersion ?? false,
    takesKey: definition.takesKey ?? definition.method === 'POST',
    bodyLimitBytes: definition.bodyLimitBytes ?? BODY_LIMIT_BYTES,
    // The app gives it what these shapes made of the request, and a caller of the kind that the access demands.
    handle: handle as Route['handle'],
    ...(needsSecond && { needsSecond: needsSecond as NonNullable<Route['needsSecond']> }),
  }
}

/** Whether it changes anything. */
export function isChange(route: Pick<Route, 'method'>): boolean {
  return route.method !== 'GET'
}

export function urlOf({ path }: Pick<Route, 'path'>): string {
  return path.startsWith('//') ? path.slice(1) : `${apiBase}${path}`
}
