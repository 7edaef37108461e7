/** Recovery points over the API: which there are, why they stay, to pin and hold them, and to take back that they go. */
import { z } from 'zod'
import { fromTimestamp, toTimestamp } from '../../base/clock.ts'
import { FOREVER_MS, type RecoveryPoint } from '../../catalog/index.ts'
import { holdShape, idShape, pageShape, pinShape, pointDescriptionShape, pointQueryShape, whyShape } from '../../wire/index.ts'
import type { KnownCaller } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { checkReach } from '../groups/routes.ts'
import { administrators, guardians, operators, type Route, route, viewers } from '../http/route.ts'
import { retentionError } from './errors.ts'
import type { Ledger } from './ledger.ts'
import type { Retention } from './retention.ts'

const tag = 'Recovery points'
const read = { who: 'roles', roles: viewers, scope: 'groups' } as const
const params = z.object({ id: idShape })

export function pointRoutes({ context, retention, ledger }: { context: ServerContext; retention: Retention; ledger: Ledger }): Route[] {
  const { catalog } = context
  const found = async (caller: KnownCaller, id: string) => {
    const point = await catalog.points.get(id)
    checkReach(caller, (await catalog.sources.find(point.sourceId))?.groupId)
    return point
  }
  return [
    route({
      method: 'GET',
      path: '/recovery-points',
      name: 'recovery-point.list',
      summary: 'Recovery points, the newest first; of a data source, in a state, of a time.',
      tag,
      access: read,
      query: pointQueryShape,
      answer: pageShape(pointDescriptionShape),
      async handle({ query: { source, state, from, until, ...page }, caller }) {
        if (source !== undefined) checkReach(caller, (await catalog.sources.get(source)).groupId)
        // A token of some groups asks for one of their sources.
        else if (caller.groups !== undefined) checkReach(caller, undefined)
        const list = await catalog.points.list(page, {
          sourceId: source,
          states: state === undefined ? ['valid'] : [state],
          fromMs: from === undefined ? undefined : fromTimestamp(from),
          untilMs: until === undefined ? undefined : fromTimestamp(until),
        })
        return { body: { ...list, items: list.items.map(presentPoint) } }
      },
    }),
    route({
      method: 'GET',
      path: '/recovery-points/:id',
      name: 'recovery-point.get',
      summary: 'One recovery point.',
      tag,
      access: read,
      params,
      answer: pointDescriptionShape,
      handle: async ({ params: { id }, caller }) => ({ body: presentPoint(await found(caller, id)) }),
    }),
    route({
      method: 'GET',
      path: '/recovery-points/:id/why',
      name: 'recovery-point.why',
      summary: 'Why a recovery point is kept, or why it goes, and when.',
      tag,
      access: read,
      params,
      answer: whyShape,
      async handle({ params: { id }, caller }) {
        await found(caller, id)
        const { verdict, reasons, expiresMs } = await retention.why(id)
        return {
          body: { pointId: id, verdict, reasons: [...reasons], ...(expiresMs !== undefined && { expires: toTimestamp(expiresMs) }) },
        }
      },
    }),
    route({
      method: 'PUT',
      path: '/recovery-points/:id/pin',
      name: 'recovery-point.pin',
      summary: 'Keep a recovery point, for good or until a time; one that is on its way out comes back.',
      tag,
      access: { who: 'roles', roles: operators, scope: 'groups' },
      params,
      body: pinShape,
      answer: pointDescriptionShape,
      async handle({ params: { id }, body, caller, record }) {
        const point = await found(caller, id)
        checkPinLasts(point, body.until === undefined ? FOREVER_MS : fromTimestamp(body.until))
        await catalog.points.pin(id, { note: body.note, ...(body.until !== undefined && { untilMs: fromTimestamp(body.until) }) })
        if (point.state === 'expired') await ledger.undelete(id, caller.account.id)
        await record({
          action: 'recovery-point.pin',
          subject: { kind: 'recovery-point', id },
          details: { until: body.until, note: body.note },
        })
        return { body: presentPoint(await catalog.points.get(id)) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/recovery-points/:id/pin',
      name: 'recovery-point.unpin',
      summary: 'Let retention decide on a recovery point again.',
      tag,
      access: { who: 'roles', roles: administrators, scope: 'groups', stepUp: true },
      params,
      needsSecond: true,
      async handle({ params: { id }, caller, record }) {
        await found(caller, id)
        await catalog.points.unpin(id)
        await record({ action: 'recovery-point.unpin', subject: { kind: 'recovery-point', id } })
        return {}
      },
    }),
    route({
      method: 'PUT',
      path: '/recovery-points/:id/hold',
      name: 'recovery-point.hold',
      summary: 'Put a recovery point on legal hold, or take the hold off.',
      tag,
      access: { who: 'roles', roles: guardians, scope: 'server', stepUp: true },
      params,
      body: holdShape,
      answer: pointDescriptionShape,
      needsSecond: ({ body }) => !body.hasLegalHold,
      async handle({ params: { id }, body, caller, record }) {
        const point = await found(caller, id)
        await catalog.points.setLegalHold(id, body.hasLegalHold)
        if (body.hasLegalHold && point.state === 'expired') await ledger.undelete(id, caller.account.id)
        await record({
          action: 'recovery-point.hold',
          subject: { kind: 'recovery-point', id },
          details: { hasLegalHold: body.hasLegalHold },
        })
        return { body: presentPoint(await catalog.points.get(id)) }
      },
    }),
    route({
      method: 'POST',
      path: '/recovery-points/:id/undelete',
      name: 'recovery-point.undelete',
      summary: 'Take back that a recovery point goes, as long as its cool-off lasts.',
      tag,
      access: { who: 'roles', roles: operators, scope: 'groups' },
      params,
      status: 200,
      answer: pointDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        await found(caller, id)
        await ledger.undelete(id, caller.account.id)
        await record({ action: 'recovery-point.undelete', subject: { kind: 'recovery-point', id } })
        return { body: presentPoint(await catalog.points.get(id)) }
      },
    }),
  ]
}

/** A pin that ends earlier is one that is taken off. */
function checkPinLasts({ id, pinnedUntilMs }: RecoveryPoint, untilMs: number): void {
  if (pinnedUntilMs === undefined || untilMs >= pinnedUntilMs) return
  throw retentionError('POINT_PINNED_LONGER', `the recovery point is pinned until ${untilText(pinnedUntilMs)}`, { context: { point: id } })
}

const untilText = (ms: number) => (ms >= FOREVER_MS ? 'it is unpinned' : toTimestamp(ms))

export function presentPoint(point: RecoveryPoint) {
  const { startedMs, finishedMs, expiresMs, keep: _, pinnedUntilMs, verifiedMs, objectName: __, sequence: ___, ...rest } = point
  return {
    ...rest,
    started: toTimestamp(startedMs),
    finished: toTimestamp(finishedMs),
    ...(expiresMs !== undefined && { expires: toTimestamp(expiresMs) }),
    ...(pinnedUntilMs !== undefined && { pinnedUntil: toTimestamp(Math.min(pinnedUntilMs, FOREVER_MS)) }),
    ...(verifiedMs !== undefined && { verified: toTimestamp(verifiedMs) }),
  }
}
