import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { hasCode, TerpError } from '../base/errors.ts'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import { openRecovery, openVaultStore, registerServer } from '../storage/index.ts'
import {
  makeSigningKey,
  parseCredentials,
  publicKeyText,
  registeredShape,
  signCredentials,
  signedHeaders,
  UNREGISTERED,
  vaultPaths,
} from '../wire/index.ts'
import { createVault } from './index.ts'
import { aPack, aVault, collect, sendRaw, type TestVault } from './vault.fixture.ts'

const HOUR_MS = 3_600_000

function register(vault: TestVault, credentials: string, serverName = 'alpha') {
  return registerServer(vault.op, { credentials, serverName, fetch })
}

function refusedWith(code: string, domainCode?: number) {
  return (error: unknown) => {
    assert.ok(error instanceof TerpError)
    assert.equal(error.code, code)
    assert.equal(error.context.domainCode, domainCode)
    assert.notEqual(error.hint, '')
    return true
  }
}

/** Straight to the vault, without the checks of our own client. */
async function registerUnchecked(
  vault: TestVault,
  credentials: object,
  change: { timeOffsetMs?: number; signWithOtherKey?: boolean } = {},
) {
  const privateKey = makeSigningKey(vault.op.random)
  const registered = change.signWithOtherKey ? makeSigningKey(vault.op.random) : privateKey
  const body = Buffer.from(JSON.stringify({ credentials, serverName: 'alpha', publicKey: publicKeyText(registered) }))
  const clock = { ...vault.op.clock, nowMs: () => vault.clock.nowMs() + (change.timeOffsetMs ?? 0) }
  const op = { ...vault.op, clock }
  const headers = signedHeaders(op, { method: 'POST', target: vaultPaths.registrations, body, serverId: UNREGISTERED, privateKey })
  const answer = await sendRaw(vault.address(), {
    method: 'POST',
    path: vaultPaths.registrations,
    headers: { ...headers, 'content-type': 'application/json' },
    body,
  })
  return { status: answer.status, code: answer.code, problem: JSON.parse(answer.bytes.toString()) }
}

test('a credentials file registers one server', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  const registration = await register(vault, text)
  assert.equal(registration.vaultName, 'Main')
  assert.match(registration.serverId, /^[0-9a-f]{32}$/)
  await assert.rejects(register(vault, text, 'beta'), refusedWith('CREDENTIALS_USED'))
  await assert.rejects(register(vault, text, 'alpha'), refusedWith('CREDENTIALS_USED'))
})

test('a registration whose answer was lost is repeated with the same result', async (t) => {
  const vault = await aVault(t)
  const ids: unknown[] = []
  const op = startOperation({ clock: { ...vault.op.clock, nowMs: () => vault.clock.nowMs(), sleep: async () => {} } })
  const losing: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    const { serverId } = registeredShape.parse(await response.json())
    ids.push(serverId)
    if (ids.length === 1) throw new TypeError('fetch failed')
    return Response.json({ vaultId: 'ab'.repeat(16), vaultName: 'Main', serverId, serverName: 'alpha' })
  }
  const { serverId } = await registerServer(op, { credentials: await vault.credentials(), serverName: 'alpha', fetch: losing })
  assert.deepEqual(ids, [serverId, serverId])
})

test('a file that cannot be read is refused, and not quoted', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  for (const broken of ['', '{', '[]', text.slice(0, -20), text.replace('"token": "', '"token": "!'), `${text}${' '.repeat(20_000)}`]) {
    await assert.rejects(register(vault, broken), refusedWith('CREDENTIALS_UNREADABLE', 34527))
  }
  const { status, problem } = await registerUnchecked(vault, { ...JSON.parse(text), token: 'short' })
  assert.equal(status, 400)
  assert.equal(problem.code, 'CREDENTIALS_UNREADABLE')
  assert.equal(problem.context.domainCode, 34527)
})

test('a file that was changed, or signed by another vault, is refused by the client and by the vault', async (t) => {
  const vault = await aVault(t)
  const credentials = parseCredentials(await vault.credentials())
  const later = { ...credentials, expires: '2036-11-22T00:00:00.000Z' }
  await assert.rejects(register(vault, JSON.stringify(later)), refusedWith('CREDENTIALS_FOREIGN', 100110))
  assert.equal((await registerUnchecked(vault, later)).code, 'CREDENTIALS_FOREIGN')

  const otherKey = makeSigningKey(seededRandom('other vault'))
  const forged = signCredentials({ ...credentials, vaultPublicKey: publicKeyText(otherKey) }, otherKey)
  await assert.rejects(register(vault, JSON.stringify(forged)), refusedWith('CREDENTIALS_FOREIGN', 100110))

  const other = await aVault(t)
  const foreign = { ...parseCredentials(await other.credentials()) }
  const { status, code, problem } = await registerUnchecked(vault, foreign)
  assert.deepEqual([status, code, problem.context.domainCode], [401, 'CREDENTIALS_FOREIGN', 100110])
})

test('a file expires after 48 hours, for registration and for recovery', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  vault.clock.advance(48 * HOUR_MS - 1)
  await openRecovery(vault.op, { credentials: text, fetch })
  vault.clock.advance(1)
  await assert.rejects(register(vault, text), refusedWith('CREDENTIALS_EXPIRED', 34513))
  await assert.rejects(openRecovery(vault.op, { credentials: text, fetch }), refusedWith('CREDENTIALS_EXPIRED', 34513))
  const { status, code } = await registerUnchecked(vault, JSON.parse(text))
  assert.deepEqual([status, code], [401, 'CREDENTIALS_EXPIRED'])
})

test('only the newest file of a vault counts, and files of other vaults do not matter', async (t) => {
  const vault = await aVault(t)
  await createVault(vault.op, vault.dataFolder, { name: 'Other' })
  const first = await vault.credentials()
  await vault.credentials('Other')
  await openRecovery(vault.op, { credentials: first, fetch })
  const second = await vault.credentials()
  await assert.rejects(register(vault, first), refusedWith('CREDENTIALS_SUPERSEDED'))
  await assert.rejects(openRecovery(vault.op, { credentials: first, fetch }), refusedWith('CREDENTIALS_SUPERSEDED'))
  await register(vault, second)
})

test('a name is given once in a vault, and a refusal uses up nothing', async (t) => {
  const vault = await aVault(t)
  await vault.server('alpha')
  const text = await vault.credentials()
  await assert.rejects(register(vault, text, 'ALPHA'), refusedWith('VAULT_SERVER_NAME_TAKEN', 34511))
  await register(vault, text, 'beta')
  await createVault(vault.op, vault.dataFolder, { name: 'Other' })
  await vault.server('alpha', 'Other')
})

test('a vault takes 50 servers', async (t) => {
  const vault = await aVault(t)
  for (let n = 1; n <= 50; n++) await vault.server(`server-${n}`)
  await assert.rejects(vault.server('server-51'), refusedWith('VAULT_SERVERS_FULL'))
})

test('a clock that differs by more than 5 minutes is told so', async (t) => {
  const vault = await aVault(t)
  const credentials = JSON.parse(await vault.credentials())
  for (const timeOffsetMs of [-300_001, 300_001]) {
    const { status, code, problem } = await registerUnchecked(vault, credentials, { timeOffsetMs })
    assert.deepEqual([status, code, problem.context.domainCode], [401, 'VAULT_CLOCK_SKEW', 130052])
  }
  assert.equal((await registerUnchecked(vault, credentials, { timeOffsetMs: 300_000 })).status, 201)
})

test('nobody registers a key that he does not hold', async (t) => {
  const vault = await aVault(t)
  const { code } = await registerUnchecked(vault, JSON.parse(await vault.credentials()), { signWithOtherKey: true })
  assert.equal(code, 'VAULT_SIGNATURE_INVALID')
})

test('of two registrations at once with one file, one wins', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((name) => register(vault, text, name)))
  const refused = results.filter((result) => result.status === 'rejected' && hasCode(result.reason, 'CREDENTIALS_USED'))
  assert.equal(refused.length, 3)
})

test('the database holds no token', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  const { token: sessionToken } = await openRecovery(vault.op, { credentials: text, fetch })
  const adminToken = (await readFile(`${vault.dataFolder}/admin-token`, 'utf8')).trim()
  await vault.stop()
  const database = await readFile(`${vault.dataFolder}/vault.db`, 'latin1')
  for (const token of [parseCredentials(text).token, sessionToken, adminToken]) assert.equal(database.includes(token), false)
})

test('a recovery session reads the objects of all servers of its vault, and adds none', async (t) => {
  const vault = await aVault(t)
  const [alpha, beta] = [await vault.server('alpha'), await vault.server('beta')]
  const packs = [aPack('of alpha'), aPack('of beta')] as const
  await alpha.store.put(vault.op, packs[0].name, packs[0].bytes)
  await beta.store.put(vault.op, packs[1].name, packs[1].bytes)
  const text = await vault.credentials()
  await register(vault, text, 'gamma')
  // Used, and again and again.
  for (let n = 0; n < 3; n++) {
    const session = await openRecovery(vault.op, { credentials: text, fetch })
    assert.deepEqual(
      session.servers.map((server) => server.name),
      ['alpha', 'beta', 'gamma'],
    )
    const { id } = session.servers[1] ?? { id: '' }
    const store = await openVaultStore({ url: session.url, serverId: id, bearerToken: session.token })
    assert.deepEqual(await store.get(vault.op, packs[1].name), packs[1].bytes)
    assert.deepEqual(await collect(store.list(vault.op, '')), [{ name: packs[1].name, sizeBytes: 7 }])
    const another = aPack('new')
    await assert.rejects(store.put(vault.op, another.name, another.bytes), refusedWith('VAULT_RECOVERY_READ_ONLY'))
    await assert.rejects(store.put(vault.op, packs[1].name, packs[1].bytes), refusedWith('VAULT_RECOVERY_READ_ONLY'))
  }
})

test('a recovery session ends after 12 hours, or when its file expires', async (t) => {
  const vault = await aVault(t)
  const { registration } = await vault.server('alpha')
  const text = await vault.credentials()
  const open = async () => {
    const { url, token } = await openRecovery(vault.op, { credentials: text, fetch })
    return await openVaultStore({ url, serverId: registration.serverId, bearerToken: token })
  }
  const list = (store: { list(op: TestVault['op'], prefix: string): AsyncIterable<unknown> }) => collect(store.list(vault.op, ''))
  const first = await open()
  vault.clock.advance(12 * HOUR_MS - 1)
  await list(first)
  vault.clock.advance(1)
  await assert.rejects(list(first), refusedWith('VAULT_RECOVERY_ENDED'))
  vault.clock.advance(35 * HOUR_MS)
  const last = await open()
  vault.clock.advance(HOUR_MS - 1)
  await list(last)
  vault.clock.advance(1)
  await assert.rejects(list(last), refusedWith('VAULT_RECOVERY_ENDED'))
})

test('a recovery session does not reach servers of other vaults, nor does it survive a wrong token', async (t) => {
  const vault = await aVault(t)
  await createVault(vault.op, vault.dataFolder, { name: 'Other' })
  const { registration } = await vault.server('alpha', 'Other')
  const { url, token, servers } = await openRecovery(vault.op, { credentials: await vault.credentials(), fetch })
  assert.deepEqual(servers, [])
  const path = vaultPaths.objects(registration.serverId)
  const answer = await sendRaw(url, { method: 'GET', path, headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([answer.status, answer.code], [403, 'VAULT_SERVER_FORBIDDEN'])
  const wrong = await sendRaw(url, { method: 'GET', path: vaultPaths.servers, headers: { authorization: `Bearer ${'A'.repeat(43)}` } })
  assert.deepEqual([wrong.status, wrong.code], [401, 'VAULT_RECOVERY_ENDED'])
  const listed = await sendRaw(url, { method: 'GET', path: vaultPaths.servers, headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual(JSON.parse(listed.bytes.toString()), { servers: [] })
})
