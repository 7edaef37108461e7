import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/errors.ts'
import { readManifest } from './manifest.ts'
import { aManifest, sha256 } from './vault.fixture.ts'

const place = { source: 'ab'.repeat(16), sequence: 7 }
const packs = [sha256('a'), sha256('b')]

test('the packs of a manifest are read from its public part', () => {
  assert.deepEqual(readManifest(aManifest(packs).bytes, place).packs, packs)
  assert.deepEqual(readManifest(aManifest([]).bytes, place).packs, [])
  assert.deepEqual(readManifest(aManifest(packs, { publicPart: { later: 'field' } }).bytes, place).packs, packs)
})

test('what is not a whole manifest for its place is refused', () => {
  const good = aManifest(packs).bytes
  const wrong = [
    Buffer.alloc(0),
    Buffer.alloc(200),
    good.subarray(0, 50),
    good.subarray(0, 90),
    Buffer.concat([good, Buffer.from('x')]),
    aManifest(packs, { cut: 1 }).bytes,
    aManifest(packs, { kind: 1 }).bytes,
    aManifest(packs, { publicPart: { packs: undefined } }).bytes,
    aManifest(packs, { publicPart: { packs: ['../../etc'] } }).bytes,
    aManifest(packs, { publicPart: { packs: 'all' } }).bytes,
    aManifest(packs, { publicPart: { sequence: 8 } }).bytes,
    aManifest(packs, { publicPart: { source: 'cd'.repeat(16) } }).bytes,
    Buffer.from(good).fill(0x7b, 88, 100),
    Buffer.from(good).fill(0xff, 80, 84),
    Buffer.from(good).fill(9, 8, 9),
  ]
  for (const [n, bytes] of wrong.entries()) {
    assert.throws(
      () => readManifest(bytes, place),
      (error) => hasCode(error, 'VAULT_MANIFEST_INVALID'),
      `case ${n}`,
    )
  }
})
