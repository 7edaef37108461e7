/** The commands against a real server over TLS, in this process. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { lookAtServer } from '../../server/index.ts'
import { aServer, GOOD_PASSWORD, Person, type TestServer } from '../../server/server.fixture.ts'
import { runCli } from '../run-cli.ts'
import { type FakeStreams, fakeStreams } from '../testing/fake-streams.ts'
import { NO_PROGRAMS } from '../testing/no-programs.ts'
import { terminalWith } from '../testing/terminal.ts'

interface Place {
  readonly server: TestServer
  readonly folder: string
  readonly url: string
  readonly fingerprint: string
}

async function aPlace(t: TestContext): Promise<Place> {
  const folder = temporaryFolder(t)
  // Each test is a person with files of his own.
  process.env.XDG_CONFIG_HOME = join(folder, 'config')
  const server = await aServer(t)
  const { address, fingerprint } = server.running()
  return { server, folder, url: address, fingerprint }
}

async function terp(given: readonly string[], streams: FakeStreams = fakeStreams()) {
  const programs = { ...NO_PROGRAMS, server: { ...NO_PROGRAMS.server, look: lookAtServer } }
  const exitCode = await runCli(given, programs, streams)
  return { exitCode, out: streams.outText(), err: streams.errText() }
}

/** A terminal of the first administrator, who is made by it. */
function adminAt({ server }: Place) {
  const person = new Person(server, 'admin', GOOD_PASSWORD)
  const streams = terminalWith([
    ['Name of the first account', 'admin'],
    ['New password', GOOD_PASSWORD],
    ['The same again', GOOD_PASSWORD],
    ['Password', GOOD_PASSWORD],
    [
      'Code',
      () => {
        person.totpSecret ??= /secret {2}(\w+)/.exec(streams.outText())?.[1]
        return person.code().totp ?? ''
      },
    ],
  ])
  return { streams, person }
}

async function signedIn(t: TestContext) {
  const place = await aPlace(t)
  const admin = adminAt(place)
  const done = await terp(['login', '--data', place.server.dataFolder], admin.streams)
  assert.equal(done.exitCode, 0, done.err)
  return { ...place, admin, first: done }
}

describe('terp login', () => {
  it('makes the first account with its second factor, from the data folder alone', async (t) => {
    const { first, folder, url } = await signedIn(t)
    assert.match(first.out, new RegExp(`signed in to ${url} as admin: backup-admin`))
    assert.match(first.out, /each is good once/)
    const file = join(folder, 'config/terp/servers.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const me = await terp(['user', 'show', '--json'])
    const { account, mustDo, csrfToken } = JSON.parse(me.out)
    assert.deepEqual([account.name, mustDo, csrfToken], ['admin', [], undefined])
  })

  it('takes a certificate that nobody vouches for only by its fingerprint', async (t) => {
    const { url, fingerprint } = await aPlace(t)
    const unknown = await terp(['login', '--server', url, '--name', 'x', '--json'])
    assert.equal(unknown.exitCode, 12)
    assert.equal(JSON.parse(unknown.out).code, 'SERVER_CERTIFICATE_UNKNOWN')
    assert.equal(JSON.parse(unknown.out).context.fingerprint, fingerprint)
    const other = `${fingerprint.slice(0, -2)}${fingerprint.endsWith('00') ? '01' : '00'}`
    const wrong = await terp(['login', '--server', url, '--fingerprint', other, '--json'])
    assert.deepEqual([wrong.exitCode, JSON.parse(wrong.out).code], [12, 'SERVER_CERTIFICATE_CHANGED'])
    const refused = await terp(['login', '--server', url], terminalWith([['yes/no', 'no']]))
    assert.equal(refused.exitCode, 12)
    assert.match(refused.err, new RegExp(fingerprint))
  })

  it('without a terminal takes everything from files, and the second factor in two steps', async (t) => {
    const { server, folder, url, fingerprint } = await aPlace(t)
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), `${text}\n`)
      return join(folder, name)
    }
    const secret = join(server.dataFolder, 'setup-secret')
    const password = file('password', GOOD_PASSWORD)
    const start = ['login', '--server', url, '--fingerprint', fingerprint, '--name', 'admin', '--password-file', password]
    const made = await terp([...start, '--setup-secret-file', secret, '--json'])
    assert.deepEqual(JSON.parse(made.out).must_do, ['enrol-totp'], made.err)
    const person = new Person(server, 'admin', GOOD_PASSWORD)
    person.totpSecret = JSON.parse((await terp(['user', 'totp', '--json'])).out).secret
    const confirmed = await terp(['user', 'totp', '--confirm', person.code().totp as string, '--json'])
    assert.equal(JSON.parse(confirmed.out).recoveryCodes.length, 10)
    assert.equal((await terp(start)).exitCode, 12)
    const again = await terp([...start, '--totp', person.code().totp as string])
    assert.equal(again.exitCode, 0, again.err)
  })

  it('says that a server is away, with its own exit code', async (t) => {
    const { url, fingerprint, server } = await aPlace(t)
    await server.running().close()
    const away = await terp(['login', '--server', url, '--fingerprint', fingerprint, '--json'])
    assert.deepEqual([away.exitCode, JSON.parse(away.out).code], [13, 'SERVER_UNREACHABLE'])
  })
})

describe('commands on a server', () => {
  it('need a server, and somebody who signed in', async (t) => {
    const { url, fingerprint } = await aPlace(t)
    const none = await terp(['user', 'list', '--json'])
    assert.deepEqual([none.exitCode, JSON.parse(none.out).code], [2, 'SERVER_NOT_CHOSEN'])
    process.env.TERP_SERVER_FINGERPRINT = fingerprint
    t.after(() => delete process.env.TERP_SERVER_FINGERPRINT)
    const nobody = await terp(['user', 'list', '--server', url, '--json'])
    assert.deepEqual([nobody.exitCode, JSON.parse(nobody.out).code], [12, 'AUTH_REQUIRED'])
    assert.match(JSON.parse(nobody.out).hint, /terp login/)
  })

  it('ask again who it is where the server wants a fresh proof, and go on', async (t) => {
    const { server, admin } = await signedIn(t)
    // What proved both factors at the sign-in is a fresh proof for five minutes.
    server.clock.advance(6 * 60_000)
    const blind = await terp(['user', 'add', 'anna', '--role', 'operator', '--json'])
    assert.deepEqual([blind.exitCode, JSON.parse(blind.out).code], [15, 'AUTH_STEP_UP_REQUIRED'])
    const done = await terp(['user', 'add', 'anna', '--role', 'operator'], admin.streams)
    assert.equal(done.exitCode, 0, done.err)
    assert.match(done.out, /made the account anna \(operator\)/)
    // The proof holds for what follows.
    const changed = await terp(['user', 'change', 'anna', '--disable'])
    assert.equal(changed.exitCode, 0, changed.err)
    const listed = JSON.parse((await terp(['user', 'list', '--json'])).out)
    assert.deepEqual(
      listed.map(({ name, isDisabled }: { name: string; isDisabled: boolean }) => [name, isDisabled]),
      [
        ['admin', false],
        ['anna', true],
      ],
    )
    server.clock.advance(16 * 60_000)
    assert.equal(JSON.parse((await terp(['user', 'list', '--json'])).out).code, 'AUTH_REQUIRED')
  })

  it('take tokens from files, and revoke them', async (t) => {
    const { folder, url, fingerprint } = await signedIn(t)
    const file = join(folder, 'token')
    const made = await terp(['token', 'create', 'watch', '--role', 'reader', '--out', file])
    assert.equal(made.exitCode, 0, made.err)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(!made.out.includes(readFileSync(file, 'utf8').trim()))
    const me = JSON.parse((await terp(['user', 'show', '--token-file', file, '--json'])).out)
    assert.deepEqual([me.kind, me.roles], ['token', ['reader']])
    assert.equal(JSON.parse((await terp(['user', 'list', '--token-file', file, '--json'])).out).code, 'AUTH_FORBIDDEN')
    assert.equal((await terp(['token', 'revoke', 'watch'])).exitCode, 0)
    const login = await terp(['login', '--server', url, '--fingerprint', fingerprint, '--token-file', file, '--json'])
    assert.deepEqual([login.exitCode, JSON.parse(login.out).code], [12, 'AUTH_REQUIRED'])
  })

  it('show the audit log, and that it is whole', async (t) => {
    await signedIn(t)
    const listed = await terp(['audit', 'list'])
    assert.match(listed.out, /admin +setup\.finish/)
    const first = JSON.parse((await terp(['audit', 'verify', '--json'])).out)
    const anchor = `${first.head.sequence}:${first.head.sha256}`
    assert.match((await terp(['audit', 'verify', '--anchor', anchor])).out, /all as written/)
  })

  it('say what is meant by a name that is nobody’s', async (t) => {
    await signedIn(t)
    const gone = await terp(['token', 'revoke', 'nothing', '--json'])
    assert.deepEqual([gone.exitCode, JSON.parse(gone.out).code], [10, 'ITEM_NOT_FOUND'])
  })
})
