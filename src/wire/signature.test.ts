import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { ManualClock } from '../base/clock.ts'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import { makeSigningKey, privateKeyText, publicKeyText, readPublicKey, readSigningKey, signedHeaders, verifyRequest } from './index.ts'
import type { SignedRequest } from './signature.ts'

const op = startOperation({ clock: new ManualClock() })
const key = makeSigningKey(seededRandom('server'))
const publicKey = createPublicKey(key)

test('a signature holds for exactly the request that was signed', () => {
  const serverId = 'ab'.repeat(16)
  const headers = signedHeaders(op, { method: 'PUT', target: '/a?b=c', body: Buffer.from('x'), serverId, privateKey: key })
  const signature = headers['terp-signature'] ?? ''
  const request: SignedRequest = {
    method: 'PUT',
    target: '/a?b=c',
    time: headers['terp-time'] ?? '',
    contentSha256: headers['terp-content-sha256'] ?? '',
    serverId,
  }
  assert.equal(verifyRequest(request, signature, publicKey), true)
  for (const change of [
    { method: 'GET' },
    { target: '/a' },
    { time: '2026-01-01T00:00:00.000Z' },
    { contentSha256: '0' },
    { serverId: 'x' },
  ]) {
    assert.equal(verifyRequest({ ...request, ...change }, signature, publicKey), false, JSON.stringify(change))
  }
  assert.equal(verifyRequest(request, signature, createPublicKey(makeSigningKey(seededRandom('other')))), false)
  assert.equal(verifyRequest(request, '', publicKey), false)
})

test('a key survives as text, in PKCS 8 and in PEM', () => {
  assert.equal(privateKeyText(readSigningKey(privateKeyText(key))), privateKeyText(key))
  const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString()
  assert.equal(privateKeyText(readSigningKey(pem)), privateKeyText(key))
})

test('only Ed25519 keys are taken from outside', () => {
  assert.ok(readPublicKey(publicKeyText(key)))
  const { publicKey: other } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  assert.equal(readPublicKey(other.export({ format: 'der', type: 'spki' }).toString('base64')), undefined)
  for (const text of ['', 'AAAA', privateKeyText(key).slice(0, 20)]) assert.equal(readPublicKey(text), undefined)
})
