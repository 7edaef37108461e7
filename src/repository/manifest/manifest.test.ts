import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aManifest } from '../../../test/support/manifests.ts'
import { someKeys } from '../../../test/support/packs.ts'
import { anOperation } from '../../../test/support/pool.ts'
import { TerpError } from '../../base/errors.ts'
import { decodeManifest, encodeManifest, manifestOfName } from './manifest.ts'

const KEYS = someKeys('manifests')
const { random } = anOperation('manifests')

function isRefused(name: string, bytes: Buffer, keys = KEYS): boolean {
  try {
    decodeManifest(keys, name, bytes)
    return false
  } catch (error) {
    assert.ok(error instanceof TerpError, String(error))
    assert.equal(error.code, 'MANIFEST_DAMAGED')
    assert.equal(error.context.object, name)
    return true
  }
}

function encoded(sequence = 3) {
  const { publicPart, body } = aManifest({ sequence })
  return { publicPart, body, ...encodeManifest(random, KEYS, publicPart, body) }
}

test('a manifest is read as it was written', () => {
  const { name, bytes, body, publicPart } = encoded()
  assert.deepEqual(decodeManifest(KEYS, name, bytes), { ...body, object: name, publicPart })
})

test('its name says source, number and hash', () => {
  const { name, publicPart } = encoded()
  const parts = manifestOfName(name)
  assert.equal(parts?.source, publicPart.source)
  assert.equal(parts?.sequence, 3)
  for (const wrong of ['points/x', name.slice(0, -1), name.toUpperCase(), `x${name}`, name.replace('/00', '/0')]) {
    assert.equal(manifestOfName(wrong), undefined, wrong)
  }
})

test('every flipped bit and every cut of a manifest is detected', () => {
  const { name, bytes } = encoded()
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.ok(isRefused(name, flipped), `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) assert.ok(isRefused(name, bytes.subarray(0, length)), `${length} bytes`)
  assert.ok(isRefused(name, Buffer.concat([bytes, Buffer.from('more')])))
})

test('a manifest in another place is refused: another number, another source, another hash', () => {
  const { name, bytes } = encoded()
  const [, source, rest] = name.split('/')
  assert.ok(source && rest)
  assert.ok(isRefused(`points/${source}/${rest.replace('0000000003', '0000000004')}`, bytes))
  assert.ok(isRefused(`points/${'0'.repeat(32)}/${rest}`, bytes))
  assert.ok(isRefused(`points/${source}/0000000003-${'0'.repeat(64)}.point`, bytes))
})

test('a manifest of another repository is refused', () => {
  const { name, bytes } = encoded()
  assert.ok(isRefused(name, bytes, someKeys('strangers')))
  assert.ok(isRefused(name, bytes, { ...KEYS, repositoryId: new Uint8Array(16) }))
})
