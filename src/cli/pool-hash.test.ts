import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fasterHash } from './pool-hash.ts'

it('a new pool takes the hash that the machine is fastest at', () => {
  assert.equal(fasterHash('native', true, 'x64'), 'blake3')
  assert.equal(fasterHash('native', false, 'x64'), 'blake3')
  assert.equal(fasterHash('native', true, 'arm64'), 'sha256')
  assert.equal(fasterHash('native', false, 'arm64'), 'blake3')
  assert.equal(fasterHash('kernel', true, 'x64'), 'sha256')
  assert.equal(fasterHash('kernel', false, 'x64'), 'blake3')
  assert.equal(fasterHash('script', false, 'x64'), 'sha256')
})
