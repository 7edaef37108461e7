import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import picomatch from 'picomatch'
import { runs } from '../../../test/support/pool.ts'
import { exclusionOf } from './exclusion.ts'

const excludes = (patterns: string[], path: string) => exclusionOf(patterns)(Buffer.from(path))

/** Pattern, path without its first slash, whether it is left out. */
const CASES: [string, string, boolean][] = [
  ['*.o', 'home/a/main.o', true],
  ['*.o', 'home/a/main.c', false],
  ['*.o', 'home/a.o/main.c', false], // the folder itself is left out, so nothing in it is ever asked
  ['cache', 'home/cache', true],
  ['cache', 'home/cache-old', false],
  ['cache/', 'home/cache', true],
  ['/home/a', 'home/a', true],
  ['/home/a', 'srv/home/a', false],
  ['/home/*/tmp', 'home/x/tmp', true],
  ['/home/*/tmp', 'home/x/y/tmp', false],
  ['/home/**/tmp', 'home/x/y/tmp', true],
  ['a/b', 'a/b', true],
  ['a/b', 'x/y/a/b', true],
  ['a/b', 'xa/b', false],
  ['?.txt', 'd/a.txt', true],
  ['?.txt', 'd/ab.txt', false],
  ['[ab].txt', 'd/b.txt', true],
  ['*', 'd/.hidden', true],
  ['.*', 'd/.hidden', true],
  ['.*', 'd/shown', false],
  ['!a', 'd/b', false],
  ['ü*', 'd/über', true],
  ['', 'a', false],
  ['/', 'a', false], // a root is never left out
  ['//', 'a', false],
]

for (const [pattern, path, isOut] of CASES) {
  test(`the pattern ${pattern} ${isOut ? 'leaves out' : 'keeps'} /${path}`, () => assert.equal(excludes([pattern], path), isOut))
}

test('without patterns nothing is left out, and one of several is enough', () => {
  assert.equal(excludes([], 'a'), false)
  assert.equal(excludes(['x', 'a'], 'a'), true)
})

test('a name that is not UTF-8 can be left out by what surrounds its bytes', () => {
  assert.equal(exclusionOf(['bad*'])(Buffer.from([0x62, 0x61, 0x64, 0xff])), true)
})

test('many patterns together leave out what each alone does', () => {
  const atoms = [
    'a',
    'b',
    '*',
    '?',
    '[a-c]',
    '**',
    '.x',
    'a b',
    'x.tmp',
    '*.tmp',
    '*tmp',
    '{a,b}',
    '!a',
    '(a|b)',
    '\\*',
    'a\\?b',
    'a$',
    '.',
    'é',
    '[!a]',
  ]
  const names = ['a', 'b', 'c', '.x', 'a b', 'x.tmp', 'tmp', '!a', '(a|b)', '*', 'a?b', 'a$', 'é', 'aa']
  const pattern = fc.array(fc.constantFrom(...atoms), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
  const patterns = fc.array(
    fc.tuple(pattern, fc.boolean()).map(([text, isRooted]) => (isRooted ? `/${text}` : text)),
    { minLength: 1, maxLength: 4 },
  )
  const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  fc.assert(
    fc.property(patterns, path, (all, text) => {
      assert.equal(
        exclusionOf(all)(Buffer.from(text)),
        all.some((one) => leavesOut(one, text)),
      )
    }),
    runs(2000),
  )
})

/** One pattern, by the library alone. */
function leavesOut(pattern: string, text: string): boolean {
  const options = { dot: true, nonegate: true }
  if (!pattern.includes('/')) return picomatch(pattern, options)(text.slice(text.lastIndexOf('/') + 1))
  return pattern.startsWith('/') ? picomatch(pattern.slice(1), options)(text) : picomatch([pattern, `**/${pattern}`], options)(text)
}
