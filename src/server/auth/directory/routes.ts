/** The password of the account that searches the directory, and a look at what the directory says of a name. */
import type { z } from 'zod'
import { hasCode } from '../../../base/errors.ts'
import { directoryPasswordShape, directoryTestedShape, directoryTestShape } from '../../../wire/index.ts'
import type { ServerContext } from '../../context.ts'
import { guardians, type Route, route } from '../../http/route.ts'
import { readSetting } from '../../settings/setting.ts'
import { keepBindPassword, openBindPassword } from './bind-password.ts'
import { withDirectory } from './client.ts'
import { directorySetting } from './setting.ts'

const tag = 'Settings'
const access = { who: 'roles', roles: guardians, scope: 'server', stepUp: true } as const
const subject = { kind: 'settings', id: directorySetting.name } as const

export function directoryRoutes(context: ServerContext): Route[] {
  const { catalog } = context
  return [
    route({
      method: 'PUT',
      path: '/settings/directory/password',
      name: 'directory.set-password',
      summary:
        'Set the password of the account that searches the directory. A change of address, certificate or account asks for it again.',
      tag,
      access,
      body: directoryPasswordShape,
      async handle({ body: { password }, caller, record }) {
        const setting = (await readSetting(context, directorySetting)).value
        await catalog.transaction(async (records) => {
          await keepBindPassword(context, records, { setting, password, by: caller.account.id })
          await record({ action: 'directory.set-password', subject, details: { url: setting.url, bindDn: setting.bindDn } }, records)
        })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/settings/directory/test',
      name: 'directory.test',
      summary: 'Ask the directory about a name: who that is, and with which roles. Also while it is switched off.',
      tag,
      access,
      body: directoryTestShape,
      answer: directoryTestedShape,
      takesKey: false,
      async handle({ body: { name }, record }) {
        const setting = (await readSetting(context, directorySetting)).value
        const answer = await look()
        await record({ action: 'directory.test', subject, details: { name, isFound: answer.isFound } })
        return { body: answer }

        async function look(): Promise<z.input<typeof directoryTestedShape>> {
          if (setting.url === '') return { isReached: false, isFound: false, problem: 'the directory has no address yet' }
          try {
            return await withDirectory(setting, await openBindPassword(context, setting), async (directory) => {
              const entry = await directory.findByName(name)
              if (!entry) return { isReached: true, isFound: false }
              const { dn, isDisabled } = entry
              return { isReached: true, isFound: true, name: entry.name, dn, isDisabled, roles: await directory.rolesOf(entry) }
            })
          } catch (error) {
            if (!hasCode(error, 'AUTH_DIRECTORY_UNAVAILABLE')) throw error
            return { isReached: false, isFound: false, problem: (error as Error).message }
          }
        }
      },
    }),
  ]
}
