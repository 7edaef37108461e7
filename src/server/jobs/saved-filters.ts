/** Filters that people keep under a name (§5.2): of jobs, alerts or searches, each person their own. What a filter says is a query of the list it is for. */
import { z } from 'zod'
import type { Json } from '../../catalog/index.ts'
import { alertQueryShape, jobQueryShape, searchQueryShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { type Route, route, viewers } from '../http/route.ts'
import { jobError } from './errors.ts'

const tag = 'Saved filters'
const access = { who: 'roles', roles: viewers, scope: 'server' } as const
const name = z.string().trim().min(1).max(64)
const params = z.object({ name })
const MOST = 200

const filterShape = z.discriminatedUnion('list', [
  z.strictObject({ list: z.literal('jobs'), query: jobQueryShape.omit({ limit: true, cursor: true }).strict() }),
  z.strictObject({ list: z.literal('alerts'), query: alertQueryShape.omit({ limit: true, cursor: true }).strict() }),
  z.strictObject({ list: z.literal('search'), query: searchQueryShape.omit({ limit: true, cursor: true }).strict() }),
])
type Filter = z.infer<typeof filterShape>
const savedShape = z.object({ name, list: z.enum(['jobs', 'alerts', 'search']), query: z.record(z.string(), z.unknown()) })

export function savedFilterRoutes({ catalog }: ServerContext): Route[] {
  const settingOf = (accountId: string) => `filters:${accountId}`
  const read = async (accountId: string) =>
    ((await catalog.settings.find(settingOf(accountId)))?.value ?? {}) as unknown as Record<string, Filter>
  const write = (accountId: string, filters: Record<string, Filter>) =>
    catalog.settings.put(settingOf(accountId), filters as unknown as Json, { by: accountId })
  return [
    route({
      method: 'GET',
      path: '/saved-filters',
      name: 'saved-filter.list',
      summary: 'The filters that you saved, by name.',
      tag,
      access,
      answer: z.object({ items: z.array(savedShape) }),
      async handle({ caller }) {
        const saved = Object.entries(await read(caller.account.id)).toSorted(([a], [b]) => (a < b ? -1 : 1))
        return { body: { items: saved.map(([known, { list, query }]) => ({ name: known, list, query: { ...query } })) } }
      },
    }),
    route({
      method: 'PUT',
      path: '/saved-filters/:name',
      name: 'saved-filter.save',
      summary: 'Save a filter of jobs, alerts or searches under a name; one of that name is replaced.',
      tag,
      access,
      params,
      body: filterShape,
      answer: savedShape,
      async handle({ params, body, caller, record }) {
        const saved = await read(caller.account.id)
        if (!Object.hasOwn(saved, params.name) && Object.keys(saved).length >= MOST)
          throw jobError('FILTERS_TOO_MANY', `this account has ${MOST} saved filters`)
        await write(caller.account.id, { ...saved, [params.name]: body })
        await record({ action: 'saved-filter.save', subject: { kind: 'account', id: caller.account.id }, details: { name: params.name } })
        return { body: { name: params.name, list: body.list, query: { ...body.query } } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/saved-filters/:name',
      name: 'saved-filter.remove',
      summary: 'Forget a saved filter.',
      tag,
      access,
      params,
      async handle({ params, caller, record }) {
        const { [params.name]: gone, ...rest } = await read(caller.account.id)
        if (!gone) throw jobError('FILTER_UNKNOWN', `there is no saved filter ${params.name}`)
        await write(caller.account.id, rest)
        await record({ action: 'saved-filter.remove', subject: { kind: 'account', id: caller.account.id }, details: { name: params.name } })
        return {}
      },
    }),
  ]
}
