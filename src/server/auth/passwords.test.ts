import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../base/errors.ts'
import { seededRandom, systemRandom } from '../../base/random.ts'
import { Sealer } from '../secrets.ts'
import { networkOf } from './network.ts'
import { checkNewPassword, Passwords } from './passwords.ts'

const cheap = { memoryKib: 1024, passes: 1 }

test('a password is hashed with 64 MiB and three passes, and verifies', async () => {
  const passwords = new Passwords(systemRandom())
  const hash = await passwords.hash('correct horse')
  assert.match(hash, /^\$argon2id\$v=19\$m=65536,t=3,p=1\$/)
  assert.equal(await passwords.verify('correct horse', hash), true)
  assert.equal(await passwords.verify('correct horsf', hash), false)
  assert.equal(passwords.isOutdated(hash), false)
})

test('a hash of other costs still verifies, and is out of date', async () => {
  const before = new Passwords(systemRandom(), cheap)
  const now = new Passwords(systemRandom(), { memoryKib: 2048, passes: 1 })
  const hash = await before.hash('correct horse')
  assert.equal(await now.verify('correct horse', hash), true)
  assert.equal(now.isOutdated(hash), true)
})

test('the same password typed on another system is the same', async () => {
  const passwords = new Passwords(systemRandom(), cheap)
  assert.equal(await passwords.verify('café'.normalize('NFD'), await passwords.hash('café'.normalize('NFC'))), true)
})

test('nobody’s password is never right, nor is one against a hash that is none', async () => {
  const passwords = new Passwords(systemRandom(), cheap)
  for (const password of ['', 'x']) {
    assert.equal(await passwords.verify(password, undefined), false)
    for (const hash of ['none', '', '$argon2id$v=19$m=1024,t=1,p=1$AAAA$']) assert.equal(await passwords.verify(password, hash), false)
  }
})

test('what takes more memory than it is worth is not hashed', async () => {
  const passwords = new Passwords(systemRandom(), cheap)
  await assert.rejects(passwords.verify('ü'.repeat(513), await passwords.hash('x')), (error) => hasCode(error, 'AUTH_FAILED'))
})

test('long and still bad', () => {
  const isWeak = (error: unknown) => hasCode(error, 'AUTH_PASSWORD_WEAK')
  assert.throws(() => checkNewPassword('administrator1', 'Administrator'), isWeak)
  assert.throws(() => checkNewPassword('ababababababab', 'bob'), isWeak)
  assert.throws(() => checkNewPassword('ü'.repeat(600), 'bob'), isWeak)
  checkNewPassword('correct horse battery staple', 'bob')
})

test('the network of an address', () => {
  const cases = {
    '10.1.2.3': '10.1.2.0/24',
    '::1': '0:0:0:0::/64',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:0db8::5': '2001:db8:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
  }
  for (const [address, network] of Object.entries(cases)) assert.equal(networkOf(address), network)
})

test('a sealed secret opens for its purpose only, and not when any of it is changed', () => {
  const sealer = new Sealer(new Uint8Array(32).fill(7), seededRandom('sealer'))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (secret, place) => {
      const sealed = sealer.seal(secret, 'totp:1')
      assert.ok(sealer.open(sealed, 'totp:1').equals(secret))
      const isRefused = (error: unknown) => hasCode(error, 'SERVER_SECRET_UNREADABLE')
      assert.throws(() => sealer.open(sealed, 'totp:2'), isRefused)
      const changed = Uint8Array.from(sealed)
      changed[place % changed.length] = (changed[place % changed.length] ?? 0) ^ 1
      assert.throws(() => sealer.open(changed, 'totp:1'), isRefused)
      assert.throws(() => sealer.open(sealed.subarray(0, place % sealed.length), 'totp:1'), isRefused)
    }),
    { numRuns: 60 },
  )
})
