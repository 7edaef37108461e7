import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileSelection, validateExtensions, validateMemberSelection } from './selection.ts'
import { type Selection, selectionShape } from './shape.ts'

const selection = (includes: string[], excludes: string[] = [], rest: object = {}): Selection =>
  selectionShape.parse({ includes, excludes, ...rest })
const codes = (refusals: readonly { domainCode?: number; code: string }[]) =>
  refusals.map(({ code, domainCode }) => `${domainCode ?? ''} ${code}`.trim())

describe('§3.3 member selection', () => {
  it('a parent selects all its children, also those made later', () => {
    const { isSelected } = compileSelection(selection(['/data'], ['/data/tmp']))
    assert.equal(isSelected('/data'), true)
    assert.equal(isSelected('/data/a/b/new folder'), true)
    assert.equal(isSelected('/database'), false)
    assert.equal(isSelected('/'), false)
  })

  it('an excluded child stays excluded with all that grows in it, and its siblings do not', () => {
    const { isSelected } = compileSelection(selection(['/data'], ['/data/tmp']))
    assert.equal(isSelected('/data/tmp'), false)
    assert.equal(isSelected('/data/tmp/deep/new'), false)
    assert.equal(isSelected('/data/tmp2'), true)
  })

  it('the deepest rule decides, and of the same path exclusion wins', () => {
    const { isSelected, mayContainSelected } = compileSelection(selection(['/', '/var/lib/app', '/x'], ['/var', '/x']))
    assert.deepEqual(
      ['/etc', '/var/log', '/var/lib/app/db', '/x/y'].map((path) => isSelected(path)),
      [true, false, true, false],
    )
    assert.equal(mayContainSelected('/var'), true, 'the way to /var/lib/app')
    assert.equal(mayContainSelected('/var/log'), false)
    assert.equal(mayContainSelected('/x'), false)
  })

  it('extensions are excluded for files only, without case, and the last of several counts as well as all', () => {
    const { isSelected } = compileSelection(selection(['/']), ['.TMP', '.tar.gz'])
    assert.deepEqual(
      ['/a.tmp', '/A.Tmp', '/a.tar.gz', '/a.gz', '/.tmp', '/b.tmp.txt', '/tmp'].map((path) => isSelected(path, true)),
      [false, false, false, true, true, true, true],
    )
    assert.equal(isSelected('/folder.tmp'), true)
  })

  it('Windows paths compare without case and by either slash', () => {
    const { isSelected } = compileSelection(selection(['D:\\Data'], ['d:/data/Temp']))
    assert.deepEqual(
      ['d:\\data\\x', 'D:/DATA/temp/x', 'E:\\data', '/data'].map((path) => isSelected(path)),
      [true, false, false, false],
    )
  })

  it('40: a mount point needs an answer, and the answer holds', () => {
    const undecided = selection(['/data'])
    assert.deepEqual(codes(validateMemberSelection(undecided, ['/data/mnt', '/other'])), ['40 MOUNT_POINT_UNDECIDED'])
    const out = selection(['/data'], [], { mountPoints: [{ path: '/data/mnt/', isIncluded: false }] })
    assert.deepEqual(validateMemberSelection(out, ['/data/mnt']), [])
    assert.equal(compileSelection(out).isSelected('/data/mnt/file'), false)
    const taken = selection(['/data'], [], { mountPoints: [{ path: '/data/mnt', isIncluded: true }] })
    assert.equal(compileSelection(taken).isSelected('/data/mnt/file'), true)
  })

  it('131 and 132: extensions', () => {
    assert.deepEqual(codes(validateExtensions(['.tmp', 'tmp', '.', '.a*b', '.a/b', '.TMP'])), [
      '131 EXTENSION_MALFORMED',
      '131 EXTENSION_MALFORMED',
      '131 EXTENSION_MALFORMED',
      '131 EXTENSION_MALFORMED',
      '132 EXTENSION_TWICE',
    ])
  })

  it('what has no effect or leaves nothing is refused', () => {
    assert.deepEqual(codes(validateMemberSelection(selection(['data', '/a/../b'], ['/./x']))), [
      'SELECTION_PATH_INVALID',
      'SELECTION_PATH_INVALID',
      'SELECTION_PATH_INVALID',
    ])
    assert.deepEqual(codes(validateMemberSelection(selection(['/data'], ['/other/x']))), ['SELECTION_ITEM_OUTSIDE'])
    assert.deepEqual(codes(validateMemberSelection(selection(['/data'], ['/data']))), ['SELECTION_EMPTY'])
    assert.deepEqual(validateMemberSelection(selection(['/data', '/data/x/y'], ['/data/x'])), [])
  })

  const path = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`)

  it('is what its nearest named ancestor is, for any rules', () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 5 }), fc.array(path, { maxLength: 5 }), path, (includes, excludes, asked) => {
        const rules = compileSelection(selection(includes, excludes))
        const isAbove = (rule: string) => rule === '/' || asked === rule || asked.startsWith(`${rule}/`)
        const nearest = Math.max(-1, ...[...includes, ...excludes].filter(isAbove).map((rule) => (rule === '/' ? 0 : rule.length)))
        const length = (rule: string) => (rule === '/' ? 0 : rule.length)
        const expected =
          includes.some((rule) => isAbove(rule) && length(rule) === nearest) &&
          !excludes.some((rule) => isAbove(rule) && length(rule) === nearest)
        assert.equal(rules.isSelected(asked), expected)
        if (expected) assert.ok(rules.mayContainSelected(asked))
      }),
    )
  })

  it('never leads past a selected path: all folders above one may contain it', () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 5 }), fc.array(path, { maxLength: 5 }), path, (includes, excludes, asked) => {
        const rules = compileSelection(selection(includes, excludes))
        if (!rules.isSelected(asked)) return
        for (let at = asked; at !== '/'; at = at.slice(0, at.lastIndexOf('/')) || '/') assert.ok(rules.mayContainSelected(at))
      }),
    )
  })
})
