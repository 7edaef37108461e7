/** Every hour, what the directory says now of who is signed in or has tokens: who left is out, and roles are those of the groups. */
import type { Account, Role } from '../../../catalog/index.ts'
import type { ServerContext } from '../../context.ts'
import { readSetting } from '../../settings/setting.ts'
import { sessionPolicy } from '../policy.ts'
import { openBindPassword } from './bind-password.ts'
import { withDirectory } from './client.ts'
import { directorySetting } from './setting.ts'
import { rolesIn, withRoles } from './sign-in.ts'

/** AUTH_DIRECTORY_UNAVAILABLE, and then all stays as it was: an outage must not throw everybody out. */
export async function refreshDirectoryAccounts(context: ServerContext): Promise<void> {
  const { catalog } = context
  const setting = (await readSetting(context, directorySetting)).value
  const accounts = (await catalog.accounts.listOfDirectory()).filter((account) => !account.isDisabled)
  if (!setting.isOn || accounts.length === 0) return
  const password = await openBindPassword(context, setting)
  await withDirectory(setting, password, async (directory) => {
    for (const account of accounts) {
      const entry = await directory.findById(account.directoryId ?? '')
      const roles = entry && !entry.isDisabled ? ((await rolesIn(directory, setting, entry)) ?? account.roles) : []
      await apply(context, account, roles)
    }
  })
}

async function apply({ catalog }: ServerContext, account: Account, roles: readonly Role[]): Promise<void> {
  if (roles.length > 0) {
    await catalog.transaction((records) => withRoles(records, account, roles, ''))
    return
  }
  const sessions = await catalog.sessions.listOf(account.id, sessionPolicy)
  const tokens = await catalog.apiTokens.list({ limit: 500 }, { accountId: account.id })
  const open = tokens.items.filter((token) => token.revokedMs === undefined)
  if (sessions.length === 0 && open.length === 0) return
  await catalog.transaction(async (records) => {
    await records.sessions.closeAllOf(account.id)
    await records.apiTokens.revokeAllOf(account.id)
    const actor = { kind: 'server', id: '', name: 'directory' } as const
    const details = { name: account.name, sessions: sessions.length, tokens: open.length }
    const subject = { kind: 'account', id: account.id } as const
    await records.audit.append({ actor, address: '', action: 'account.leave', subject, outcome: 'done', details })
  })
}
