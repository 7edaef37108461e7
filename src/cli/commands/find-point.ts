/** Which recovery point is meant, and how paths in it are named. */
import type { Command } from 'commander'
import type { z } from 'zod'
import { pointDescriptionShape, sourceDescriptionShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, findItem, isId } from '../api/find-item.ts'
import type { ServerCommandOptions } from '../api/server-command.ts'
import { bytesOf, plainText, resolvePath } from '../arguments.ts'
import { cliError } from '../errors.ts'

export const POINT = ['<POINT>', 'id, the beginning of it, or `latest`'] as const
export type Point = z.output<typeof pointDescriptionShape>

export interface PointOptions extends ServerCommandOptions {
  readonly source?: string
}

export const sourceOption = (command: Command) => command.option('--source <source>', 'of this data source; needed with `latest`')

export const findSource = (api: Api, argument: string) => findItem(api, '/sources', sourceDescriptionShape, argument, 'data source')

export async function findPoint(api: Api, argument: string | undefined, { source }: PointOptions): Promise<Point> {
  const text = plainText(argument ?? '', 'the recovery point')
  if (isId(text)) return await api.get(`/recovery-points/${text}`, pointDescriptionShape)
  const id = source === undefined ? undefined : (await findSource(api, source)).id
  if (text === 'latest') {
    if (id === undefined) throw cliError('USAGE_INVALID', '`latest` is of one data source: name it with --source')
    const [newest] = await api.list('/recovery-points', pointDescriptionShape, { source: id }, 1)
    if (!newest) throw cliError('ITEM_NOT_FOUND', `${source} has no recovery point`)
    return newest
  }
  const points = await api.list('/recovery-points', pointDescriptionShape, { source: id })
  const gone = await api.list('/recovery-points', pointDescriptionShape, { source: id, state: 'expired' })
  return chooseItem([...points, ...gone], text, 'recovery point', (point) => ({ id: point.id }))
}

/** As the API has it: base64 of absolute bytes, nothing for the root. */
export function pathText(text: string | undefined): string {
  return resolvePath(Buffer.alloc(0), bytesOf(text ?? '/')).toString('base64')
}
