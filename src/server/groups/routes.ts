/** Protection groups over the API (§3). */
import { z } from 'zod'
import type { Records } from '../../catalog/index.ts'
import { catalogError } from '../../catalog/index.ts'
import {
  dataChoiceShape,
  groupChangedShape,
  groupDescriptionShape,
  idShape,
  moveMemberShape,
  pageQueryShape,
  pageShape,
  refusalShape,
  stopGroupShape,
} from '../../wire/index.ts'
import { type KnownCaller, reaches } from '../auth/caller.ts'
import { authError } from '../auth/errors.ts'
import type { ServerContext } from '../context.ts'
import { administrators, type RecordedEvent, type Route, route, viewers } from '../http/route.ts'
import { groupInputShape } from './group-input.ts'
import type { GroupService, Recorder } from './group-service.ts'
import { presentGroup } from './present.ts'
import { changeTakesAway, moveTakesAway, newGroupTakesAway } from './takes-away.ts'

const tag = 'Protection groups'
const read = { who: 'roles', roles: viewers, scope: 'groups' } as const
const write = { who: 'roles', roles: administrators, scope: 'server' } as const
const writeReached = { who: 'roles', roles: administrators, scope: 'groups' } as const
const params = z.object({ id: idShape })

export function groupRoutes(context: ServerContext, service: GroupService): Route[] {
  const { catalog } = context
  return [
    route({
      method: 'GET',
      path: '/groups',
      name: 'group.list',
      summary: 'All protection groups, by name.',
      tag,
      access: read,
      query: pageQueryShape,
      answer: pageShape(groupDescriptionShape),
      async handle({ query, caller }) {
        const page = await catalog.groups.list(query)
        return { body: { ...page, items: page.items.filter(({ id }) => reaches(caller, id)).map(presentGroup) } }
      },
    }),
    route({
      method: 'GET',
      path: '/groups/:id',
      name: 'group.get',
      summary: 'One protection group, with everything it says.',
      tag,
      access: read,
      params,
      answer: groupDescriptionShape,
      async handle({ params: { id }, caller }) {
        checkReach(caller, id)
        const group = await catalog.groups.get(id)
        return { body: presentGroup(group), version: group.version }
      },
    }),
    route({
      method: 'POST',
      path: '/groups/check',
      name: 'group.check',
      summary: 'All that stands against a group, and all that is advised against; nothing is changed.',
      tag,
      access: write,
      query: z.object({ group: idShape.optional() }),
      body: groupInputShape,
      status: 200,
      answer: z.object({ refusals: z.array(refusalShape) }),
      takesKey: false,
      async handle({ body, query, record }) {
        const refusals = [...(await service.check(body, query.group))]
        await record({ action: 'group.check', subject: { kind: 'group', id: query.group ?? '' } })
        return { body: { refusals } }
      },
    }),
    route({
      method: 'POST',
      path: '/groups',
      name: 'group.create',
      summary: 'Protect data sources by a new group; the first copies begin as it says.',
      tag,
      access: write,
      body: groupInputShape,
      status: 201,
      answer: groupChangedShape,
      needsSecond: ({ body }) => newGroupTakesAway(context, body),
      async handle({ body, caller, record }) {
        const { group, warnings } = await service.create(body, caller.account.id, recorder(record, 'group.create'))
        return {
          body: { group: presentGroup(group), warnings: [...warnings] },
          version: group.version,
          location: `/api/v1/groups/${group.id}`,
        }
      },
    }),
    route({
      method: 'PUT',
      path: '/groups/:id',
      name: 'group.change',
      summary: 'Change a group as a whole. `removed`: what becomes of the data of members that are left out.',
      tag,
      access: writeReached,
      params,
      query: z.object({ removed: dataChoiceShape.default('retain') }),
      body: groupInputShape,
      answer: groupChangedShape,
      needsVersion: true,
      async needsSecond({ params: { id }, query, body, caller }) {
        checkReach(caller, id)
        return await changeTakesAway(context, id, body, query.removed)
      },
      async handle({ params: { id }, query, body, caller, expectedVersion, record }) {
        checkReach(caller, id)
        if (query.removed === 'delete') checkDeletion(caller)
        const how = { removed: query.removed, expectedVersion, by: caller.account.id }
        const { group, warnings } = await service.modify(id, body, how, recorder(record, 'group.change'))
        return { body: { group: presentGroup(group), warnings: [...warnings] }, version: group.version }
      },
    }),
    route({
      method: 'POST',
      path: '/groups/:id/stop',
      name: 'group.stop',
      summary: 'Stop the protection of all members or of some; their data is retained, or given up after the cool-off.',
      tag,
      access: writeReached,
      params,
      body: stopGroupShape,
      needsVersion: true,
      // All of it: the group is gone, and nothing of it is backed up any more.
      needsSecond: ({ body }) => body.data === 'delete' || body.members === undefined,
      async handle({ params: { id }, body, caller, expectedVersion, record }) {
        checkReach(caller, id)
        if (body.data === 'delete') checkDeletion(caller)
        await service.stop(id, { ...body, expectedVersion, by: caller.account.id }, recorder(record, 'group.stop'))
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/groups/:id/move-here',
      name: 'group.move-here',
      summary: 'Move a data source from its group to this one; all its recovery points stay its own.',
      tag,
      access: write,
      params,
      body: moveMemberShape,
      status: 200,
      answer: groupChangedShape,
      needsSecond: ({ params: { id }, body }) => moveTakesAway(context, body.source, id),
      async handle({ params: { id }, body, caller, record }) {
        const { group, warnings } = await service.move(body.source, id, caller.account.id, recorder(record, 'group.move-here'))
        return { body: { group: presentGroup(group), warnings: [...warnings] }, version: group.version }
      },
    }),
  ]
}

function recorder(record: (event: RecordedEvent, records?: Records) => Promise<void>, action: string): Recorder {
  return async (records, groupId, details) =>
    await record({ action, subject: { kind: 'group', id: groupId }, details: { ...details } }, records)
}

/** What a token may not reach is not there for it. */
export function checkReach(caller: KnownCaller, groupId: string | undefined): void {
  if (!reaches(caller, groupId))
    throw catalogError('CATALOG_RECORD_NOT_FOUND', 'there is no such record', { context: { id: groupId ?? '' } })
}

/** Of backups: a person who has just proven to be there. Their points stay for the cool-off all the same. */
function checkDeletion(caller: KnownCaller): void {
  if (!(caller.kind === 'session' && caller.isSteppedUp))
    throw authError('AUTH_STEP_UP_REQUIRED', 'to give up data needs a proof of the last five minutes')
}
