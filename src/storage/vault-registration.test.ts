/** The sending side alone. Against a real vault: src/vault/registration.test.ts, src/cli/registration.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromTimestamp, ManualClock } from '../base/clock.ts'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import { type Fetch, makeSigningKey, privateKeyText, publicKeyText, signCredentials } from '../wire/index.ts'
import { registerServer } from './vault-registration.ts'

test('a key that is given is the one that is registered; without one, each call makes another', async (t) => {
  const random = seededRandom(t.name)
  const op = startOperation({ clock: new ManualClock(fromTimestamp('2026-11-22T10:00:00.000Z')), random })
  const [vaultKey, key] = [makeSigningKey(random), makeSigningKey(random)]
  const credentials = JSON.stringify(
    signCredentials(
      {
        format: 'terp-vault-credentials',
        version: 1,
        vaultId: 'ab'.repeat(16),
        vaultName: 'Main',
        url: 'http://127.0.0.1:1',
        vaultPublicKey: publicKeyText(vaultKey),
        token: 'A'.repeat(43),
        issued: '2026-11-22T09:00:00.000Z',
        expires: '2026-11-24T09:00:00.000Z',
      },
      vaultKey,
    ),
  )
  const sent: string[] = []
  const answer = { vaultId: 'ab'.repeat(16), vaultName: 'Main', serverId: 'cd'.repeat(16), serverName: 'alpha' }
  const fetch = (async (_url, options) => {
    sent.push(JSON.parse(Buffer.from(options?.body as Uint8Array).toString()).publicKey)
    return Response.json(answer, { status: 201 })
  }) as Fetch
  const request = { credentials, serverName: 'alpha', fetch }
  for (let n = 0; n < 2; n++) {
    const { privateKeyPkcs8Base64 } = await registerServer(op, { ...request, privateKey: privateKeyText(key) })
    assert.equal(privateKeyPkcs8Base64, privateKeyText(key))
  }
  await registerServer(op, request)
  assert.deepEqual(sent.slice(0, 2), [publicKeyText(key), publicKeyText(key)])
  assert.notEqual(sent[2], sent[1])
})
