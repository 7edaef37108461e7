/** Whether a request is allowed: the route says who may, the caller says who asks. In this order, so that each answer says the next thing to do. */

import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { TerpError } from '../../base/errors.ts'
import { apiHeaders } from '../../wire/index.ts'
import type { Caller, KnownCaller } from '../auth/caller.ts'
import { authError } from '../auth/errors.ts'
import type { ServerContext } from '../context.ts'
import { addressOf } from './request.ts'
import { isChange, type Route } from './route.ts'

export async function judge(context: ServerContext, route: Route, caller: Caller, request: FastifyRequest): Promise<void> {
  const refusal = findRefusal(route, caller, request.headers)
  if (!refusal) return
  // Who is signed in is known, so this can not be used to flood the log. Reading is not a change, and its refusal harms nobody.
  if (caller.kind !== 'nobody' && isChange(route)) {
    const event = { actor: caller.actor, address: addressOf(request), action: route.name, subject: { kind: 'server', id: '' } } as const
    await context.catalog.audit.append({ ...event, outcome: 'refused', details: { code: refusal.code } })
  }
  throw refusal
}

/** Undefined: allowed. */
export function findRefusal({ access, method, name }: Route, caller: Caller, headers: IncomingHttpHeaders): TerpError | undefined {
  if (access.who === 'anybody') return undefined
  if (caller.kind === 'nobody') return authError('AUTH_REQUIRED', 'this needs somebody who is signed in')
  const forbidden = (why: string) =>
    authError('AUTH_FORBIDDEN', why, { context: { act: name, roles: caller.roles, allowed: access.roles } })
  if (!access.roles.some((role) => caller.roles.includes(role))) return forbidden(`${name} is not for the roles ${caller.roles.join(', ')}`)
  if (access.scope === 'server' && caller.groups !== undefined)
    return forbidden(`${name} is about the whole server, and this token for some groups`)
  if (access.sessionOnly && caller.kind !== 'session') return forbidden(`${name} is for persons, not for tokens`)
  if (caller.mustDo.length > 0 && !access.whileIncomplete) {
    return authError('AUTH_ACCOUNT_INCOMPLETE', `this account must first: ${caller.mustDo.join(', ')}`, {
      context: { must_do: caller.mustDo },
    })
  }
  if (isChange({ method }) && caller.kind === 'session' && !hasCsrfToken(caller, headers)) {
    return authError('AUTH_CSRF', 'the request does not come from a page of this server')
  }
  if (access.stepUp && !(caller.kind === 'session' && caller.isSteppedUp)) {
    return authError('AUTH_STEP_UP_REQUIRED', `${name} needs a proof of the last five minutes`)
  }
  return undefined
}

function hasCsrfToken(caller: KnownCaller & { kind: 'session' }, headers: IncomingHttpHeaders): boolean {
  const given = Buffer.from(String(headers[apiHeaders.csrf] ?? ''))
  const expected = Buffer.from(caller.csrfToken)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false
  // A browser says where a request that changes something comes from, in one of these at least.
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
}

/** A page of another site makes nobody's browser change anything here, signed in or about to be. AUTH_CSRF. */
export function judgeOrigin(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site']
  const isForeignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const isForeignOrigin = headers.origin !== undefined && headers.origin !== `https://${headers.host}`
  if (isForeignSite || isForeignOrigin) throw authError('AUTH_CSRF', 'the request comes from a page of another site')
}
