/**
 * The way back in when the last administrator lost password, phone and codes: for the owner of the data folder, while the server is stopped. Who can
 * write that folder owns the server anyway, so this gives nobody more than he has; the audit log keeps that it happened.
 */
import type { Operation } from '../../base/operation.ts'
import { type Account, openCatalog, type Records, type Role } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { accountNameShape } from '../../wire/index.ts'
import { dataPaths, lockFolder } from '../data-folder.ts'
import { serverError } from '../errors.ts'
import { authError } from './errors.ts'
import { type PasswordCosts, Passwords } from './passwords.ts'
import { signInKey } from './prove.ts'
import { makeSecret } from './tokens.ts'

export interface ResetOptions {
  readonly dataFolder: string
  readonly disk: Disk
  /** Of an account of this server. Undefined: the security administrator that was made first. One that is none yet is made. */
  readonly name?: string | undefined
  readonly passwordCosts?: PasswordCosts | undefined
}

export interface ResetAdministrator {
  readonly name: string
  /** A password of 256 random bits, to be shown once. The first sign-in changes it and enrols a new second factor before anything else. */
  readonly secret: string
  readonly isNew: boolean
}

const DEFAULT_NAME = 'admin'
const NEEDED: readonly Role[] = ['backup-admin', 'security-admin']

/** SERVER_BUSY while the server runs, SERVER_DATA_INVALID, DATABASE_INVALID, DATABASE_NEWER, AUTH_DIRECTORY_ACCOUNT, API_REQUEST_INVALID. */
export async function resetAdministrator(op: Operation, options: ResetOptions): Promise<ResetAdministrator> {
  const { disk, name } = options
  if (name !== undefined && !accountNameShape.safeParse(name).success) {
    throw serverError('API_REQUEST_INVALID', `${JSON.stringify(name)} can not be the name of an account`)
  }
  const paths = dataPaths(options.dataFolder)
  // Before anything is made in what may be another folder.
  if ((await disk.size(paths.catalog)) === undefined) throw serverError('SERVER_DATA_INVALID', `there is no server in ${paths.folder}`)
  await using opened = new AsyncDisposableStack()
  const lock = await lockFolder(disk, paths)
  opened.defer(() => lock.release())
  const catalog = await openCatalog(op, paths.catalog)
  opened.defer(() => catalog.close())
  const secret = makeSecret(op.random)
  const passwordHash = await new Passwords(op.random, options.passwordCosts).hash(secret)
  return await catalog.transaction(async (records) => {
    const known = name === undefined ? await findFirst(records) : await records.accounts.findByName(name)
    if (known?.directoryId !== undefined) throw authError('AUTH_DIRECTORY_ACCOUNT', `${known.name} is an account of the directory`)
    const account = known ? await renew(records, known, passwordHash) : await make(records, name ?? DEFAULT_NAME, passwordHash)
    const actor = { kind: 'server', id: '', name: 'owner of the data folder' } as const
    const details = { name: account.name, roles: [...account.roles], isNew: known === undefined }
    const subject = { kind: 'account', id: account.id } as const
    await records.audit.append({ actor, address: '', action: 'account.reset-from-folder', subject, outcome: 'done', details })
    return { name: account.name, secret, isNew: known === undefined }
  })
}

/** The oldest account of our own that has the role, even a disabled one: who lost everything may have been locked out too. */
async function findFirst(records: Records): Promise<Account | undefined> {
  let oldest: Account | undefined
  let cursor: string | undefined
  do {
    const page = await records.accounts.list({ limit: 500, cursor })
    for (const account of page.items) {
      const isOurs = account.directoryId === undefined && account.roles.includes('security-admin')
      if (isOurs && (!oldest || account.createdMs < oldest.createdMs)) oldest = account
    }
    cursor = page.next
  } while (cursor !== undefined)
  return oldest
}

async function renew(records: Records, account: Account, passwordHash: string): Promise<Account> {
  const roles = [...new Set([...account.roles, ...NEEDED])]
  await records.accounts.change(account.id, { roles, isDisabled: false }, account.version)
  await records.accounts.setPassword(account.id, passwordHash, { mustChange: true })
  await records.accounts.removeTotp(account.id)
  await records.sessions.closeAllOf(account.id)
  await records.apiTokens.revokeAllOf(account.id)
  // Whoever tried too often before is not kept out by that.
  await records.limits.succeeded(signInKey(account.name))
  return await records.accounts.get(account.id)
}

async function make(records: Records, name: string, passwordHash: string): Promise<Account> {
  return await records.accounts.create({ name, roles: NEEDED, passwordHash, mustChangePassword: true })
}
