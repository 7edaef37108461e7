import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomHex, seededRandom, systemRandom } from './random.ts'

test('a seeded stream repeats for its seed and differs for another', () => {
  const draw = (seed: string) => Buffer.from(seededRandom(seed).bytes(100)).toString('hex')
  assert.equal(draw('a'), draw('a'))
  assert.notEqual(draw('a'), draw('b'))
})

test('a seeded stream goes on: two draws differ', () => {
  const random = seededRandom('a')
  assert.notEqual(randomHex(random, 16), randomHex(random, 16))
})

test('the system gives as many bytes as were asked for, and others each time', () => {
  const random = systemRandom()
  assert.equal(random.bytes(33).length, 33)
  assert.notEqual(randomHex(random, 32), randomHex(random, 32))
})
