import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../base/errors.ts'
import { systemDisk } from '../../platform/index.ts'
import { aServer, Person, type TestServer } from '../server.fixture.ts'
import { resetAdministrator } from './reset-administrator.ts'

const reset = (server: TestServer, name?: string) =>
  resetAdministrator(server.op, {
    dataFolder: server.dataFolder,
    disk: systemDisk(),
    name,
    passwordCosts: { memoryKib: 1024, passes: 1 },
  })

test('who lost everything comes back with one secret, and must replace password and second factor', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const { secret: token } = (await admin.send('/api/v1/tokens', { method: 'POST', body: { name: 'x', roles: ['reader'] } })).json
  const before = admin.password
  await server.running().close()
  const given = await reset(server)
  assert.deepEqual({ name: given.name, isNew: given.isNew }, { name: 'admin', isNew: false })
  assert.match(given.secret, /^[A-Za-z0-9_-]{43}$/)
  await server.restart()
  assert.equal((await server.send('/api/v1/version', { headers: { authorization: `Bearer ${token}` } })).status, 401)
  assert.equal((await admin.send('/api/v1/session')).status, 401)
  admin.totpSecret = undefined
  assert.equal((await new Person(server, 'admin', before).signIn()).json.code, 'AUTH_FAILED')
  admin.password = given.secret
  assert.equal((await admin.signIn()).status, 201)
  assert.deepEqual(admin.me?.mustDo, ['change-password', 'enrol-totp'])
  assert.equal((await admin.send('/api/v1/audit')).json.code, 'AUTH_ACCOUNT_INCOMPLETE')
  const newPassword = 'another horse battery staple'
  assert.equal((await admin.send('/api/v1/session/password', { method: 'PUT', body: { password: given.secret, newPassword } })).status, 200)
  await admin.enrolTotp()
  const { items } = (await admin.send('/api/v1/audit?action=account.reset-from-folder')).json
  assert.equal(items[0].actor.name, 'owner of the data folder')
  assert.ok(!JSON.stringify(items).includes(given.secret))
  assert.equal((await new Person(server, 'admin', given.secret).signIn()).json.code, 'AUTH_FAILED')
})

test('a disabled or demoted one gets back what an administrator needs, and a name that is none becomes one', async (t) => {
  const server = await aServer(t)
  await server.administrator()
  const { catalog } = server.running().context
  const bob = await catalog.accounts.create({ name: 'bob', roles: ['reader'], passwordHash: 'none', mustChangePassword: false })
  await catalog.accounts.change(bob.id, { isDisabled: true }, bob.version)
  await catalog.accounts.create({ name: 'carol', roles: ['reader'], passwordHash: 'none', mustChangePassword: false, directoryId: 'ab' })
  await server.running().close()
  assert.equal((await reset(server, 'bob')).isNew, false)
  assert.equal((await reset(server, 'dave')).isNew, true)
  await assert.rejects(reset(server, 'carol'), (error) => hasCode(error, 'AUTH_DIRECTORY_ACCOUNT'))
  await assert.rejects(reset(server, 'no such; name'), (error) => hasCode(error, 'API_REQUEST_INVALID'))
  await server.restart()
  const after = await server.running().context.catalog.accounts.get(bob.id)
  assert.equal(after.isDisabled, false)
  assert.deepEqual([...after.roles].sort(), ['backup-admin', 'reader', 'security-admin'])
})

test('not while the server runs, and not where none is', async (t) => {
  const server = await aServer(t)
  await assert.rejects(reset(server), (error) => hasCode(error, 'SERVER_BUSY'))
  const empty = await mkdtemp(join(tmpdir(), 'terp-none-'))
  t.after(() => rm(empty, { recursive: true }))
  const none = resetAdministrator(server.op, { dataFolder: empty, disk: systemDisk() })
  await assert.rejects(none, (error) => hasCode(error, 'SERVER_DATA_INVALID'))
  assert.deepEqual(await readdir(empty), [])
})
