/** Acts that wait for a second person: to see them, to agree, to refuse or take back. Who agrees carries it out, in the name of both. */
import { z } from 'zod'
import { TerpError } from '../../../base/errors.ts'
import type { Approval } from '../../../catalog/index.ts'
import { approvalDoneShape, approvalQueryShape, approvalShape, idShape, pageShape, refuseApprovalShape } from '../../../wire/index.ts'
import type { ServerContext } from '../../context.ts'
import { type RecordedEvent, type Route, type RouteRequest, route } from '../../http/route.ts'
import { type KnownCaller, withIncluded } from '../caller.ts'
import { authError } from '../errors.ts'
import { mayAgree, openRequest } from './ask.ts'
import { presentApproval } from './present.ts'

const tag = 'Second person'
const params = z.object({ id: idShape })
const look = { who: 'roles', roles: ['backup-admin', 'security-admin', 'auditor'], scope: 'server' } as const
const decide = { who: 'roles', roles: ['backup-admin', 'security-admin'], scope: 'server', stepUp: true, sessionOnly: true } as const

/** `routesOf`: all of the server, these among them, so it is asked later. */
export function approvalRoutes(context: ServerContext, routesOf: () => readonly Route[]): Route[] {
  const { catalog } = context
  const routeOf = (approval: Approval) => routesOf().find((each) => each.name === approval.act)
  const present = (approval: Approval) => presentApproval(context, approval, routeOf(approval)?.summary ?? '')
  const subjectOf = (id: string) => ({ kind: 'approval', id }) as const

  return [
    route({
      method: 'GET',
      path: '/approvals',
      name: 'approval.list',
      summary: 'Acts that were to be done by two people, the newest first; with `waiting` those that wait.',
      tag,
      access: look,
      query: approvalQueryShape,
      answer: pageShape(approvalShape),
      async handle({ query: { waiting, ...page } }) {
        const list = await catalog.approvals.list(page, { isWaiting: waiting })
        return { body: { ...list, items: await Promise.all(list.items.map(present)) } }
      },
    }),
    route({
      method: 'GET',
      path: '/approvals/:id',
      name: 'approval.read',
      summary: 'One of them, with all that it would do.',
      tag,
      access: look,
      params,
      answer: approvalShape,
      handle: async ({ params: { id } }) => ({ body: await present(await catalog.approvals.get(id)) }),
    }),
    route({
      method: 'POST',
      path: '/approvals/:id/approve',
      name: 'approval.approve',
      summary: 'Agree, as another person with a role that may do it, and have it done. The answer has what the act itself answers.',
      tag,
      access: decide,
      params,
      status: 200,
      answer: approvalDoneShape,
      takesKey: false,
      async handle(asked) {
        const { caller, record } = asked
        const approval = await catalog.approvals.get(asked.params.id)
        const { id, act } = approval
        if (approval.requestedBy === caller.account.id) throw authError('AUTH_SAME_PERSON', 'who asked can not agree')
        const target = await findTarget(approval, caller)
        await catalog.transaction(async (records) => {
          await records.approvals.decide(id, { isApproved: true, by: caller.account.id })
          await record({ action: 'approval.approve', subject: subjectOf(id), details: { act, requestedBy: approval.requestedBy } }, records)
        })
        const result = await carryOut(approval, target, asked)
        context.events.publish('approval', { id, act, state: 'done' })
        return { body: { approval: await present(await catalog.approvals.get(id)), ...(result !== undefined && { result }) } }
      },
    }),
    route({
      method: 'POST',
      path: '/approvals/:id/refuse',
      name: 'approval.refuse',
      summary: 'Refuse it; who asked takes it back with this.',
      tag,
      access: decide,
      params,
      body: refuseApprovalShape,
      status: 200,
      answer: approvalShape,
      takesKey: false,
      async handle({ params: { id }, body: { reason }, caller, record }) {
        const { act } = await catalog.approvals.get(id)
        await catalog.transaction(async (records) => {
          await records.approvals.decide(id, { isApproved: false, by: caller.account.id, reason })
          await record({ action: 'approval.refuse', subject: subjectOf(id), details: { act, reason } }, records)
        })
        context.events.publish('approval', { id, act, state: 'refused' })
        return { body: await present(await catalog.approvals.get(id)) }
      },
    }),
  ]

  /** Both must be allowed to do it now: roles may have changed since it was asked for. */
  async function findTarget(approval: Approval, caller: KnownCaller): Promise<Route> {
    const target = routeOf(approval)
    if (target?.access.who !== 'roles') throw authError('AUTH_APPROVAL_STALE', `this version has no act ${approval.act}`)
    const { roles } = target.access
    if (!mayAgree(target.access).some((role) => caller.roles.includes(role))) {
      throw authError('AUTH_FORBIDDEN', `${approval.act} is not for the roles ${caller.roles.join(', ')}`)
    }
    const asker = await catalog.accounts.find(approval.requestedBy)
    const isStillAllowed = asker && !asker.isDisabled && roles.some((role) => withIncluded(asker.roles).includes(role))
    if (!isStillAllowed) throw authError('AUTH_APPROVAL_STALE', 'who asked for it may not do it any more')
    return target
  }

  async function carryOut(
    approval: Approval,
    target: Route,
    { caller, address, client, signal, record }: RouteRequest<KnownCaller, unknown, unknown, unknown>,
  ): Promise<unknown> {
    const { id, requestedBy } = approval
    let isRecorded = false
    const inBothNames: typeof record = async (event: RecordedEvent, records) => {
      isRecorded = true
      await record({ ...event, details: { ...event.details, approval: id, requestedBy } }, records)
    }
    const { params: kept, query, body, expectedVersion, origin } = openRequest(context, approval)
    try {
      const asked = { caller, params: kept, query, body, expectedVersion, origin, address, client, signal, record: inBothNames }
      const answer = await target.handle(asked)
      if (!isRecorded) await inBothNames({ action: target.name, subject: { kind: 'server', id: '' } })
      await catalog.approvals.finish(id)
      // Only what the act itself would have given out.
      return answer.body === undefined || !target.answer ? undefined : target.answer.parse(answer.body)
    } catch (error) {
      const code = error instanceof TerpError ? error.code : 'INTERNAL'
      await catalog.approvals.finish(id, code)
      await record({ action: target.name, subject: subjectOf(id), outcome: 'failed', details: { code, approval: id, requestedBy } })
      throw error
    }
  }
}
