import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import type { Overwrite } from '../reports.ts'
import { FOLDER, file, type MadeTree, makePoint, names, operation, restore } from './made-points.fixture.ts'

const TREE = {
  a: { kind: 'folder', mode: 0o750 },
  'a/there': file('new', { mode: 0o600 }),
  'a/missing': file('missing'),
  'a/link': { kind: 'symlink', target: Buffer.from('new') },
} as const

async function overExisting(t: TestContext, overwrite: Overwrite, tree: MadeTree, prepare: (target: string) => void) {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  prepare(target)
  const report = await restore(op, await makePoint(op, tree), target, { overwrite })
  return {
    target,
    report,
    codes: report.skipped.map(({ path, code }) => `${path} ${code}`),
    read: (path: string) => readFileSync(join(target, path), 'utf8'),
  }
}

function old(target: string): void {
  mkdirSync(join(target, 'a'), { mode: 0o700 })
  writeFileSync(join(target, 'a/there'), 'old', { mode: 0o644 })
  writeFileSync(join(target, 'a/own'), 'own')
  symlinkSync('old', join(target, 'a/link'))
}

test('never: what is there stays, what is missing comes', async (t) => {
  const { target, report, codes, read } = await overExisting(t, 'never', TREE, old)
  assert.deepEqual([read('a/there'), read('a/missing'), read('a/own')], ['old', 'missing', 'own'])
  assert.equal(readlinkSync(join(target, 'a/link')), 'old')
  assert.deepEqual(codes, ['/a/link TARGET_EXISTS', '/a/there TARGET_EXISTS'])
  assert.deepEqual([report.filesRestored, report.filesSkipped], [1, 2])
  assert.equal(statSync(join(target, 'a')).mode & 0o777, 0o700)
})

test('if-changed: another size or time is replaced, the rest only brought in line; nothing else is deleted', async (t) => {
  const { target, report, read } = await overExisting(t, 'if-changed', TREE, old)
  assert.deepEqual([read('a/there'), read('a/missing'), read('a/own')], ['new', 'missing', 'own'])
  assert.equal(readlinkSync(join(target, 'a/link')), 'new')
  assert.equal(report.filesRestored, 2)
  assert.equal(statSync(join(target, 'a')).mode & 0o777, 0o750)
  const op = operation(t.name)
  // The same size and time, other bytes and another mode: not read again, but the mode comes back.
  writeFileSync(join(target, 'a/there'), 'NEW', { mode: 0o644 })
  utimesSync(join(target, 'a/there'), 1_600_000_000, 1_600_000_000)
  const made = await makePoint(op, { a: FOLDER, 'a/there': file('new', { mode: 0o640, mtimeNs: 0 }) })
  const again = await restore(op, made, target)
  assert.deepEqual([read('a/there'), again.filesRestored, again.filesSkipped, again.skipped], ['NEW', 0, 1, []])
  assert.equal(statSync(join(target, 'a/there')).mode & 0o777, 0o640)
  assert.equal((await restore(op, made, target, { overwrite: 'always' })).filesRestored, 1)
  assert.equal(read('a/there'), 'new')
})

test('copy: what is there stays and the restored one stands beside it', async (t) => {
  const long = 'ü'.repeat(127) // 254 bytes
  const tree = { ...TREE, [Buffer.from(`a/${long}`).toString('latin1')]: file('long'), 'a/own': FOLDER, 'a/own/x': file('x') }
  const { target, report, read } = await overExisting(t, 'copy', tree, (folder) => {
    old(folder)
    writeFileSync(join(folder, 'a', long), 'old')
    writeFileSync(join(folder, 'a/there.restored'), 'old copy')
  })
  assert.deepEqual([read('a/there'), read('a/there.restored'), read('a/there.restored-2')], ['old', 'old copy', 'new'])
  assert.equal(readlinkSync(join(target, 'a/link.restored')), 'new')
  assert.equal(read(`a/${'ü'.repeat(123)}.restored`), 'long')
  assert.deepEqual([read('a/own'), read('a/own.restored/x')], ['own', 'x'])
  assert.deepEqual(report.failed, [])
})

for (const overwrite of ['if-changed', 'always'] as const) {
  test(`${overwrite}: a file takes the place of an empty folder, never of a filled one; a folder that of a file`, async (t) => {
    const tree = { empty: file('1'), filled: file('2'), file: FOLDER, 'file/x': file('3'), pipe: { kind: 'fifo' } } as const
    const { target, report, read } = await overExisting(t, overwrite, tree, (folder) => {
      mkdirSync(join(folder, 'empty'))
      mkdirSync(join(folder, 'filled/with'), { recursive: true })
      mkdirSync(join(folder, 'pipe/with'), { recursive: true })
      writeFileSync(join(folder, 'file'), 'was a file')
    })
    assert.deepEqual([read('empty'), read('file/x')], ['1', '3'])
    assert.ok(lstatSync(join(target, 'filled/with')).isDirectory())
    assert.deepEqual(
      report.failed.map(({ path, code }) => `${path} ${code}`),
      ['/filled TARGET_EXISTS', '/pipe TARGET_EXISTS'],
    )
  })
}

test('a symbolic link that stands where a folder must be is never followed', async (t) => {
  const tree = { a: FOLDER, 'a/b': FOLDER, 'a/b/file': file('secret'), 'a/b/c': FOLDER, 'a/b/c/file': file('x') }
  for (const overwrite of ['never', 'if-changed', 'always', 'copy'] as const) {
    const outside = temporaryFolder(t)
    const { target, report, codes } = await overExisting(t, overwrite, tree, (folder) => {
      mkdirSync(join(folder, 'a'))
      symlinkSync(outside, join(folder, 'a/b'))
    })
    assert.deepEqual(names(outside), [], overwrite)
    const inside = names(target)
    if (overwrite === 'never') {
      assert.deepEqual([inside, codes, report.filesSkipped], [['a/b|l', 'a|d'], ['/a/b TARGET_EXISTS'], 4])
    } else if (overwrite === 'copy') {
      assert.deepEqual(
        inside,
        ['a/b.restored/c/file|f', 'a/b.restored/c|d', 'a/b.restored/file|f', 'a/b.restored|d', 'a/b|l', 'a|d'].sort(),
      )
    } else assert.deepEqual(inside, ['a/b/c/file|f', 'a/b/c|d', 'a/b/file|f', 'a/b|d', 'a|d'].sort())
  }
})

test('a symbolic link that stands where a file must be is replaced itself', async (t) => {
  const outside = join(temporaryFolder(t), 'precious')
  writeFileSync(outside, 'precious')
  const { target, read } = await overExisting(t, 'if-changed', { file: file('new', { mode: 0o600 }) }, (folder) =>
    symlinkSync(outside, join(folder, 'file')),
  )
  assert.equal(read('file'), 'new')
  assert.ok(lstatSync(join(target, 'file')).isFile())
  assert.equal(readFileSync(outside, 'utf8'), 'precious')
})
