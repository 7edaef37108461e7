/** People name things by a name, or by as much of the id as is needed; the API by the id. */
import type { z } from 'zod'
import { plainText } from '../arguments.ts'
import { cliError } from '../errors.ts'
import type { Api, Query } from './api.ts'

interface Named {
  readonly id: string
  readonly name?: string | undefined
}

const IS_ID = /^[0-9a-f]{32}$/
const IS_PART = /^[0-9a-f]{4,31}$/

/** `what` is for people: `agent`. ITEM_NOT_FOUND, ITEM_AMBIGUOUS. */
export async function findItem<S extends z.ZodType>(
  api: Api,
  path: string,
  shape: S,
  argument: string,
  what: string,
  options: { readonly query?: Query; readonly named?: (item: z.output<S>) => Named } = {},
): Promise<z.output<S>> {
  const items = await api.list(path, shape, options.query)
  return chooseItem(items, argument, what, options.named)
}

export function chooseItem<T>(items: readonly T[], argument: string, what: string, named: (item: T) => Named = (item) => item as Named): T {
  const text = plainText(argument, `the ${what}`)
  const exact = items.filter((item) => named(item).id === text || named(item).name === text)
  const found = exact.length > 0 ? exact : IS_PART.test(text) ? items.filter((item) => named(item).id.startsWith(text)) : []
  if (found.length > 1) {
    const ids = found.map((item) => named(item).id)
    throw cliError('ITEM_AMBIGUOUS', `${found.length} of what there is could be meant by ${text}`, { context: { ids: ids.slice(0, 20) } })
  }
  const [item] = found
  if (item === undefined) throw cliError('ITEM_NOT_FOUND', `there is no ${what} ${text}`, { context: { [what]: text } })
  return item
}

export function isId(text: string): boolean {
  return IS_ID.test(text)
}
