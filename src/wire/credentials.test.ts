import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerpError } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { type Credentials, makeSigningKey, parseCredentials, publicKeyText, signCredentials, verifyCredentials } from './index.ts'

const key = makeSigningKey(seededRandom('vault'))

function aFile(): Credentials {
  const times = { issued: '2026-11-22T10:00:00.000Z', expires: '2026-11-24T10:00:00.000Z' }
  const names = { vaultId: 'ab'.repeat(16), vaultName: 'Main', url: 'http://127.0.0.1:1', vaultPublicKey: publicKeyText(key) }
  return signCredentials({ format: 'terp-vault-credentials', version: 1, ...names, token: 'A'.repeat(43), ...times }, key)
}

test('a file that was written is read back, and its signature is right', () => {
  const read = parseCredentials(JSON.stringify(aFile()))
  assert.deepEqual(read, aFile())
  assert.equal(verifyCredentials(read), true)
  assert.equal(verifyCredentials(read, publicKeyText(key)), true)
})

test('fields that are not known yet are ignored', () => {
  assert.deepEqual(parseCredentials(JSON.stringify({ ...aFile(), region: 'north' })), aFile())
})

test('a change of any field breaks the signature', () => {
  const changes: Partial<Credentials>[] = [
    { vaultId: 'cd'.repeat(16) },
    { vaultName: 'Other' },
    { url: 'http://127.0.0.1:2' },
    { token: 'B'.repeat(43) },
    { issued: '2026-11-22T10:00:00.001Z' },
    { expires: '2036-11-24T10:00:00.000Z' },
    { signature: 'AAAA' },
    { vaultPublicKey: publicKeyText(makeSigningKey(seededRandom('other'))) },
    { vaultPublicKey: 'AAAA' },
  ]
  for (const change of changes) assert.equal(verifyCredentials({ ...aFile(), ...change }), false, JSON.stringify(change))
})

test('a file signed by somebody else is not of this vault', () => {
  const other = makeSigningKey(seededRandom('other'))
  const forged = signCredentials({ ...aFile(), vaultPublicKey: publicKeyText(other) }, other)
  assert.equal(verifyCredentials(forged), true)
  assert.equal(verifyCredentials(forged, publicKeyText(key)), false)
})

test('no field can hold a line feed, which would let two files share a signature', () => {
  for (const field of ['vaultId', 'vaultName', 'url', 'vaultPublicKey', 'token', 'issued', 'expires', 'signature'] as const) {
    const file = aFile()
    for (const text of [`${file[field]}\n`, `\n${file[field]}`, `${file[field]}\nx`]) {
      assert.throws(() => parseCredentials(JSON.stringify({ ...file, [field]: text })), TerpError, field)
    }
  }
})

test('what is wrong with a file is told without quoting it', () => {
  const token = 'S'.repeat(42)
  for (const text of [`{"token": "${token}"`, JSON.stringify({ ...aFile(), token }), 'null', '']) {
    assert.throws(
      () => parseCredentials(text),
      (error) => {
        assert.ok(error instanceof TerpError)
        assert.equal(error.code, 'CREDENTIALS_UNREADABLE')
        assert.equal(error.context.domainCode, 34527)
        assert.doesNotMatch(error.message, /SSSS/)
        return true
      },
    )
  }
})
