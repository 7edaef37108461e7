/**
 * Signing in with the password that the directory knows. The directory says who somebody is and which groups he is in; whether that is enough, the
 * second factor included, is decided here as for everybody else. An account is bound to one entry by what stays when the entry is renamed, so that
 * nobody inherits the account of somebody whose name is given again.
 */
import type { Account, Records, Role } from '../../../catalog/index.ts'
import { accountNameShape } from '../../../wire/index.ts'
import type { ServerContext } from '../../context.ts'
import { readSetting } from '../../settings/setting.ts'
import { authError } from '../errors.ts'
import { openBindPassword } from './bind-password.ts'
import { type Directory, type DirectoryEntry, withDirectory } from './client.ts'
import { type DirectorySetting, directorySetting } from './setting.ts'

/** In the audit log: what the directory told us, nobody here did. */
const directoryActor = { kind: 'server', id: '', name: 'directory' } as const

/** No account has a password with this hash. */
export const NO_PASSWORD = 'directory'

/** Whether the directory is to be asked about a name that is no account. */
export async function mayMakeAccount(context: ServerContext): Promise<boolean> {
  const { isOn, makesAccounts, groups } = (await readSetting(context, directorySetting)).value
  return isOn && makesAccounts && groups.length > 0
}

export interface DirectoryProof {
  readonly name: string
  readonly password: string
  readonly address: string
}

/** Undefined: no. The account as it is now, made or with the roles of this day. AUTH_DIRECTORY_UNAVAILABLE. */
export async function proveToDirectory(
  context: ServerContext,
  account: Account | undefined,
  { name, password, address }: DirectoryProof,
): Promise<Account | undefined> {
  const setting = (await readSetting(context, directorySetting)).value
  if (!setting.isOn || password === '' || account?.isDisabled) return undefined
  const found = await withDirectory(setting, await openBindPassword(context, setting), async (directory) => {
    const entry = account?.directoryId ? await directory.findById(account.directoryId) : await directory.findByName(account?.name ?? name)
    if (!entry || entry.isDisabled || !(await directory.isPasswordOf(entry, password))) return undefined
    return { entry, roles: await rolesIn(directory, setting, entry) }
  })
  if (!found) return undefined
  const { entry, roles } = found
  return await context.catalog.transaction(async (records) => {
    // Read again: the directory took its time.
    const known = account ? await records.accounts.get(account.id) : await records.accounts.findByDirectoryId(entry.id)
    if (!known) return await makeAccount(records, { entry, roles, isAllowed: setting.makesAccounts, address })
    if (known.isDisabled || roles?.length === 0) return undefined
    if (known.directoryId === '') {
      // It is somebody's already, under another name.
      if (await records.accounts.findByDirectoryId(entry.id)) return undefined
      await records.accounts.bindToDirectory(known.id, entry.id)
    }
    return await withRoles(records, known, roles ?? known.roles, address)
  })
}

/** Undefined: the setting names no groups, and roles are those that the account was given here. */
export async function rolesIn(directory: Directory, setting: DirectorySetting, entry: DirectoryEntry): Promise<Role[] | undefined> {
  return setting.groups.length === 0 ? undefined : await directory.rolesOf(entry)
}

/** Sessions end with a change of roles, as when a person makes it. */
export async function withRoles(records: Records, account: Account, roles: readonly Role[], address: string): Promise<Account> {
  const { roles: before, version } = await records.accounts.get(account.id)
  const isSame = roles.length === before.length && roles.every((role) => before.includes(role))
  if (isSame) return await records.accounts.get(account.id)
  const changed = await records.accounts.change(account.id, { roles }, version)
  await records.sessions.closeAllOf(account.id)
  const details = { before: { roles: [...before] }, after: { roles: [...roles] } }
  const subject = { kind: 'account', id: account.id } as const
  await records.audit.append({ actor: directoryActor, address, action: 'account.change', subject, outcome: 'done', details })
  return changed
}

async function makeAccount(
  records: Records,
  {
    entry,
    roles,
    isAllowed,
    address,
  }: { readonly entry: DirectoryEntry; readonly roles: readonly Role[] | undefined; readonly isAllowed: boolean; readonly address: string },
): Promise<Account | undefined> {
  if (!isAllowed || !roles || roles.length === 0 || !accountNameShape.safeParse(entry.name).success) return undefined
  // An account of our own with this name stays its owner's.
  if (await records.accounts.findByName(entry.name)) return undefined
  const made = await records.accounts.create({
    name: entry.name,
    roles,
    passwordHash: NO_PASSWORD,
    mustChangePassword: false,
    directoryId: entry.id,
  })
  const subject = { kind: 'account', id: made.id } as const
  const details = { name: made.name, roles: [...roles], dn: entry.dn }
  await records.audit.append({ actor: directoryActor, address, action: 'account.create', subject, outcome: 'done', details })
  return made
}

/** AUTH_DIRECTORY_ACCOUNT: the password of such an account is not ours to change. */
export function checkHasOwnPassword(account: Account): void {
  if (account.directoryId !== undefined) {
    throw authError('AUTH_DIRECTORY_ACCOUNT', `the password of ${account.name} is the directory's`)
  }
}
