import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FOLDER, file, type Made, makePoint, makeTree, names, operation, restore } from './made-points.fixture.ts'
import { copyName, hostility } from './naming.ts'

const path = (text: string) => Buffer.from(text, 'latin1')

test('names that would leave the target, or stand twice, are refused; the rest goes on', async (t) => {
  const op = operation(t.name)
  const around = temporaryFolder(t)
  const target = join(around, 'target')
  const tree: [string, Made][] = [
    ['..', FOLDER],
    ['../escaped', file('x')],
    ['/absolute', file('x')],
    ['a', FOLDER],
    ['a/..', FOLDER],
    ['a/../../escaped', file('x')],
    ['a/.', file('x')],
    ['a//double', file('x')],
    ['a/good', file('good')],
    ['a/nul\0', file('x')],
    ['a/link', { kind: 'symlink', target: path('../..') }],
    ['a/link/escaped', file('x')],
    ['a/plain', file('good')],
    ['a/plain/below', file('x')],
    ['a/plain', file('second')],
    ['a/plain', FOLDER],
    ['orphan/below', file('x')],
    ['z', { kind: 'symlink', target: path(around) }],
    ['z', FOLDER],
    ['z/escaped', file('x')],
    ['zz', file('good')],
  ]
  const made = await makePoint(
    op,
    tree.map(([name, entry]) => [path(name), entry] as const),
    { asGiven: true },
  )
  for (const overwrite of ['never', 'if-changed', 'always', 'copy'] as const) {
    execFileSync('rm', ['-rf', target])
    const report = await restore(op, made, target, { overwrite })
    assert.deepEqual(names(target), ['a/good|f', 'a/link|l', 'a/plain|f', 'a|d', 'zz|f', 'z|l'])
    assert.deepEqual(
      names(around).filter((name) => !name.startsWith('target')),
      [],
    )
    assert.equal(readFileSync(join(target, 'a/plain'), 'utf8'), 'good')
    assert.equal(report.filesFailed, 15)
    assert.ok(report.failed.every(({ code }) => code === 'NAME_HOSTILE'))
    assert.equal(report.foundDamage, false)
  }
})

test('the rules of names, one by one', () => {
  for (const bad of ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/.', 'a/..', '../a', 'a/../b', 'a\0', '\0'])
    assert.notEqual(hostility(path(bad), undefined), undefined, JSON.stringify(bad))
  for (const good of ['a', '...', '.a', '..a', 'a..', 'a/...', 'a\\b', 'a\n', '\xff\xfe', ' '])
    assert.equal(hostility(path(good), undefined), undefined)
  assert.notEqual(hostility(path('a'), path('a')), undefined)
  assert.notEqual(hostility(path('a'), path('a/b')), undefined)
  assert.equal(hostility(path('a/b'), path('a')), undefined)
  assert.equal(hostility(path('a-b'), path('a/b')), undefined)
})

test('a copy gets a name of at most 255 bytes, whole characters only', () => {
  assert.equal(copyName(path('a'), 1).toString(), 'a.restored')
  assert.equal(copyName(path('a'), 12).toString(), 'a.restored-12')
  const name = copyName(Buffer.from(`a${'€'.repeat(84)}`), 1)
  assert.equal(name.toString(), `a${'€'.repeat(81)}.restored`)
  assert.equal(copyName(Buffer.alloc(255, 0xff), 1).length, 255)
})

test('extents that lie are damage of that file alone', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const source = await makePoint(op, { a: file('0123456789') })
  const [entry] = source.entries
  const [extent] = entry?.extents ?? []
  assert.ok(extent?.kind === 'data')
  const store = source.repository.store
  const made = await makeTree(op, source.repository, [
    [path('good'), { extents: [{ ...extent, offset: 2, length: 3 }], sizeBytes: 3 }],
    [path('long'), { extents: [{ ...extent, offset: 5, length: 6 }], sizeBytes: 6 }],
    [path('short'), { extents: [extent], sizeBytes: 11 }],
    [path('unknown'), { extents: [{ ...extent, chunk: Buffer.alloc(32, 7) }], sizeBytes: 10 }],
    [path('vast'), { extents: [{ kind: 'hole', length: 2 ** 53 - 1 }], sizeBytes: 2 ** 53 - 1 }],
  ])
  assert.equal(made.repository.store, store)
  const report = await restore(op, made, target)
  assert.deepEqual(
    report.failed.map((item) => `${item.path} ${item.code}`),
    ['/long TREE_DAMAGED', '/short TREE_DAMAGED', '/unknown CHUNK_MISSING', '/vast TARGET_REFUSED'],
  )
  assert.deepEqual(names(target), ['good|f'])
  assert.equal(readFileSync(join(target, 'good'), 'utf8'), '234')
  assert.equal(report.foundDamage, true)
})

test('a file that was hard linked into the target from elsewhere keeps its metadata and content there', async (t) => {
  const op = operation(t.name)
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'target'))
  writeFileSync(join(folder, 'precious'), 'same')
  linkSync(join(folder, 'precious'), join(folder, 'target/file'))
  utimesSync(join(folder, 'precious'), 1_600_000_000, 1_600_000_000)
  const { mode } = statSync(join(folder, 'precious'))
  const made = await makePoint(op, { file: file('SAME', { mode: 0o777, mtimeNs: 0 }) })
  await restore(op, made, join(folder, 'target'))
  assert.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'same')
  assert.equal(statSync(join(folder, 'precious')).mode, mode)
  assert.equal(readFileSync(join(folder, 'target/file'), 'utf8'), 'SAME')
})
