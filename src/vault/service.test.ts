import assert from 'node:assert/strict'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode, isKind } from '../base/errors.ts'
import { startOperation } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { openRecovery, registerServer } from '../storage/index.ts'
import { credentialsShape } from '../wire/index.ts'
import { createVault, downloadCredentials, retireServer, startVault, warnWithoutTls } from './index.ts'
import { aPack, aVault, sendRaw, storeOf } from './vault.fixture.ts'

test('the first start makes the data folder, for the owner only', async (t) => {
  const vault = await aVault(t)
  for (const name of ['vault.db', 'vault.db-wal', 'vault-key.pem', 'admin-token', 'address', 'LOCK']) {
    const info = await stat(join(vault.dataFolder, name))
    assert.equal(info.mode & 0o777, 0o600, name)
  }
  assert.equal((await stat(vault.dataFolder)).mode & 0o777, 0o700)
  assert.equal((await readFile(join(vault.dataFolder, 'address'), 'utf8')).trim(), vault.address())
})

test('two services cannot share a data folder', async (t) => {
  const vault = await aVault(t)
  const second = startVault(vault.op, { dataFolder: vault.dataFolder, host: '127.0.0.1', port: 0, disk: systemDisk() })
  await assert.rejects(second, (error) => hasCode(error, 'VAULT_BUSY') && isKind(error, 'locked'))
  // The loser has left the first one alone.
  await createVault(vault.op, vault.dataFolder, { name: 'Other' })
})

test('a restart keeps the address, the administrator token, vaults, servers and objects', async (t) => {
  const vault = await aVault(t)
  const { registration, store } = await vault.server('alpha')
  const pack = aPack('kept')
  await store.put(vault.op, pack.name, pack.bytes)
  const before = { address: vault.address(), token: await readFile(join(vault.dataFolder, 'admin-token'), 'utf8') }
  await vault.restart()
  assert.equal(vault.address(), before.address)
  assert.equal(await readFile(join(vault.dataFolder, 'admin-token'), 'utf8'), before.token)
  assert.deepEqual(await (await storeOf(registration)).get(vault.op, pack.name), pack.bytes)
  await assert.rejects(createVault(vault.op, vault.dataFolder, { name: 'Main' }), (error) => hasCode(error, 'VAULT_EXISTS'))
})

test('a credentials file that was downloaded before a restart still counts after it', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  await vault.restart()
  assert.equal((await registerServer(vault.op, { credentials: text, serverName: 'late', fetch })).vaultName, 'Main')
})

test('when the port of the last time is taken, another one is used and told', async (t) => {
  const vault = await aVault(t)
  const old = vault.address()
  await vault.stop()
  const squatter = createServer((_request, response) => response.end('not a vault')).listen(Number(new URL(old).port), '127.0.0.1')
  await new Promise((resolve) => squatter.once('listening', resolve))
  t.after(() => squatter.close())
  await assert.rejects(createVault(vault.op, vault.dataFolder, { name: 'Lost' }), (error) => hasCode(error, 'VAULT_NOT_RUNNING'))
  await vault.restart()
  assert.notEqual(vault.address(), old)
  assert.deepEqual(
    vault.warnings.map((warning) => warning.code),
    ['VAULT_ADDRESS_CHANGED'],
  )
})

test('a port that was asked for and is taken is an error of its own, and leaves no lock', async (t) => {
  const vault = await aVault(t)
  const taken = Number(new URL(vault.address()).port)
  const dataFolder = join(vault.outFolder, 'second')
  const options = { dataFolder, host: '127.0.0.1', disk: systemDisk() }
  await assert.rejects(startVault(vault.op, { ...options, port: taken }), (error) => hasCode(error, 'VAULT_PORT_IN_USE'))
  const second = await startVault(vault.op, { ...options, port: 0 })
  await second.close()
})

test('a signing key that is lost is not replaced in silence', async (t) => {
  const vault = await aVault(t)
  await vault.stop()
  await rm(join(vault.dataFolder, 'vault-key.pem'))
  await assert.rejects(vault.restart(), (error) => hasCode(error, 'VAULT_DATA_INVALID'))
})

test('an administrator token that was changed is replaced at the next start', async (t) => {
  const vault = await aVault(t)
  await writeFile(join(vault.dataFolder, 'admin-token'), 'guessed\n')
  await assert.rejects(createVault(vault.op, vault.dataFolder, { name: 'No' }), (error) => hasCode(error, 'VAULT_NOT_RUNNING'))
  await vault.restart()
  await createVault(vault.op, vault.dataFolder, { name: 'Yes' })
})

test('vaults get the names of the domain only, each once whatever its case', async (t) => {
  const vault = await aVault(t)
  const make = (name: string) => createVault(vault.op, vault.dataFolder, { name })
  assert.equal((await make('Az')).redundancy, 'grs')
  await make(`b${'-'.repeat(49)}`)
  for (const name of ['a', '1a', '-a', 'a_b', 'a b', 'ä1', `b${'x'.repeat(50)}`, '']) {
    await assert.rejects(make(name), (error) => hasCode(error, 'VAULT_REQUEST_INVALID'), name)
  }
  await assert.rejects(make('main'), (error) => hasCode(error, 'VAULT_EXISTS') && isKind(error, 'conflict'))
})

test('credentials files are named by vault and date, never overwritten, readable by the owner only', async (t) => {
  const vault = await aVault(t)
  const download = () => downloadCredentials(vault.op, vault.dataFolder, { name: 'Main', outFolder: vault.outFolder })
  const paths = [await download(), await download(), await download()]
  const names = ['Main_2026-11-22', 'Main_2026-11-22-2', 'Main_2026-11-22-3'].map((name) =>
    join(vault.outFolder, `${name}.VaultCredentials`),
  )
  assert.deepEqual(paths, names)
  const path = paths[0] ?? ''
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const credentials = credentialsShape.parse(JSON.parse(await readFile(path, 'utf8')))
  assert.equal(credentials.url, vault.address())
  assert.deepEqual([credentials.issued, credentials.expires], ['2026-11-22T10:00:00.000Z', '2026-11-24T10:00:00.000Z'])
})

test('a download that fails leaves no file, and one that cannot be written voids nothing', async (t) => {
  const vault = await aVault(t)
  const text = await vault.credentials()
  const download = (name: string, outFolder: string) => downloadCredentials(vault.op, vault.dataFolder, { name, outFolder })
  await assert.rejects(download('Unknown', vault.outFolder), (error) => hasCode(error, 'VAULT_NOT_FOUND'))
  await assert.rejects(stat(join(vault.outFolder, 'Unknown_2026-11-22.VaultCredentials')))
  await assert.rejects(download('Main', join(vault.outFolder, 'nowhere')), (error) => hasCode(error, 'VAULT_FILE_UNWRITABLE'))
  await openRecovery(vault.op, { credentials: text, fetch })
})

test('the command line is told whether the folder is missing or the service is not running', async (t) => {
  const vault = await aVault(t)
  await vault.stop()
  const asked = createVault(vault.op, vault.dataFolder, { name: 'Late' })
  await assert.rejects(asked, (error) => hasCode(error, 'VAULT_NOT_RUNNING') && isKind(error, 'unavailable'))
  const nowhere = createVault(vault.op, join(vault.outFolder, 'nothing'), { name: 'Late' })
  await assert.rejects(nowhere, (error) => hasCode(error, 'VAULT_FOLDER_NOT_FOUND') && isKind(error, 'not-found'))
})

test('the administrator interface asks for its token', async (t) => {
  const vault = await aVault(t)
  for (const authorization of ['', 'Bearer ', 'Bearer wrong', 'Basic YTpi']) {
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await sendRaw(vault.address(), { method: 'POST', path: '/api/v1/vaults', headers, body: Buffer.from('{"name":"Mine"}') })
    assert.equal(answer.status, 401)
    assert.equal(answer.code, 'VAULT_UNAUTHENTICATED')
  }
})

test('a retired server is refused, its name is free again, and its objects can be recovered', async (t) => {
  const vault = await aVault(t)
  const { store } = await vault.server('alpha')
  const pack = aPack('of the first alpha')
  await store.put(vault.op, pack.name, pack.bytes)
  const names = { vaultName: 'Main', serverName: 'alpha' }
  await retireServer(vault.op, vault.dataFolder, names)
  await assert.rejects(retireServer(vault.op, vault.dataFolder, names), (error) => hasCode(error, 'VAULT_SERVER_NOT_FOUND'))
  await assert.rejects(store.get(vault.op, pack.name), (error) => hasCode(error, 'VAULT_SERVER_RETIRED'))
  await vault.server('alpha')
  const session = await openRecovery(vault.op, { credentials: await vault.credentials(), fetch })
  assert.equal(session.servers.length, 2)
})

test('an address that others reach without TLS is warned about', async (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) assert.equal(warnWithoutTls(host), undefined)
  assert.equal(warnWithoutTls('0.0.0.0', 'https://vault.example'), undefined)
  const vault = await aVault(t)
  const codes: string[] = []
  const op = startOperation({ onWarning: (warning) => codes.push(warning.code) })
  const open = await startVault(op, { dataFolder: join(vault.outFolder, 'open'), host: '0.0.0.0', port: 0, disk: systemDisk() })
  t.after(() => open.close())
  assert.deepEqual(codes, ['VAULT_WITHOUT_TLS'])
  assert.match(open.address, /^http:\/\/127\.0\.0\.1:\d+$/)
})
