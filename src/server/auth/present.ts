/** What leaves of accounts, sessions and tokens, field by field. */
import { toTimestamp } from '../../base/clock.ts'
import type { Account, ApiToken, Session } from '../../catalog/index.ts'
import type { AccountDescription, CallerDescription, SessionDescription, TokenDescription } from '../../wire/index.ts'
import type { KnownCaller } from './caller.ts'
import { sessionPolicy } from './policy.ts'

export function presentAccount(account: Account): AccountDescription {
  return {
    id: account.id,
    name: account.name,
    roles: [...account.roles],
    isDisabled: account.isDisabled,
    mustChangePassword: account.mustChangePassword,
    hasTotp: account.totpConfirmedMs !== undefined,
    isOfDirectory: account.directoryId !== undefined,
    created: toTimestamp(account.createdMs),
    passwordChanged: toTimestamp(account.passwordChangedMs),
    ...(account.lastSignInMs !== undefined && { lastSignIn: toTimestamp(account.lastSignInMs) }),
    version: account.version,
  }
}

export function presentCaller(caller: KnownCaller): CallerDescription {
  const common = {
    account: presentAccount(caller.account),
    kind: caller.kind,
    roles: [...caller.roles],
    ...(caller.groups && { groups: [...caller.groups] }),
    mustDo: [...caller.mustDo],
  }
  if (caller.kind === 'token') return { ...common, expires: toTimestamp(caller.token.expiresMs) }
  const { steppedUpMs, expiresMs } = caller.session
  return {
    ...common,
    expires: toTimestamp(expiresMs),
    ...(caller.isSteppedUp && steppedUpMs !== undefined && { steppedUpUntil: toTimestamp(steppedUpMs + sessionPolicy.steppedUpMs) }),
    csrfToken: caller.csrfToken,
  }
}

export function presentSession(session: Session, currentId: string | undefined): SessionDescription {
  return {
    id: session.id,
    isThis: session.id === currentId,
    created: toTimestamp(session.createdMs),
    lastUsed: toTimestamp(session.lastUsedMs),
    expires: toTimestamp(session.expiresMs),
    address: session.address,
    client: session.client,
  }
}

export function presentToken(token: ApiToken): TokenDescription {
  return {
    id: token.id,
    accountId: token.accountId,
    name: token.name,
    roles: [...token.roles],
    ...(token.groups && { groups: [...token.groups] }),
    created: toTimestamp(token.createdMs),
    expires: toTimestamp(token.expiresMs),
    ...(token.lastUsedMs !== undefined && { lastUsed: toTimestamp(token.lastUsedMs) }),
    ...(token.revokedMs !== undefined && { revoked: toTimestamp(token.revokedMs) }),
  }
}
