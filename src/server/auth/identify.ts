/** Who a request is from: an API token, or the cookie of a session. Whatever is wrong with either, it is nobody. */
import type { Account } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import { type Caller, dutiesOf, type KnownCaller, nobody, withIncluded } from './caller.ts'
import { sessionPolicy } from './policy.ts'
import { csrfTokenOf, isSessionToken, readBearer, sha256Of } from './tokens.ts'

export interface Credentials {
  readonly authorization: string | undefined
  readonly cookie: string | undefined
}

/** `isActivity: false`: looking whether somebody is still there does not keep a session alive. */
export async function identify(context: ServerContext, credentials: Credentials, { isActivity = true } = {}): Promise<Caller> {
  // Who sends a token means it, even if it is wrong: a cookie beside it does not count.
  if (credentials.authorization !== undefined) return (await byToken(context, credentials.authorization, isActivity)) ?? nobody
  return (await bySession(context, credentials.cookie, isActivity)) ?? nobody
}

async function byToken({ catalog, op }: ServerContext, header: string, isActivity: boolean): Promise<KnownCaller | undefined> {
  const secret = readBearer(header)
  const token = secret === undefined ? undefined : await catalog.apiTokens.findByToken(sha256Of(secret))
  const account = token && (await findActive(catalog, token.accountId))
  if (!token || !account) return undefined
  if (isActivity && op.clock.nowMs() - (token.lastUsedMs ?? 0) >= sessionPolicy.touchMs) await catalog.apiTokens.touch(token.id)
  const granted = withIncluded(token.roles)
  const roles = withIncluded(account.roles).filter((role) => granted.includes(role))
  const actor = { kind: 'token', id: token.id, name: `${account.name}/${token.name}` } as const
  return { kind: 'token', account, token, actor, roles, groups: token.groups, mustDo: dutiesOf(account) }
}

async function bySession(
  { catalog, op }: ServerContext,
  cookie: string | undefined,
  isActivity: boolean,
): Promise<KnownCaller | undefined> {
  if (!isSessionToken(cookie)) return undefined
  const session = await catalog.sessions.findByToken(sha256Of(cookie), sessionPolicy)
  const account = session && (await findActive(catalog, session.accountId))
  if (!session || !account) return undefined
  const nowMs = op.clock.nowMs()
  if (isActivity && nowMs - session.lastUsedMs >= sessionPolicy.touchMs) await catalog.sessions.touch(session.id)
  return {
    kind: 'session',
    account,
    session,
    actor: { kind: 'account', id: account.id, name: account.name },
    roles: withIncluded(account.roles),
    groups: undefined,
    mustDo: dutiesOf(account),
    csrfToken: csrfTokenOf(cookie),
    isSteppedUp: session.steppedUpMs !== undefined && nowMs - session.steppedUpMs <= sessionPolicy.steppedUpMs,
  }
}

async function findActive(catalog: ServerContext['catalog'], id: string): Promise<Account | undefined> {
  const account = await catalog.accounts.find(id)
  return account?.isDisabled === false ? account : undefined
}
