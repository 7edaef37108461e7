import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FOLDER, file, listing, type Made, makePoint, names, noise, operation, restore } from './made-points.fixture.ts'

test('content, modes and times in nanoseconds come back below the target', async (t) => {
  const op = operation(t.name)
  const target = join(temporaryFolder(t), 'made', 'on', 'the', 'way')
  const big = noise(5_000_000, 'big')
  const made = await makePoint(op, {
    home: { kind: 'folder', ancestor: true, mode: 0o755, mtimeNs: 1 },
    'home/a': { kind: 'folder', mode: 0o2750, mtimeSec: -5, mtimeNs: 999_999_999 },
    'home/a/empty': file('', { mode: 0 }),
    'home/a/small': file('some text\n', { mode: 0o4755, mtimeSec: 4_500_000_000, mtimeNs: 1 }),
    'home/a/big': file(big, { mode: 0o640 }),
    'home/link': { kind: 'symlink', target: Buffer.from('/nowhere'), mode: 0o777 },
    'home/pipe': { kind: 'fifo', mode: 0o622 },
    'home/none': { kind: 'socket' },
  })
  const report = await restore(op, made, target)
  assert.deepEqual(report.failed, [])
  assert.deepEqual(
    report.skipped.map(({ path, code }) => [path, code]),
    [['/home/none', 'KIND_SKIPPED']],
  )
  assert.deepEqual([report.filesRestored, report.bytesRestored, report.othersRestored], [3, 5_000_010, 4])
  assert.deepEqual(
    listing(target),
    [
      'home/a/big|f|640|5000000|1600000000.1234567890|',
      'home/a/empty|f|0|0|1600000000.1234567890|',
      'home/a/small|f|4755|10|4500000000.0000000010|',
      'home/a|d|2750|*|-5.9999999990|',
      'home/link|l|777|8|1600000000.1234567890|/nowhere',
      'home/pipe|p|622|0|1600000000.1234567890|',
      'home|d|755|*|1600000000.0000000010|',
    ].sort(),
  )
  assert.deepEqual(readFileSync(join(target, 'home/a/big')), big)
  assert.equal(readFileSync(join(target, 'home/a/small'), 'utf8'), 'some text\n')
})

test('only what was selected comes back, with the folders on the way', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const made = await makePoint(op, {
    a: FOLDER,
    'a/b': { kind: 'folder', mode: 0o711 },
    'a/b/c': file('c'),
    'a/b/d': file('d'),
    'a/b-side': file('no'),
    'a/e': FOLDER,
    'a/e/f': file('f'),
    z: file('z'),
  })
  const report = await restore(op, made, target, { select: ['/a/b/c', 'a/e/', 'a/e/f', '/z'].map((path) => Buffer.from(path)) })
  assert.deepEqual(names(target), ['a/b/c|f', 'a/b|d', 'a/e/f|f', 'a/e|d', 'a|d', 'z|f'].sort())
  assert.equal(statSync(join(target, 'a/b')).mode & 0o7777, 0o711)
  assert.equal(report.filesRestored, 3)
})

test('a selected path that is not there is refused before anything is written', async (t) => {
  const op = operation(t.name)
  const target = join(temporaryFolder(t), 'target')
  const made = await makePoint(op, { a: FOLDER, 'a/b': file('b') })
  await assert.rejects(restore(op, made, target, { select: [Buffer.from('a/b'), Buffer.from('a/x')] }), { code: 'PATH_NOT_IN_POINT' })
  assert.ok(!existsSync(target))
})

test('a folder that is only on the way is not made for nothing, and one that exists keeps its mode', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  mkdirSync(join(target, 'there'), { mode: 0o770 })
  chmodSync(join(target, 'there'), 0o770)
  const made = await makePoint(op, {
    lonely: { kind: 'folder', ancestor: true },
    there: { kind: 'folder', ancestor: true, mode: 0o700 },
    'there/file': file('x'),
  })
  await restore(op, made, target)
  assert.deepEqual(names(target), ['there/file|f', 'there|d'])
  assert.equal(statSync(join(target, 'there')).mode & 0o7777, 0o770)
})

test('a target that is a file is refused; one below a file too', async (t) => {
  const op = operation(t.name)
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const made = await makePoint(op, { a: file('a') })
  await assert.rejects(restore(op, made, join(folder, 'file')), { code: 'TARGET_NOT_A_FOLDER' })
  await assert.rejects(restore(op, made, join(folder, 'file/below')), { code: 'TARGET_NOT_A_FOLDER' })
})

test('a dry run says what a restore would do, and changes nothing', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const missing = join(target, 'missing')
  const tree: Record<string, Made> = {
    a: FOLDER,
    'a/changed': file('changed', { mtimeNs: 5 }),
    'a/same': file('same'),
    'a/new': FOLDER,
    'a/new/file': file('n', { links: 2, ino: 7 }),
    'a/new/other': file('n', { links: 2, ino: 7 }),
    'a/link': { kind: 'symlink', target: Buffer.from('x') },
    'a/socket': { kind: 'socket' },
    'a/sub': FOLDER,
    'a/sub/x': file('x'),
  }
  const made = await makePoint(op, tree)
  const empty = await restore(op, made, missing, { dryRun: true })
  assert.ok(!existsSync(missing))
  assert.equal(empty.filesRestored, 4)
  await restore(op, await makePoint(op, { a: FOLDER, 'a/same': file('same'), 'a/changed': file('was') }), target)
  writeFileSync(join(target, 'a/sub'), 'a file in the way')
  for (const overwrite of ['never', 'if-changed', 'always', 'copy'] as const) {
    const before = listing(target)
    const dry = await restore(op, made, target, { dryRun: true, overwrite })
    assert.deepEqual(listing(target), before)
    const other = temporaryFolder(t)
    await restore(op, await makePoint(op, { a: FOLDER, 'a/same': file('same'), 'a/changed': file('was') }), other)
    writeFileSync(join(other, 'a/sub'), 'a file in the way')
    const { durationMs: _, bytesWritten, ...wet } = await restore(op, made, other, { overwrite })
    const { durationMs: __, bytesWritten: none, ...said } = dry
    assert.deepEqual([bytesWritten, none], [wet.bytesRestored, 0])
    assert.deepEqual(said, wet, overwrite)
  }
})

test('progress ends with everything, and an operation that is cancelled leaves only whole files', async (t) => {
  const op = operation(t.name)
  const tree: Record<string, Made> = { a: FOLDER }
  for (let i = 0; i < 40; i++) tree[`a/${i}`] = file(noise(2_000_000, String(i)))
  const made = await makePoint(op, tree)
  const abort = new AbortController()
  const target = temporaryFolder(t)
  let calls = 0
  const cancelled = operation(t.name, {
    signal: abort.signal,
    onProgress: () => {
      if (++calls === 2) abort.abort()
    },
  })
  await assert.rejects(restore(cancelled, made, target), { code: 'CANCELLED' })
  const there = listing(target).filter((line) => line.includes('|f|'))
  assert.ok(there.length > 0 && there.length < 40)
  assert.deepEqual(
    there.filter((line) => !line.includes('|f|755|2000000|')),
    [],
  )
  assert.ok(!names(target).some((name) => name.includes('.terp-restore')))
  const seen: number[] = []
  const again = await restore(operation(t.name, { onProgress: ({ filesDone }) => seen.push(filesDone) }), made, target)
  assert.equal(seen.at(-1), 40)
  assert.equal(again.filesSkipped, there.length)
  assert.equal(again.filesRestored, 40 - there.length)
  for (let i = 0; i < 40; i++) assert.deepEqual(readFileSync(join(target, `a/${i}`)), noise(2_000_000, String(i)))
})

test('more than fits into one window or one batch comes back whole', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const huge = noise(70_000_000, 'huge')
  const made = await makePoint(op, { a: file('first'), huge: file(huge), z: file('last') })
  await restore(op, made, target)
  assert.ok(readFileSync(join(target, 'huge')).equals(huge))
})
