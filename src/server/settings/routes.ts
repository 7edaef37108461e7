/** Two routes for each setting. */
import type { ServerContext } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import { asJson, readSetting, type SettingDefinition } from './setting.ts'

const tag = 'Settings'

export function settingRoutes(context: ServerContext, definitions: readonly SettingDefinition[]): Route[] {
  return definitions.flatMap((definition) => routesOf(context, definition))
}

function routesOf(context: ServerContext, definition: SettingDefinition): Route[] {
  const { name, summary, shape, readers, writers, stepUp } = definition
  const path = `/settings/${name}`
  const { needsSecond } = definition
  const reading = route({
    method: 'GET',
    path,
    name: `settings.read-${name}`,
    summary,
    tag,
    access: { who: 'roles', roles: readers, scope: 'server' },
    answer: shape,
    async handle() {
      const { value, version } = await readSetting(context, definition)
      return { body: value, version }
    },
  })
  const changing = route({
    method: 'PUT',
    path,
    name: `settings.change-${name}`,
    summary: `Change: ${summary}`,
    tag,
    access: { who: 'roles', roles: writers, scope: 'server', stepUp },
    body: shape,
    answer: shape,
    needsVersion: true,
    async handle({ body, caller, expectedVersion, record }) {
      const changed = await context.catalog.transaction(async (records) => {
        const before = (await records.settings.find(name))?.value
        const options = { by: caller.account.id, expectedVersion }
        const put = await records.settings.put(name, asJson(body), options)
        await record({ action: 'settings.change', subject: { kind: 'settings', id: name }, details: { before, after: put.value } }, records)
        return put
      })
      return { body, version: changed.version }
    },
  })
  if (!needsSecond) return [reading, changing]
  const takesAway: Route['needsSecond'] = async ({ body }) => needsSecond((await readSetting(context, definition)).value, body)
  return [reading, { ...changing, needsSecond: takesAway }]
}
