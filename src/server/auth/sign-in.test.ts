import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { aServer, GOOD_PASSWORD, Person, type TestServer } from '../server.fixture.ts'

const MINUTE_MS = 60_000

const signIn = (server: TestServer, body: object) => server.send('/api/v1/session', { method: 'POST', body })

test('the first account is made with the secret of the data folder, once', async (t) => {
  const server = await aServer(t)
  assert.equal((await stat(join(server.dataFolder, 'setup-secret'))).mode & 0o777, 0o600)
  const secret = server.running().setupSecret
  await server.restart()
  assert.equal(server.running().setupSecret, secret)
  const body = { secret: 'wrong', name: 'admin', password: GOOD_PASSWORD }
  assert.equal((await server.send('/api/v1/setup', { method: 'POST', body })).json.code, 'SETUP_SECRET_WRONG')
  assert.deepEqual((await server.send('/api/v1/setup')).json, { isDone: false })

  const admin = await server.administrator()
  assert.deepEqual(admin.me?.account.roles, ['backup-admin', 'security-admin'])
  assert.deepEqual(admin.me?.roles, ['backup-admin', 'operator', 'reader', 'security-admin', 'auditor'])
  assert.deepEqual((await server.send('/api/v1/setup')).json, { isDone: true })
  assert.equal((await server.send('/api/v1/setup', { method: 'POST', body: { ...body, secret } })).json.code, 'SETUP_DONE')
  await assert.rejects(readFile(join(server.dataFolder, 'setup-secret')))
  await server.restart()
  assert.equal(server.running().setupSecret, undefined)
})

test('who enrols the first second factor right after the password has proved both; later the code alone is no proof', async (t) => {
  const server = await aServer(t)
  const secret = server.running().setupSecret
  const admin = new Person(server, 'admin', GOOD_PASSWORD)
  await admin.send('/api/v1/setup', { method: 'POST', body: { secret, name: admin.name, password: admin.password } })
  await admin.enrolTotp()
  const first = await admin.send('/api/v1/accounts', { method: 'POST', body: { name: 'late', roles: ['security-admin'] } })
  assert.equal(first.status, 201, first.text)
  server.clock.advance(5 * MINUTE_MS + 1)
  assert.equal((await admin.send('/api/v1/session/recovery-codes', { method: 'POST' })).json.code, 'AUTH_STEP_UP_REQUIRED')

  const late = new Person(server, 'late', first.json.password)
  await late.signIn()
  const body = { password: late.password, newPassword: `${GOOD_PASSWORD} 2` }
  await late.send('/api/v1/session/password', { method: 'PUT', body })
  server.clock.advance(5 * MINUTE_MS + 1)
  await late.enrolTotp()
  assert.equal((await late.send('/api/v1/session/recovery-codes', { method: 'POST' })).json.code, 'AUTH_STEP_UP_REQUIRED')
})

test('of two that have the secret at the same time, one makes the account', async (t) => {
  const server = await aServer(t)
  const secret = server.running().setupSecret
  const send = (name: string) => server.send('/api/v1/setup', { method: 'POST', body: { secret, name, password: GOOD_PASSWORD } })
  const codes = (await Promise.all([send('ada'), send('bob'), send('cyd')])).map((got) => got.json.code ?? got.status)
  assert.deepEqual(codes.sort(), [201, 'SETUP_DONE', 'SETUP_DONE'])
})

test('the cookie of a session is out of reach for scripts, neighbours and other sites', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const cookie = String((await admin.signIn()).headers['set-cookie'])
  for (const part of ['__Host-terp=', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict', 'Max-Age=43200'])
    assert.ok(cookie.includes(part), part)
  assert.ok(!cookie.includes('Domain'))
})

test('an administrator does nothing before the second factor is there', async (t) => {
  const server = await aServer(t)
  const person = new Person(server, 'admin', GOOD_PASSWORD)
  const body = { secret: server.running().setupSecret, name: 'admin', password: GOOD_PASSWORD }
  await person.send('/api/v1/setup', { method: 'POST', body })
  assert.deepEqual(person.me?.mustDo, ['enrol-totp'])
  assert.equal((await person.send('/api/v1/accounts')).json.code, 'AUTH_ACCOUNT_INCOMPLETE')
  const codes = await person.enrolTotp()
  assert.equal(new Set(codes).size, 10)
  assert.equal((await person.send('/api/v1/accounts')).status, 200)
})

test('a code is right once, and one step to either side', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const proof = { name: admin.name, password: admin.password }
  assert.equal((await signIn(server, proof)).json.code, 'AUTH_CODE_REQUIRED')
  const code = admin.code()
  server.clock.advance(30_000)
  assert.equal((await signIn(server, { ...proof, ...code })).status, 201)
  assert.equal((await signIn(server, { ...proof, ...code })).json.code, 'AUTH_FAILED')
  const late = admin.code()
  server.clock.advance(61_000)
  assert.equal((await signIn(server, { ...proof, ...late })).json.code, 'AUTH_FAILED')
})

test('of many requests with one code, one gets in', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const proof = { name: admin.name, password: admin.password, ...admin.code() }
  const got = await Promise.all(Array.from({ length: 5 }, () => signIn(server, proof)))
  assert.equal(got.filter(({ status }) => status === 201).length, 1)
})

test('a recovery code stands in for the second factor, once', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  await admin.stepUp()
  const renewed = await admin.send('/api/v1/session/recovery-codes', { method: 'POST' })
  const [first] = renewed.json.recoveryCodes
  const proof = { name: admin.name, password: admin.password, recoveryCode: first.toUpperCase() }
  assert.equal((await signIn(server, proof)).status, 201)
  assert.equal((await signIn(server, proof)).json.code, 'AUTH_FAILED')
})

test('whether there is such an account does not show', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  const told = async (name: string) => {
    const { status, json } = await signIn(server, { name, password: 'wrong password' })
    return { status, code: json.code, detail: json.detail, context: json.context }
  }
  const known: unknown[] = []
  const unknown: unknown[] = []
  for (let n = 0; n < 8; n++) {
    known.push(await told('admin'))
    unknown.push(await told('nobody'))
  }
  assert.deepEqual(known, unknown)
  assert.deepEqual(known.at(-1), {
    status: 429,
    code: 'AUTH_TOO_OFTEN',
    detail: 'this was tried too often; wait 2 s',
    context: { retry_after_ms: 2000 },
  })
})

test('failures cost time, over restarts too, until it is right', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const wrong = () => signIn(server, { name: 'ADMIN', password: 'wrong password' })
  for (let n = 0; n < 6; n++) assert.equal((await wrong()).json.code, 'AUTH_FAILED')
  await server.restart()
  const refused = await wrong()
  assert.equal(refused.status, 429)
  assert.equal(refused.headers['retry-after'], '2')
  // Not even the right one is looked at.
  assert.equal((await signIn(server, { name: 'admin', password: admin.password })).json.code, 'AUTH_TOO_OFTEN')
  server.clock.advance(2000)
  assert.equal((await wrong()).json.code, 'AUTH_FAILED')
  server.clock.advance(3999)
  assert.equal((await wrong()).json.code, 'AUTH_TOO_OFTEN')
  server.clock.advance(1)
  assert.equal((await admin.signIn()).status, 201)
  assert.equal((await wrong()).json.code, 'AUTH_FAILED')
})

test('of very many guesses at once few are looked at', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  server.clock.advance(10 * MINUTE_MS)
  const guesses = Array.from({ length: 25 }, (_, n) => signIn(server, { name: 'admin', password: `guess number ${n}` }))
  const codes = (await Promise.all(guesses)).map((got) => got.json.code)
  assert.equal(codes.filter((code) => code === 'AUTH_FAILED').length, 6)
  assert.equal(codes.filter((code) => code === 'AUTH_TOO_OFTEN').length, 19)
})

test('within an hour, at most fifty guesses at one account are looked at, whoever guesses', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  let looked = 0
  for (let minute = 0; minute < 60; minute++) {
    server.clock.advance(MINUTE_MS)
    for (let n = 0; n < 3; n++)
      if ((await signIn(server, { name: 'admin', password: `guess ${minute} ${n}` })).json.code === 'AUTH_FAILED') looked++
  }
  assert.ok(looked <= 50, `${looked}`)
  assert.ok(looked >= 8, `${looked}`)
})

test('one network can not try many accounts', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  server.clock.advance(10 * MINUTE_MS)
  const codes: unknown[] = []
  for (let n = 0; n < 40; n++) codes.push((await signIn(server, { name: `user${n}`, password: 'wrong password' })).json.code)
  assert.equal(codes.filter((code) => code === 'AUTH_FAILED').length, 30)
  assert.equal(codes.at(-1), 'AUTH_TOO_OFTEN')
})

test('a session ends when it is idle, and when it is old', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const status = async () => (await admin.send('/api/v1/session')).status
  server.clock.advance(14 * MINUTE_MS)
  assert.equal(await status(), 200)
  server.clock.advance(14 * MINUTE_MS)
  assert.equal(await status(), 200)
  server.clock.advance(15 * MINUTE_MS)
  assert.equal(await status(), 401)

  await admin.signIn()
  for (let n = 0; n < 12 * 6 - 1; n++) {
    server.clock.advance(10 * MINUTE_MS)
    assert.equal(await status(), 200)
  }
  server.clock.advance(10 * MINUTE_MS)
  assert.equal(await status(), 401)
})

test('proving again gives the session a new token, and the old one is void', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const before = admin.cookie
  await admin.stepUp()
  assert.notEqual(admin.cookie, before)
  assert.equal((await server.send('/api/v1/session', { headers: { cookie: before } })).status, 401)
})

test('acts that need a fresh proof are refused five minutes later', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  await admin.stepUp()
  const create = (name: string) => admin.send('/api/v1/accounts', { method: 'POST', body: { name, roles: ['reader'] } })
  server.clock.advance(5 * MINUTE_MS)
  assert.equal((await create('bob')).status, 201)
  server.clock.advance(1)
  assert.equal((await create('cyd')).json.code, 'AUTH_STEP_UP_REQUIRED')
  await admin.stepUp()
  assert.equal((await create('cyd')).status, 201)
})

test('a session that was there before does not outlive a sign-in', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const planted = admin.cookie
  const body = { name: admin.name, password: admin.password, ...admin.code() }
  const got = await server.send('/api/v1/session', { method: 'POST', body, headers: { cookie: planted } })
  assert.equal(got.status, 201)
  assert.equal((await server.send('/api/v1/session', { headers: { cookie: planted } })).status, 401)
})

test('signing out ends the session', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const { cookie } = admin
  const out = await admin.send('/api/v1/session', { method: 'DELETE' })
  assert.equal(out.status, 204)
  assert.match(String(out.headers['set-cookie']), /Expires=Thu, 01 Jan 1970/)
  assert.equal((await server.send('/api/v1/session', { headers: { cookie } })).status, 401)
})

test('a page of another site can do nothing with the cookie', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const { cookie, csrf } = admin
  const { address } = server.running()
  const create = (headers: Record<string, string>) =>
    server.send('/api/v1/tokens', { method: 'POST', body: { name: 'x', roles: ['reader'] }, headers: { cookie, ...headers } })
  const code = async (headers: Record<string, string>) => (await create(headers)).json.code
  assert.equal(await code({}), 'AUTH_CSRF')
  assert.equal(await code({ 'terp-csrf': csrf }), 'AUTH_CSRF')
  assert.equal(await code({ origin: address }), 'AUTH_CSRF')
  assert.equal(await code({ origin: address, 'terp-csrf': `${csrf.slice(1)}A` }), 'AUTH_CSRF')
  assert.equal(await code({ origin: 'https://evil.example', 'terp-csrf': csrf }), 'AUTH_CSRF')
  assert.equal(await code({ origin: 'null', 'terp-csrf': csrf }), 'AUTH_CSRF')
  assert.equal(await code({ 'sec-fetch-site': 'cross-site', 'terp-csrf': csrf }), 'AUTH_CSRF')
  assert.equal(await code({ 'sec-fetch-site': 'same-site', origin: address, 'terp-csrf': csrf }), 'AUTH_CSRF')
  const form = { 'content-type': 'text/plain', origin: address, 'terp-csrf': csrf }
  assert.equal(await code(form), 'API_CONTENT_TYPE')
  assert.equal((await create({ 'sec-fetch-site': 'same-origin', 'terp-csrf': csrf })).status, 201)
  const foreign = await server.send('/api/v1/session', {
    method: 'POST',
    body: { name: 'admin', password: GOOD_PASSWORD },
    headers: { origin: 'https://evil.example' },
  })
  assert.equal(foreign.json.code, 'AUTH_CSRF')
})
