/** Every route × every way to ask: who is not allowed is refused, with the code that says why. The expectation is made from the table of routes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Account, type Role, roles } from '../../catalog/index.ts'
import { csrfTokenOf, sha256Of } from '../auth/tokens.ts'
import { aServer, type TestServer } from '../server.fixture.ts'
import { type Route, urlOf } from './route.ts'

type Way = 'none' | 'tampered' | 'expired' | 'revoked' | 'session' | 'stepped-up' | 'no-csrf' | 'token' | 'token-of-groups' | 'incomplete'
const ways: readonly Way[] = [
  'none',
  'tampered',
  'expired',
  'revoked',
  'session',
  'stepped-up',
  'no-csrf',
  'token',
  'token-of-groups',
  'incomplete',
]

const including: Readonly<Record<Role, readonly Role[]>> = {
  reader: ['reader'],
  operator: ['operator', 'reader'],
  'backup-admin': ['backup-admin', 'operator', 'reader'],
  'security-admin': ['security-admin', 'auditor', 'reader'],
  auditor: ['auditor', 'reader'],
}

/** What only the handler can know: whose token it is, and whether there is a second factor to replace. */
const OWN_REFUSALS: Readonly<Record<string, string>> = { 'token.revoke': 'AUTH_FORBIDDEN', 'totp.offer': 'AUTH_STEP_UP_REQUIRED' }

/** What the policy says, in words of its own. Undefined: allowed. */
function expected({ access, method }: Route, way: Way, role: Role): string | undefined {
  if (access.who === 'anybody') return undefined
  if (way === 'none' || way === 'tampered' || way === 'expired' || way === 'revoked') return 'AUTH_REQUIRED'
  const isToken = way === 'token' || way === 'token-of-groups'
  if (!including[role].some((each) => access.roles.includes(each))) return 'AUTH_FORBIDDEN'
  if (way === 'token-of-groups' && access.scope === 'server') return 'AUTH_FORBIDDEN'
  if (isToken && access.sessionOnly) return 'AUTH_FORBIDDEN'
  if (way === 'incomplete' && !access.whileIncomplete) return 'AUTH_ACCOUNT_INCOMPLETE'
  if (way === 'no-csrf' && method !== 'GET') return 'AUTH_CSRF'
  if (access.stepUp && way !== 'stepped-up') return 'AUTH_STEP_UP_REQUIRED'
  return undefined
}

const AUTH_OF_ROUTE = /^AUTH_(REQUIRED|FORBIDDEN|ACCOUNT_INCOMPLETE|CSRF|STEP_UP_REQUIRED)$/
let counter = 0

async function makeAccount(server: TestServer, role: Role, isComplete: boolean): Promise<Account> {
  const { catalog } = server.running().context
  const account = await catalog.accounts.create({
    name: `u${++counter}`,
    roles: [role],
    passwordHash: 'none',
    mustChangePassword: !isComplete,
  })
  await catalog.accounts.offerTotp(account.id, new Uint8Array(40))
  await catalog.accounts.confirmTotp(account.id, { step: 0, codeHashes: ['x'] })
  return account
}

/** Headers of somebody who asks in this way. Each asks once, since some acts end what was asked with. */
async function credentials(server: TestServer, way: Way, role: Role): Promise<Record<string, string>> {
  if (way === 'none') return {}
  const { catalog } = server.running().context
  const { address } = server.running()
  const account = await makeAccount(server, role, way !== 'incomplete')
  const secret = String(++counter).padStart(43, 'x')
  if (way === 'token' || way === 'token-of-groups' || way === 'revoked') {
    const groups = way === 'token-of-groups' ? ['a'.repeat(32)] : undefined
    const expiresMs = server.clock.nowMs() + 1000
    const token = await catalog.apiTokens.create({
      accountId: account.id,
      name: 't',
      tokenSha256: sha256Of(`terp_${secret}`),
      roles: [role],
      groups,
      expiresMs,
    })
    if (way === 'revoked') await catalog.apiTokens.revoke(token.id)
    return { authorization: `Bearer terp_${secret}` }
  }
  const isSteppedUp = way === 'stepped-up'
  const session = { accountId: account.id, tokenSha256: sha256Of(secret), isSteppedUp, address: '', client: '' }
  await catalog.sessions.open({ ...session, lifeMs: way === 'expired' ? 0 : 3_600_000 })
  const sent = way === 'tampered' ? `${secret.slice(0, -1)}y` : secret
  const cookie = `__Host-terp=${sent}`
  return way === 'no-csrf' ? { cookie, origin: address } : { cookie, origin: address, 'terp-csrf': csrfTokenOf(sent) }
}

test('every route is refused to whoever it is not for, and only to them', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  const wrong: string[] = []
  let asked = 0
  for (const route of server.running().routes) {
    if (route.stream === 'events') continue
    const path = urlOf(route).replace(/:\w+/g, '0'.repeat(32))
    for (const role of roles) {
      for (const way of ways) {
        if (way === 'none' && role !== 'reader') continue
        const headers = await credentials(server, way, role)
        // Something that no shape takes: who is let through changes nothing.
        const body = route.method === 'GET' ? {} : { body: { unexpected: 'x' } }
        const got = await server.send(path, { method: route.method, headers, ...body })
        const code = AUTH_OF_ROUTE.test(got.json?.code ?? '') ? got.json.code : undefined
        asked++
        const isOwnRefusal = code !== undefined && code === OWN_REFUSALS[route.name]
        if (code !== expected(route, way, role) && !isOwnRefusal)
          wrong.push(`${route.method} ${path} as ${role} (${way}): ${code ?? got.status}`)
        if (got.status >= 500) wrong.push(`${route.method} ${path}: ${got.text}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(asked > 1000, `${asked}`)
})

test('every route has a name of its own, a summary, and roles that are declared', async (t) => {
  const server = await aServer(t)
  const { routes } = server.running()
  assert.equal(new Set(routes.map((route) => route.name)).size, routes.length)
  assert.equal(new Set(routes.map((route) => `${route.method} ${urlOf(route)}`)).size, routes.length)
  for (const { access, name, summary } of routes) {
    assert.ok(summary.endsWith('.') || summary.includes('.'), name)
    if (access.who === 'roles') assert.ok(access.roles.length > 0, name)
  }
  // The only ones that are open; whoever adds one has to say so here.
  const open = routes.filter(({ access }) => access.who === 'anybody').map(({ name }) => name)
  assert.deepEqual(open.sort(), ['server.health', 'server.ready', 'session.open', 'setup.finish', 'setup.read'])
})
