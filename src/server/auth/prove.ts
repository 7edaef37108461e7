/**
 * The proof of who one is: password and second factor, within limits. What went wrong is not told apart, save that a code is missing, which only
 * somebody with the right password learns.
 */
import { hasCode } from '../../base/errors.ts'
import type { Account } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import { mayMakeAccount, proveToDirectory } from './directory/sign-in.ts'
import { authError } from './errors.ts'
import { networkOf } from './network.ts'
import type { Passwords } from './passwords.ts'
import { accountPolicy, networkPolicy } from './policy.ts'
import { acceptRecoveryCode, acceptTotp } from './second-factor.ts'
import { sha256Of } from './tokens.ts'

export interface Proof {
  readonly name: string
  readonly password: string
  readonly totp?: string | undefined
  readonly recoveryCode?: string | undefined
}

export interface Occasion {
  readonly address: string
  /** What it is for, in the audit log. */
  readonly act: string
  /** The second factor was proven before. */
  readonly isPasswordEnough?: boolean
}

/** AUTH_TOO_OFTEN, AUTH_FAILED, AUTH_CODE_REQUIRED. */
export async function prove(
  context: ServerContext,
  passwords: Passwords,
  proof: Proof,
  { address, act, isPasswordEnough = false }: Occasion,
): Promise<Account> {
  const { catalog } = context
  await takeFromNetwork(context, address)
  const key = signInKey(proof.name)
  const waitMs = await catalog.limits.attempt(key, accountPolicy)
  if (waitMs > 0) throw tooOften(waitMs)

  const known = await catalog.accounts.findByName(proof.name)
  let account = known
  try {
    account = await provePassword(context, passwords, proof, { known, address })
    if (account.totpConfirmedMs !== undefined && !isPasswordEnough) await proveSecondFactor(context, account, proof)
  } catch (error) {
    // A name that is none may be a password in the wrong field.
    const subject = { kind: 'account', id: account?.id ?? '' } as const
    const actor = { kind: 'nobody', id: '', name: account?.name ?? '' } as const
    const told = ['AUTH_CODE_REQUIRED', 'AUTH_DIRECTORY_UNAVAILABLE'].find((code) => hasCode(error, code))
    const details = { code: told ?? 'AUTH_FAILED' }
    await catalog.audit.append({ actor, address, action: act, subject, outcome: 'refused', details })
    throw error
  }
  await catalog.limits.succeeded(key)
  const isOurs = account.directoryId === undefined
  if (isOurs && passwords.isOutdated(account.passwordHash)) await catalog.accounts.rehash(account.id, await passwords.hash(proof.password))
  return account
}

/**
 * By our hash, or by the directory where the account is the directory's, or where there is none and one may be made. With whichever it is not, an
 * unknown name costs the time of a wrong password.
 */
async function provePassword(
  context: ServerContext,
  passwords: Passwords,
  { name, password }: Proof,
  { known, address }: { readonly known: Account | undefined; readonly address: string },
): Promise<Account> {
  const asksDirectory = known ? known.directoryId !== undefined : await mayMakeAccount(context)
  const isOurs = known?.directoryId === undefined
  const isRight = await passwords.verify(password, isOurs ? known?.passwordHash : undefined)
  const proven = asksDirectory ? await proveToDirectory(context, known, { name, password, address }) : isRight ? known : undefined
  if (!proven || proven.isDisabled) throw authError('AUTH_FAILED', 'name, password or code is wrong')
  return proven
}

/** Of the limit that an account has, whether or not there is such an account. */
export function signInKey(name: string): string {
  return sha256Of(`sign-in\n${name.toLowerCase()}`)
}

/** Of all that may be tried from outside without being signed in. AUTH_TOO_OFTEN. */
export async function takeFromNetwork({ catalog }: ServerContext, address: string): Promise<void> {
  const waitMs = await catalog.limits.take(`sign-in ${networkOf(address)}`, networkPolicy)
  if (waitMs > 0) throw tooOften(waitMs)
}

async function proveSecondFactor(context: ServerContext, account: Account, { totp, recoveryCode }: Proof): Promise<void> {
  if (totp === undefined && recoveryCode === undefined) throw authError('AUTH_CODE_REQUIRED', 'the code of the second factor is missing')
  const isRight =
    totp !== undefined ? await acceptTotp(context, account, totp) : await acceptRecoveryCode(context, account, recoveryCode ?? '')
  if (!isRight) throw authError('AUTH_FAILED', 'name, password or code is wrong')
}

function tooOften(waitMs: number) {
  return authError('AUTH_TOO_OFTEN', `this was tried too often; wait ${Math.ceil(waitMs / 1000)} s`, {
    context: { retry_after_ms: waitMs },
  })
}
