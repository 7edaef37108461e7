/**
 * Every route of the whole server × every role × every way to ask. What is expected is made from the table of routes, in words of its own; so a route that somebody adds
 * is asked in all these ways without anybody thinking of it. What this checks: who is refused gets the refusal that the policy says, as a problem with a code; who is let in
 * is not refused; nothing breaks.
 */
import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { test } from 'node:test'
import { type Account, type Role, roles } from '../../src/catalog/index.ts'
import { csrfTokenOf, sha256Of } from '../../src/server/auth/tokens.ts'
import { isChange, type Route, urlOf } from '../../src/server/http/route.ts'
import { sendTo } from '../../src/server/server.fixture.ts'
import { aWholeServer, type TestWholeServer } from './whole-server.fixture.ts'

/** The same answer whatever the role: nobody is known. */
const UNKNOWN_WAYS = [
  'none',
  'tampered cookie',
  'expired session',
  'idle session',
  'signed out',
  'session of a disabled account',
  'expired token',
  'revoked token',
  'tampered token',
  'token of a disabled account',
  'session cookie as a token',
  'token as a session cookie',
  'wrong token beside a good session',
] as const
const KNOWN_WAYS = [
  'session',
  'stepped-up session',
  'stepped up too long ago',
  'session without its CSRF token',
  'session with the CSRF token of another',
  'session from a page of another site',
  'must change the password',
  'second factor pending',
  'token',
  'token of groups',
  'token of a reader',
] as const
type Way = (typeof UNKNOWN_WAYS)[number] | (typeof KNOWN_WAYS)[number]

const INCLUDED: Readonly<Record<Role, readonly Role[]>> = {
  reader: ['reader'],
  operator: ['operator', 'reader'],
  'backup-admin': ['backup-admin', 'operator', 'reader'],
  'security-admin': ['security-admin', 'auditor', 'reader'],
  auditor: ['auditor', 'reader'],
}
const ADMINISTRATORS: readonly Role[] = ['backup-admin', 'security-admin']

/** Undefined: let in. */
function expected({ access, ...route }: Route, way: Way, role: Role): string | undefined {
  if (isChange(route) && way === 'session from a page of another site') return 'AUTH_CSRF'
  if (access.who === 'anybody') return undefined
  if ((UNKNOWN_WAYS as readonly Way[]).includes(way)) return 'AUTH_REQUIRED'
  const isToken = way.startsWith('token')
  const has = way === 'token of a reader' ? INCLUDED.reader : INCLUDED[role]
  if (!has.some((each) => access.roles.includes(each))) return 'AUTH_FORBIDDEN'
  if (way === 'token of groups' && access.scope === 'server') return 'AUTH_FORBIDDEN'
  if (isToken && access.sessionOnly) return 'AUTH_FORBIDDEN'
  const isPending = way === 'second factor pending' && ADMINISTRATORS.includes(role)
  if ((way === 'must change the password' || isPending) && !access.whileIncomplete) return 'AUTH_ACCOUNT_INCOMPLETE'
  if (way.includes('CSRF') && isChange(route)) return 'AUTH_CSRF'
  if (access.stepUp && way !== 'stepped-up session') return 'AUTH_STEP_UP_REQUIRED'
  return undefined
}

/**
 * What only the handler can know: whose token it is; whether there is a second factor to be replaced; whether this very request would take protection away; that a point
 * is out of reach for a token of groups.
 */
const OWN_REFUSALS: Readonly<Record<string, readonly string[]>> = {
  'token.revoke': ['AUTH_FORBIDDEN'],
  'totp.offer': ['AUTH_STEP_UP_REQUIRED'],
}
const OF_ACCESS = /^AUTH_(REQUIRED|FORBIDDEN|ACCOUNT_INCOMPLETE|CSRF|STEP_UP_REQUIRED)$/

let counter = 0
const secretOf = () => String(++counter).padStart(43, 'x')

async function accountsOf({ server }: TestWholeServer) {
  const { catalog } = server.running().context
  const make = async (
    ofRoles: readonly Role[],
    { mustChangePassword = false, hasTotp = true, isDisabled = false } = {},
  ): Promise<Account> => {
    const account = await catalog.accounts.create({ name: `u${++counter}`, roles: ofRoles, passwordHash: 'none', mustChangePassword })
    if (hasTotp) {
      await catalog.accounts.offerTotp(account.id, new Uint8Array(40))
      await catalog.accounts.confirmTotp(account.id, { step: 0, codeHashes: ['x'] })
    }
    if (isDisabled) await catalog.accounts.change(account.id, { isDisabled }, account.version)
    return account
  }
  const byRole = new Map<string, Account>()
  for (const role of roles) {
    byRole.set(role, await make([role]))
    byRole.set(`${role} must change the password`, await make([role], { mustChangePassword: true }))
    byRole.set(`${role} second factor pending`, await make([role], { hasTotp: false }))
  }
  byRole.set('all', await make(roles))
  byRole.set('all disabled', await make(roles, { isDisabled: true }))
  return (name: string) => byRole.get(name) as Account
}

type Accounts = Awaited<ReturnType<typeof accountsOf>>

async function headersOf({ server }: TestWholeServer, accounts: Accounts, way: Way, role: Role): Promise<Record<string, string>> {
  if (way === 'none') return {}
  const { catalog } = server.running().context
  const origin = server.running().address
  const isUnknown = (UNKNOWN_WAYS as readonly Way[]).includes(way)
  const isDisabled = way.includes('disabled')
  const special = way === 'must change the password' || way === 'second factor pending' ? `${role} ${way}` : undefined
  const accountId = accounts(special ?? (isUnknown ? (isDisabled ? 'all disabled' : 'all') : role)).id
  const secret = secretOf()

  if (
    way.includes('token') &&
    !way.includes('CSRF') &&
    way !== 'session cookie as a token' &&
    way !== 'wrong token beside a good session'
  ) {
    const token = await catalog.apiTokens.create({
      accountId,
      name: 't',
      tokenSha256: sha256Of(`terp_${secret}`),
      roles: isUnknown ? roles : way === 'token of a reader' ? ['reader'] : [role],
      groups: way === 'token of groups' ? ['a'.repeat(32)] : undefined,
      expiresMs: server.clock.nowMs() + (way === 'expired token' ? 0 : 3_600_000),
    })
    if (way === 'revoked token') await catalog.apiTokens.revoke(token.id)
    if (way === 'token as a session cookie') return { cookie: `__Host-terp=terp_${secret}`, origin }
    return { authorization: `Bearer terp_${way === 'tampered token' ? `${secret.slice(0, -1)}y` : secret}` }
  }
  const session = {
    accountId,
    tokenSha256: sha256Of(secret),
    isSteppedUp: isUnknown || (way !== 'session' && special === undefined),
    address: '',
    client: '',
  }
  if (way === 'idle session' || way === 'stepped up too long ago') {
    // Opened in the past: the clock goes back, and forth again.
    const backMs = way === 'idle session' ? 15 * 60_000 : 5 * 60_000 + 1
    server.clock.advance(-backMs)
    await catalog.sessions.open({ ...session, lifeMs: 12 * 3_600_000 })
    server.clock.advance(backMs)
  } else {
    const opened = await catalog.sessions.open({ ...session, lifeMs: way === 'expired session' ? 0 : 12 * 3_600_000 })
    if (way === 'signed out') await catalog.sessions.close(accountId, opened.id)
  }
  if (way === 'session cookie as a token') return { authorization: `Bearer ${secret}` }
  const cookie = `__Host-terp=${way === 'tampered cookie' ? `${secret.slice(0, -1)}y` : secret}`
  const csrf = { 'terp-csrf': csrfTokenOf(secret) }
  if (way === 'wrong token beside a good session') return { cookie, origin, ...csrf, authorization: `Bearer terp_${secretOf()}` }
  if (way === 'session without its CSRF token') return { cookie, origin }
  if (way === 'session with the CSRF token of another') return { cookie, origin, 'terp-csrf': csrfTokenOf(secretOf()) }
  if (way === 'session from a page of another site') return { cookie, origin: 'https://evil.example', ...csrf }
  return { cookie, origin, ...csrf }
}

test('every route of the whole server × role × way to ask: refused as the policy says, with a problem and its code', async (t) => {
  const whole = await aWholeServer(t)
  const { server } = whole
  await server.administrator()
  const accounts = await accountsOf(whole)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())
  const { routes, address } = server.running()
  const wrong: string[] = []
  const counts = { asked: 0, refused: 0, letIn: 0 }

  const ask = async (route: Route, way: Way, role: Role, headers: Readonly<Record<string, string>>) => {
    const code = expected(route, way, role)
    // It would not end; http/app.test.ts has those who are let in.
    if (route.stream === 'events' && code === undefined) return
    const path = urlOf(route).replace(/:\w+/g, '0'.repeat(32))
    // Something that no shape takes: who is let in changes nothing by it.
    const body = isChange(route) ? { body: { unexpected: 'x' } } : {}
    const got = await sendTo(address, path, { method: route.method, headers, ...body }, agent)
    const say = (what: string) => wrong.push(`${route.method} ${path} as ${role} (${way}): ${what}`)
    counts.asked++
    const told = got.json?.code
    const toldOfAccess = OF_ACCESS.test(told ?? '') ? told : undefined
    if (got.status >= 500) say(got.text)
    if (code === undefined) {
      counts.letIn++
      if (toldOfAccess !== undefined && !OWN_REFUSALS[route.name]?.includes(toldOfAccess)) say(`refused: ${toldOfAccess}`)
      return
    }
    counts.refused++
    if (told !== code) say(`${told ?? got.status} in place of ${code}`)
    else if (got.status !== (code === 'AUTH_REQUIRED' ? 401 : 403)) say(`status ${got.status}`)
    else if (!/^application\/problem\+json/.test(got.headers['content-type'] ?? '')) say('no problem')
    else if (got.headers['terp-code'] !== code || !got.json.hint || !got.json.requestId) say('the problem lacks something')
    else if (code === 'AUTH_REQUIRED' && got.headers['www-authenticate'] !== 'Bearer') say('no www-authenticate')
  }

  const ways: [Way, Role][] = [
    ...UNKNOWN_WAYS.map((way): [Way, Role] => [way, 'reader']),
    ...roles.flatMap((role) => KNOWN_WAYS.map((way): [Way, Role] => [way, role])),
  ]
  let credentials: Record<string, string>[] = []
  for (const route of routes) {
    // One after the other: some move the clock.
    if (credentials.length === 0) for (const [way, role] of ways) credentials.push(await headersOf(whole, accounts, way, role))
    await Promise.all(ways.map(([way, role], n) => ask(route, way, role, credentials[n] ?? {})))
    // What it was asked with may have ended by it.
    if (route.tag === 'Session') credentials = []
  }
  t.diagnostic(`${routes.length} routes, ${counts.asked} cases: ${counts.refused} refused, ${counts.letIn} let in`)
  assert.deepEqual(wrong, [])
  // So that nobody empties the table, or this.
  assert.ok(routes.length >= 100, `${routes.length} routes`)
  assert.ok(counts.asked > 60 * routes.length, `${counts.asked} cases`)
})
