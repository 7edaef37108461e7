import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { hasCode, isKind, TerpError } from '../base/errors.ts'
import { readSigningKey, signedHeaders, vaultHeaders, vaultPaths } from '../wire/index.ts'
import { aManifest, aPack, aVault, collect, sendRaw, sendSigned, sha256 } from './vault.fixture.ts'

test('an object is stored once, and found again', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const body = Buffer.from('slot')
  const put = (bytes: Buffer) => sendSigned(vault, alpha, { method: 'PUT', name: 'keys/ab.key', body: bytes })
  assert.equal((await put(body)).status, 201)
  assert.equal((await put(body)).status, 200)
  const other = await put(Buffer.from('else'))
  assert.deepEqual([other.status, other.code], [409, 'STORAGE_OBJECT_EXISTS'])
  const got = await sendSigned(vault, alpha, { name: 'keys/ab.key' })
  assert.deepEqual([got.status, got.bytes], [200, body])
  const head = await sendSigned(vault, alpha, { method: 'HEAD', name: 'keys/ab.key' })
  assert.deepEqual([head.status, head.headers['content-length']], [200, '4'])
  assert.equal((await sendSigned(vault, alpha, { method: 'HEAD', name: 'keys/no.key' })).status, 404)
  const missing = await sendSigned(vault, alpha, { name: 'keys/no.key' })
  assert.deepEqual(
    [missing.status, missing.code, String(missing.headers['content-type']).split(';')[0]],
    [404, 'STORAGE_OBJECT_NOT_FOUND', 'application/problem+json'],
  )
})

test('objects lie below their vault and server as they came, readable by the owner only', async (t) => {
  const vault = await aVault(t)
  const { registration, store } = await vault.server('alpha')
  const pack = aPack('opaque')
  await store.put(vault.op, pack.name, pack.bytes)
  const path = join(vault.dataFolder, 'objects', registration.vaultId, registration.serverId, pack.name)
  assert.deepEqual(await readFile(path), pack.bytes)
})

test('no verb deletes or replaces', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const pack = aPack('forever')
  await alpha.store.put(vault.op, pack.name, pack.bytes)
  for (const method of ['DELETE', 'POST', 'PATCH', 'OPTIONS']) {
    const answer = await sendSigned(vault, alpha, { method, name: pack.name, headers: { 'content-type': 'application/octet-stream' } })
    assert.deepEqual([answer.status, answer.code], [404, 'VAULT_ROUTE_NOT_FOUND'], method)
  }
  const unconditional = { method: 'PUT', name: 'conf/1', body: Buffer.from('x'), headers: { 'if-none-match': '"etag"' } }
  assert.equal((await sendSigned(vault, alpha, unconditional)).code, 'VAULT_CONDITION_REQUIRED')
  assert.deepEqual(await alpha.store.get(vault.op, pack.name), pack.bytes)
})

test('a range is exact or refused', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  await alpha.store.put(vault.op, 'conf/digits', Buffer.from('0123456789'))
  const get = (range: string) => sendSigned(vault, alpha, { name: 'conf/digits', headers: { range } })
  const middle = await get('bytes=3-5')
  assert.deepEqual([middle.status, middle.bytes.toString(), middle.headers['content-range']], [206, '345', 'bytes 3-5/*'])
  assert.equal((await get('bytes=0-9')).bytes.toString(), '0123456789')
  const past = await get('bytes=8-10')
  assert.deepEqual([past.status, past.code], [416, 'STORAGE_OBJECT_SHORT'])
  for (const range of ['bytes=5-3', 'bytes=-3', 'bytes=3-', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=a-b', `bytes=0-${'9'.repeat(20)}`]) {
    assert.equal((await get(range)).code, 'VAULT_RANGE_INVALID', range)
  }
})

test('a request must be signed by the server that it names', async (t) => {
  const vault = await aVault(t)
  const [alpha, beta] = [await vault.server('alpha'), await vault.server('beta')]
  await alpha.store.put(vault.op, 'conf/mine', Buffer.from('mine'))
  const refused = async (code: string, options: Parameters<typeof sendSigned>[2]) => {
    const answer = await sendSigned(vault, alpha, options)
    assert.deepEqual([answer.status, answer.code], [401, code])
  }
  await refused('VAULT_UNAUTHENTICATED', { name: 'conf/mine', headers: { [vaultHeaders.server]: 'ef'.repeat(16) } })
  await refused('VAULT_UNAUTHENTICATED', { name: 'conf/mine', headers: { [vaultHeaders.server]: '../../etc' } })
  await refused('VAULT_SIGNATURE_INVALID', { name: 'conf/mine', headers: { [vaultHeaders.server]: beta.registration.serverId } })
  await refused('VAULT_SIGNATURE_INVALID', { name: 'conf/mine', headers: { [vaultHeaders.signature]: 'A'.repeat(88) } })
  await refused('VAULT_SIGNATURE_INVALID', { name: 'conf/mine', headers: { [vaultHeaders.signature]: '' } })
  await refused('VAULT_SIGNATURE_INVALID', { name: 'conf/mine', headers: { [vaultHeaders.time]: '2026-11-22T10:00:01.000Z' } })
  await refused('VAULT_SIGNATURE_INVALID', { name: 'conf/mine', sentPath: vaultPaths.object(alpha.registration.serverId, 'conf/else') })
  await refused('VAULT_SIGNATURE_INVALID', {
    name: 'conf/mine',
    sentPath: `${vaultPaths.object(alpha.registration.serverId, 'conf/mine')}?x=1`,
  })
  const bare = await sendRaw(vault.address(), { method: 'GET', path: vaultPaths.object(alpha.registration.serverId, 'conf/mine') })
  assert.deepEqual([bare.status, bare.code], [401, 'VAULT_UNAUTHENTICATED'])
})

test('a body that is not the signed one is not stored', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const tampered = await sendSigned(vault, alpha, {
    method: 'PUT',
    name: 'conf/1',
    body: Buffer.from('good'),
    sentBody: Buffer.from('evil'),
  })
  assert.deepEqual([tampered.status, tampered.code], [422, 'VAULT_BODY_MISMATCH'])
  const emptied = await sendSigned(vault, alpha, { method: 'PUT', name: 'conf/1', body: Buffer.from('good'), sentBody: Buffer.alloc(0) })
  assert.equal(emptied.code, 'VAULT_BODY_MISMATCH')
  // With its hash changed to fit, the signature no longer does.
  const rehashed = { [vaultHeaders.contentSha256]: sha256('evil') }
  const options = { method: 'PUT', name: 'conf/1', body: Buffer.from('good'), sentBody: Buffer.from('evil'), headers: rehashed }
  assert.equal((await sendSigned(vault, alpha, options)).code, 'VAULT_SIGNATURE_INVALID')
  assert.equal(await alpha.store.head(vault.op, 'conf/1'), undefined)
})

test('a request that is replayed does nothing new, and nothing at all after 5 minutes', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const body = Buffer.from('once')
  const { serverId, privateKeyPkcs8Base64 } = alpha.registration
  const target = vaultPaths.object(serverId, 'conf/1')
  const signed = signedHeaders(vault.op, { method: 'PUT', target, body, serverId, privateKey: readSigningKey(privateKeyPkcs8Base64) })
  const headers = { ...signed, 'if-none-match': '*', 'content-type': 'application/octet-stream' }
  const replay = () => sendRaw(vault.address(), { method: 'PUT', path: target, headers, body })
  assert.equal((await replay()).status, 201)
  assert.equal((await replay()).status, 200)
  vault.clock.advance(300_000)
  assert.equal((await replay()).status, 200)
  vault.clock.advance(1)
  const late = await replay()
  assert.deepEqual([late.status, late.code], [401, 'VAULT_CLOCK_SKEW'])
  assert.equal(JSON.parse(late.bytes.toString()).context.domainCode, 130052)
})

test('the objects of another server are forbidden, whether they exist or not', async (t) => {
  const vault = await aVault(t)
  const [alpha, beta] = [await vault.server('alpha'), await vault.server('beta')]
  await beta.store.put(vault.op, 'conf/secret', Buffer.from('of beta'))
  for (const serverId of [beta.registration.serverId, 'ef'.repeat(16)]) {
    for (const [method, name] of [
      ['GET', 'conf/secret'],
      ['HEAD', 'conf/secret'],
      ['PUT', 'conf/planted'],
    ]) {
      const answer = await sendSigned(vault, alpha, { method: method ?? '', path: vaultPaths.object(serverId, name ?? '') })
      assert.deepEqual([answer.status, answer.code], [403, 'VAULT_SERVER_FORBIDDEN'])
    }
    assert.equal((await sendSigned(vault, alpha, { path: `${vaultPaths.objects(serverId)}?prefix=` })).status, 403)
  }
  assert.equal((await sendSigned(vault, alpha, { path: vaultPaths.servers })).status, 403)
})

test('tricks with paths name nothing', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const { serverId } = alpha.registration
  const names = [
    '../x',
    'conf/../../x',
    'conf%2F1',
    'conf/%2e%2e/x',
    '..%2f..%2fvault.db',
    'conf/1%00',
    'conf//1',
    '/etc/passwd',
    'conf/',
    '.hidden',
  ]
  const more = ['conf/a..b', 'conf\\1', 'conf/1?x', 'conf/%c0%af', 'tmp/%2e', 'a'.repeat(301), 'conf/%ff', '%', 'conf/é', "conf/'", '']
  for (const name of [...names, ...more]) {
    for (const method of ['GET', 'PUT']) {
      const path = encodeLatin(vaultPaths.object(serverId, name))
      const answer = await sendSigned(vault, alpha, { method, path, body: method === 'PUT' ? Buffer.from('x') : Buffer.alloc(0) })
      assert.ok(answer.status === 400 || answer.status === 404, `${method} ${name}: ${answer.status}`)
      assert.ok(
        ['STORAGE_NAME_INVALID', 'VAULT_REQUEST_INVALID', 'VAULT_ROUTE_NOT_FOUND'].includes(String(answer.code)),
        `${name}: ${answer.code}`,
      )
    }
  }
  assert.deepEqual(await collect(alpha.store.list(vault.op, '')), [])
  assert.deepEqual((await readdir(join(vault.dataFolder, 'objects'))).length, 1)
})

function encodeLatin(path: string): string {
  return path.replace(/[^\x20-\x7e]/g, (character) => encodeURIComponent(character))
}

test('tmp and quarantine of the store behind are nobody’s objects', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  for (const name of ['tmp/0-1234', 'quarantine/x', 'LOCK']) {
    const answer = await sendSigned(vault, alpha, { method: 'PUT', name, body: Buffer.from('x') })
    assert.ok(answer.status >= 400, name)
  }
})

test('an object that is named by its hash must have it, and its kind of name', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const pack = aPack('content')
  const wrong = [
    pack.name.replace(pack.sha256, sha256('else')),
    `packs/00/${pack.sha256}.pack`,
    `packs/${pack.sha256.slice(0, 2)}/${pack.sha256}.idx`,
    `packs/${pack.sha256}.pack`,
    'packs/short',
    'packs',
    `index/${sha256('else')}.idx`,
    `index/${pack.sha256.toUpperCase()}.idx`,
    `points/${'ab'.repeat(16)}/7-${pack.sha256}.point`,
    `points/x/0000000007-${pack.sha256}.point`,
  ]
  for (const name of wrong) {
    const answer = await sendSigned(vault, alpha, { method: 'PUT', name, body: pack.bytes })
    assert.deepEqual([answer.status, answer.code], [422, 'VAULT_NAME_MISMATCH'], name)
  }
  assert.equal((await sendSigned(vault, alpha, { method: 'PUT', name: pack.name, body: pack.bytes })).status, 201)
  assert.equal((await sendSigned(vault, alpha, { method: 'PUT', name: `index/${pack.sha256}.idx`, body: pack.bytes })).status, 201)
})

test('a manifest is accepted when its packs are held, and not before', async (t) => {
  const vault = await aVault(t)
  const [alpha, beta] = [await vault.server('alpha'), await vault.server('beta')]
  const packs = Array.from({ length: 9 }, (_, n) => aPack(`pack ${n}`))
  const manifest = aManifest(packs.map((pack) => pack.sha256))
  const [first, ...others] = packs
  if (first) await alpha.store.put(vault.op, first.name, first.bytes)
  // Another server's packs do not help.
  for (const pack of others) await beta.store.put(vault.op, pack.name, pack.bytes)
  await assert.rejects(alpha.store.put(vault.op, manifest.name, manifest.bytes), (error) => {
    assert.ok(error instanceof TerpError)
    assert.ok(isKind(error, 'conflict'))
    assert.equal(error.code, 'VAULT_PACKS_MISSING')
    assert.deepEqual(error.context, { ...error.context, missing: 8, first: others.slice(0, 5).map((pack) => pack.sha256) })
    return true
  })
  assert.equal(await alpha.store.head(vault.op, manifest.name), undefined)
  for (const pack of others) await alpha.store.put(vault.op, pack.name, pack.bytes)
  assert.equal(await alpha.store.put(vault.op, manifest.name, manifest.bytes), 'stored')
  assert.equal(await alpha.store.put(vault.op, manifest.name, manifest.bytes), 'already-there')
})

test('a list comes in pages, complete and in order', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const names = Array.from({ length: 7 }, (_, n) => `conf/${n}.conf`)
  for (const name of names.toReversed()) await alpha.store.put(vault.op, name, Buffer.from(name))
  await alpha.store.put(vault.op, 'keys/a.key', Buffer.from('k'))
  const page = async (query: string) => {
    const answer = await sendSigned(vault, alpha, { path: `${vaultPaths.objects(alpha.registration.serverId)}?${query}` })
    assert.equal(answer.status, 200)
    const { objects, next } = JSON.parse(answer.bytes.toString())
    return { names: objects.map((info: { name: string }) => info.name), next }
  }
  assert.deepEqual(await page('prefix=conf/&limit=3'), { names: names.slice(0, 3), next: names[2] })
  assert.deepEqual(await page(`prefix=conf/&limit=3&after=${names[2]}`), { names: names.slice(3, 6), next: names[5] })
  assert.deepEqual(await page(`prefix=conf/&limit=3&after=${names[5]}`), { names: names.slice(6), next: null })
  assert.deepEqual(await page('prefix=conf/&limit=7'), { names, next: null })
  for (const query of ['limit=0', 'limit=5001', 'limit=x', `prefix=${'a'.repeat(301)}`]) {
    const answer = await sendSigned(vault, alpha, { path: `${vaultPaths.objects(alpha.registration.serverId)}?${query}` })
    assert.deepEqual([answer.status, answer.code], [400, 'VAULT_REQUEST_INVALID'], query)
  }
})

test('a body has at most 72 MiB, and strangers cannot make the vault read one', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const path = vaultPaths.object(alpha.registration.serverId, 'conf/large')
  // Only announced: the refusal comes before the body would.
  const large = { 'content-length': String(72 * 1024 * 1024 + 1) }
  const answer = await sendSigned(vault, alpha, { method: 'PUT', path, headers: large })
  assert.equal(answer.code, 'VAULT_BODY_TOO_LARGE')
  const limit = Buffer.alloc(72 * 1024 * 1024)
  assert.equal((await sendSigned(vault, alpha, { method: 'PUT', path, body: limit })).status, 201)
})

test('errors tell nothing of the inside', async (t) => {
  const vault = await aVault(t)
  const alpha = await vault.server('alpha')
  const database = new DatabaseSync(join(vault.dataFolder, 'vault.db'))
  database.exec('alter table servers rename to hidden')
  database.close()
  const answer = await sendSigned(vault, alpha, { name: 'conf/1' })
  const problem = JSON.parse(answer.bytes.toString())
  assert.deepEqual([answer.status, problem.code, problem.context], [500, 'INTERNAL', {}])
  assert.doesNotMatch(answer.bytes.toString(), /servers|sqlite|table/i)
  assert.match(problem.requestId, /^[0-9a-f]{16}$/)
  // The operator finds it under the same id.
  const told = vault.warnings.find((warning) => warning.code === 'INTERNAL')
  assert.match(told?.message ?? '', new RegExp(`${problem.requestId}.*servers`))
})

test('objects of nothing but a name are kept too', async (t) => {
  const vault = await aVault(t)
  const { store } = await vault.server('alpha')
  assert.equal(await store.put(vault.op, 'epoch/000000000001', Buffer.alloc(0)), 'stored')
  assert.deepEqual(await store.head(vault.op, 'epoch/000000000001'), { name: 'epoch/000000000001', sizeBytes: 0 })
  assert.deepEqual(await store.get(vault.op, 'epoch/000000000001'), Buffer.alloc(0))
  await assert.rejects(store.put(vault.op, 'epoch/000000000001', Buffer.from('x')), (error) => hasCode(error, 'STORAGE_OBJECT_EXISTS'))
})
