/** Whether an act has to wait for a second person, and if so, what exactly is kept of it until one decides. */
import { type Approval, roles as allRoles, type Json, type Role } from '../../../catalog/index.ts'
import type { ServerContext } from '../../context.ts'
import type { Route, RouteRequest } from '../../http/route.ts'
import { asJson, readSetting } from '../../settings/setting.ts'
import { type Caller, type KnownCaller, withIncluded } from '../caller.ts'
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

export async function needsSecond(context: ServerContext, route: Route, asked: Asked): Promise<boolean> {
  if (route.needsSecond === undefined || asked.caller.kind === 'nobody' || route.access.who === 'anybody') return false
  const isMeant = route.needsSecond === true || (await route.needsSecond(asked))
  if (!isMeant) return false
  const { rule } = (await readSetting(context, secondPersonSetting)).value
  if (rule !== 'auto') return rule === 'on'
  const wanted: readonly Role[] = route.access.roles
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
