/** Filters that people saved under a name, as queries of the lists that they are for. */
import { z } from 'zod'
import { cliError } from '../errors.ts'
import type { Api, Query } from './api.ts'
import { chooseItem } from './find-item.ts'

export const filterShape = z.object({ name: z.string(), list: z.string(), query: z.record(z.string(), z.unknown()) })
export const filtersShape = z.object({ items: z.array(filterShape) })
export type Filter = z.output<typeof filterShape>

export async function findFilter(api: Api, argument: string): Promise<Filter> {
  const { items } = await api.get('/saved-filters', filtersShape)
  return chooseItem(items, argument, 'saved filter', ({ name }) => ({ id: '', name }))
}

/** For lists with --filter: what it says, as a query. ITEM_NOT_FOUND, USAGE_INVALID where it is for another list. */
export async function queryOf(api: Api, argument: string | undefined, list: 'jobs' | 'alerts' | 'search'): Promise<Query> {
  if (argument === undefined) return {}
  const filter = await findFilter(api, argument)
  if (filter.list !== list) throw cliError('USAGE_INVALID', `the filter ${filter.name} is for ${filter.list}`)
  const entries = Object.entries(filter.query).map(([name, value]) => [name, typeof value === 'object' ? undefined : value] as const)
  return Object.fromEntries(entries) as Query
}
