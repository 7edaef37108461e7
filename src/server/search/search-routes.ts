/** Search by name over all recovery points. */
import { toTimestamp } from '../../base/clock.ts'
import type { RecoveryPoint } from '../../catalog/index.ts'
import { searchAnswerShape, searchQueryShape } from '../../wire/index.ts'
import { reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { type Route, route, viewers } from '../http/route.ts'
import type { SearchKeeper } from './search-keeper.ts'

export function searchRoutes({ catalog }: ServerContext, keeper: SearchKeeper): Route[] {
  return [
    route({
      method: 'GET',
      path: '/search',
      name: 'search.find',
      summary: 'Files and folders by a part of their name, over all recovery points.',
      tag: 'Recovery',
      access: { who: 'roles', roles: viewers, scope: 'groups' },
      query: searchQueryShape,
      answer: searchAnswerShape,
      async handle({ caller, query: { name, sourceId, below, limit, cursor } }) {
        let sourceIds = sourceId === undefined ? undefined : [sourceId]
        if (caller.groups !== undefined) {
          const own = (await catalog.sources.all()).filter(({ groupId }) => reaches(caller, groupId)).map(({ id }) => id)
          sourceIds = sourceIds ? sourceIds.filter((id) => own.includes(id)) : own
        }
        const folder = below?.replace(/^\/+|\/+$/g, '')
        const page = await keeper.search.search({ text: name, sourceIds, below: folder }, { limit, cursor })
        const points = new Map<string, readonly RecoveryPoint[]>()
        for (const id of new Set(page.items.map((hit) => hit.sourceId))) points.set(id, await catalog.points.validOf(id))
        // One that no point has any more is forgotten soon.
        const items = page.items.flatMap((hit) => {
          const having = (points.get(hit.sourceId) ?? []).filter(
            ({ sequence }) => sequence >= hit.first && sequence <= (hit.last ?? Infinity),
          )
          const [first, last] = [having[0], having.at(-1)]
          if (!first || !last) return []
          const text = `/${hit.folder === '' ? '' : `${hit.folder}/`}${hit.name}`
          return {
            sourceId: hit.sourceId,
            path: Buffer.from(text).toString('base64'),
            text,
            name: hit.name,
            kind: hit.kind,
            pointId: last.id,
            first: toTimestamp(first.finishedMs),
            last: toTimestamp(last.finishedMs),
            points: having.length,
            isThere: hit.last === undefined,
          }
        })
        const pending = keeper.pending.filter((id) => sourceIds === undefined || sourceIds.includes(id))
        return { body: { items, pending, ...(page.next !== undefined && { next: page.next }) } }
      },
    }),
  ]
}
