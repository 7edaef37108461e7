/**
 * The first account. A server that has none makes a secret at its start, and writes it to a file that only its owner can read: whoever can read the
 * data folder may make the first account, and nobody else.
 */

import { type Role, roles } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { callerShape, setupShape, setupStateShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { type DataPaths, readText, removeFile, replaceFile } from '../data-folder.ts'
import { type Route, route } from '../http/route.ts'
import { authError } from './errors.ts'
import { checkNewPassword, type Passwords } from './passwords.ts'
import { presentCaller } from './present.ts'
import { takeFromNetwork } from './prove.ts'
import { openSession } from './session-routes.ts'
import { makeSecret, sha256Of } from './tokens.ts'

/** Of the first account: it can do all, save look after itself. */
const FIRST_ROLES: readonly Role[] = roles.filter((role) => role === 'backup-admin' || role === 'security-admin')

/** Returns the secret while there is no account. The same over restarts. */
export async function openSetup(
  { catalog, op }: Pick<ServerContext, 'catalog' | 'op'>,
  disk: Disk,
  paths: DataPaths,
): Promise<string | undefined> {
  if ((await catalog.accounts.count()) > 0) {
    await removeFile(disk, paths.setupSecret)
    return undefined
  }
  const text = (await readText(disk, paths.setupSecret))?.trim()
  const known = await catalog.setup.find()
  if (text !== undefined && known?.secretSha256 === sha256Of(text) && known.usedMs === undefined) return text
  const secret = makeSecret(op.random)
  await replaceFile(disk, paths.setupSecret, `${secret}\n`)
  await catalog.setup.put(sha256Of(secret))
  return secret
}

export function setupRoutes(context: ServerContext, passwords: Passwords, onDone: () => Promise<void>): Route[] {
  const { catalog } = context
  return [
    route({
      method: 'GET',
      path: '/setup',
      name: 'setup.read',
      summary: 'Whether the first account was made.',
      tag: 'Set-up',
      access: { who: 'anybody' },
      answer: setupStateShape,
      handle: async () => ({ body: { isDone: (await catalog.accounts.count()) > 0 } }),
    }),
    route({
      method: 'POST',
      path: '/setup',
      name: 'setup.finish',
      summary: 'Make the first account, with the secret of the data folder, and sign in.',
      tag: 'Set-up',
      access: { who: 'anybody' },
      body: setupShape,
      answer: callerShape,
      status: 201,
      takesKey: false,
      async handle({ body, address, client, record }) {
        await takeFromNetwork(context, address)
        if ((await catalog.accounts.count()) > 0) throw authError('SETUP_DONE', 'this server has its first account')
        const secretSha256 = sha256Of(body.secret.trim())
        // Before the costly hash.
        if ((await catalog.setup.find())?.secretSha256 !== secretSha256) throw authError('SETUP_SECRET_WRONG', 'the set-up secret is wrong')
        checkNewPassword(body.password, body.name)
        const passwordHash = await passwords.hash(body.password)
        const account = await catalog.transaction(async (records) => {
          if (!(await records.setup.use(secretSha256))) throw authError('SETUP_DONE', 'the set-up secret was used')
          const made = await records.accounts.create({ name: body.name, roles: FIRST_ROLES, passwordHash, mustChangePassword: false })
          const actor = { kind: 'account', id: made.id, name: made.name } as const
          await record({ actor, action: 'setup.finish', subject: { kind: 'account', id: made.id }, details: { name: made.name } }, records)
          return made
        })
        await onDone()
        const { caller, cookie } = await openSession(context, account, { address, client })
        return { body: presentCaller(caller), cookie }
      },
    }),
  ]
}
