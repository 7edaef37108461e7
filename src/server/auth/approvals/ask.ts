/** Whether an act has to wait for a second person, and if so, what exactly is kept of it until one decides. */
import { type Approval, roles as allRoles, type Json, type Role } from '../../../catalog/index.ts'
import type { ServerContext } from '../../context.ts'
import type { Access, Route, RouteRequest } from '../../http/route.ts'
import { asJson, readSetting } from '../../settings/setting.ts'
import { type Caller, type KnownCaller, withIncluded } from '../caller.ts'
import { authError } from '../errors.ts'
import { secondPersonSetting } from './setting.ts'

const HOUR_MS = 3_600_000

/** As it came, after the shapes of the route. */
export interface KeptRequest {
  readonly params?: Json
  readonly query?: Json
  readonly body?: Json
  readonly expectedVersion: number
  readonly origin: string
}

type Asked = RouteRequest<Caller, unknown, unknown, unknown>

/**
 * Who may be the second: whoever may do it himself. Where only security administrators may, backup administrators too: many places have one security
 * administrator, and what he alone decides on (accounts, the directory, this very rule) is what could make him two.
 */
export function mayAgree({ roles }: Extract<Access, { who: 'roles' }>): readonly Role[] {
  return roles.every((role) => role === 'security-admin') ? ['security-admin', 'backup-admin'] : roles
}

/** AUTH_STEP_UP_REQUIRED when it would take protection away and there is no proof of the last five minutes, whoever else agrees. */
export async function needsSecond(context: ServerContext, route: Route, asked: Asked): Promise<boolean> {
  const { caller } = asked
  if (route.needsSecond === undefined || caller.kind === 'nobody' || route.access.who === 'anybody') return false
  const isMeant = route.needsSecond === true || (await route.needsSecond(asked))
  if (!isMeant) return false
  if (!(caller.kind === 'session' && caller.isSteppedUp))
    throw authError('AUTH_STEP_UP_REQUIRED', `${route.name} would take protection away, which needs a proof of the last five minutes`)
  const { rule } = (await readSetting(context, secondPersonSetting)).value
  if (rule !== 'auto') return rule === 'on'
  const wanted = mayAgree(route.access)
  const able = allRoles.filter((role) => withIncluded([role]).some((each) => wanted.includes(each)))
  return (await context.catalog.accounts.countWithAnyRole(able)) >= 2
}

/** The audit log has the request, and not its content: that may hold secrets. */
export async function askForSecond(context: ServerContext, route: Route, caller: KnownCaller, asked: Asked): Promise<Approval> {
  const { catalog, sealer } = context
  const { hours } = (await readSetting(context, secondPersonSetting)).value
  const { params, query, body, expectedVersion, origin } = asked
  const kept: KeptRequest = {
    ...(route.params && { params: asJson(params) }),
    ...(route.query && { query: asJson(query) }),
    ...(route.body && { body: asJson(body) }),
    expectedVersion,
    origin,
  }
  const id = catalog.approvals.newId()
  const requestSealed = sealer.seal(Buffer.from(JSON.stringify(kept)), `approval:${id}`)
  const approval = await catalog.transaction(async (records) => {
    const made = await records.approvals.create({
      id,
      act: route.name,
      requestSealed,
      requestedBy: caller.account.id,
      lifeMs: hours * HOUR_MS,
    })
    await asked.record({ action: 'approval.request', subject: { kind: 'approval', id }, details: { act: route.name } }, records)
    return made
  })
  context.events.publish('approval', { id, act: route.name, state: 'waiting' })
  return approval
}

export function openRequest({ sealer }: ServerContext, { id, requestSealed }: Approval): KeptRequest {
  return JSON.parse(sealer.open(requestSealed, `approval:${id}`).toString('utf8')) as KeptRequest
}
