/** Who asks, and what he may. */
import type { Account, Actor, ApiToken, Role, Session } from '../../catalog/index.ts'

interface OfAccount {
  readonly account: Account
  readonly actor: Actor
  /** Those of the account, with what they include; of a token those that both have. */
  readonly roles: readonly Role[]
  /** Ids; undefined: all. */
  readonly groups: readonly string[] | undefined
  /** What the account must do before anything else. */
  readonly mustDo: readonly ('change-password' | 'enrol-totp')[]
}

export type KnownCaller =
  | (OfAccount & { readonly kind: 'session'; readonly session: Session; readonly csrfToken: string; readonly isSteppedUp: boolean })
  | (OfAccount & { readonly kind: 'token'; readonly token: ApiToken })

export interface UnknownCaller {
  readonly kind: 'nobody'
  readonly actor: Actor
}

export type Caller = KnownCaller | UnknownCaller

export const nobody: UnknownCaller = { kind: 'nobody', actor: { kind: 'nobody', id: '', name: '' } }

/** Who may do the one may do the other. A test of every route against every role goes by it. */
const INCLUDED: Readonly<Record<Role, readonly Role[]>> = {
  reader: [],
  operator: ['reader'],
  'backup-admin': ['operator', 'reader'],
  'security-admin': ['auditor', 'reader'],
  auditor: ['reader'],
}

export function withIncluded(roles: readonly Role[]): Role[] {
  return [...new Set(roles.flatMap((role) => [role, ...INCLUDED[role]]))]
}

/** These roles can undo protection, so a password alone is not enough for them. */
const ROLES_WITH_TOTP: readonly Role[] = ['backup-admin', 'security-admin']

export function needsTotp(roles: readonly Role[]): boolean {
  return roles.some((role) => ROLES_WITH_TOTP.includes(role))
}

export function dutiesOf(account: Account): KnownCaller['mustDo'] {
  const duties: ('change-password' | 'enrol-totp')[] = []
  if (account.mustChangePassword) duties.push('change-password')
  if (needsTotp(account.roles) && account.totpConfirmedMs === undefined) duties.push('enrol-totp')
  return duties
}

/** Whether this caller may have to do with a group, or with what is in none (`undefined`). */
export function reaches(caller: KnownCaller, groupId: string | undefined): boolean {
  return caller.groups === undefined || (groupId !== undefined && caller.groups.includes(groupId))
}
