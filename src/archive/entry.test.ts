import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { comparePaths, isWithin, joinPath, nameOf, parentOf } from './entry.ts'

const b = (text: string) => Buffer.from(text, 'latin1')
const path = fc.array(fc.constantFrom('a', 'b', '/', '-', '.', '\u0001', '\u00ff'), { maxLength: 8 }).map((parts) =>
  b(
    parts
      .join('')
      .replace(/\/+/g, '/')
      .replace(/^\/|\/$/g, ''),
  ),
)

test('a folder stands directly before what it contains, and before names that go on otherwise', () => {
  const sorted = ['a', 'a/b', 'a/b/c', 'a/z', 'a\u0001', 'a b', 'a-b', 'a.b', 'ab', 'b'].map(b)
  assert.deepEqual(sorted.toReversed().sort(comparePaths).map(String), sorted.map(String))
})

test('the order of paths is total', () => {
  fc.assert(
    fc.property(path, path, path, (x, y, z) => {
      assert.equal(Math.sign(comparePaths(x, y)) + Math.sign(comparePaths(y, x)), 0)
      assert.equal(comparePaths(x, y) === 0, x.equals(y))
      if (comparePaths(x, y) <= 0 && comparePaths(y, z) <= 0) assert.ok(comparePaths(x, z) <= 0)
    }),
    runs(1000),
  )
})

test('what lies in a folder stands together in the order', () => {
  fc.assert(
    fc.property(fc.array(path, { maxLength: 20 }), path, (paths, folder) => {
      const sorted = [...paths].sort(comparePaths).map((one) => isWithin(one, folder))
      const first = sorted.indexOf(true)
      const last = sorted.lastIndexOf(true)
      if (first >= 0) assert.ok(sorted.slice(first, last + 1).every(Boolean))
    }),
    runs(1000),
  )
})

test('a name that only begins like a folder is not within it', () => {
  assert.ok(isWithin(b('a/b'), b('a')) && isWithin(b('a'), b('a')) && isWithin(b('x'), b('')))
  assert.ok(!isWithin(b('ab'), b('a')) && !isWithin(b('a'), b('a/b')))
})

test('parent and name joined are the path', () => {
  fc.assert(
    fc.property(path, (one) => {
      if (one.length > 0) assert.deepEqual(joinPath(parentOf(one), nameOf(one)), one)
    }),
    runs(300),
  )
})
