import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  anOperation,
  aPool,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  namesIn,
  noise,
  someFiles,
} from '../../../test/support/pool.ts'
import { all } from '../../../test/support/trees.ts'
import { Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { openPoint } from '../browse.ts'
import { comparePoints } from '../compare-points.ts'

async function aPoolInMemory(seed: string) {
  const op = anOperation(seed)
  const store = new MemoryStore()
  await aPool(op, { store })
  const open = () => Repository.open(op, store, KEY_FILE)
  return { op, store, open }
}

/** What this process has read from files, by the kernel's count. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
}

/** A page or two of the tree. */
const PAGES_BYTES = 20_000

test('every file is in the recovery point, byte for byte, and the pool is sound', async (t) => {
  const { op, store, open } = await aPoolInMemory('whole')
  const files = { ...someFiles('whole'), 'large.bin': noise('large', 700_000), 'zeros.bin': Buffer.alloc(600_000) }
  const folder = aSourceTree(t, files)
  const report = await backUpPaths(op, store, [folder])
  assert.deepEqual(report.warnings, [])
  assert.equal(report.filesNew, Object.keys(files).length)
  assert.equal(
    report.bytesProcessed,
    Object.values(files).reduce((sum, content) => sum + content.length, 0),
  )
  const stored = await filesOf(op, await open(), report.point, folder)
  assert.deepEqual([...stored.keys()].sort(), Object.keys(files).sort())
  for (const [name, content] of Object.entries(files)) assertSameBytes(stored.get(name), content, name)
  assert.deepEqual(await damageIn(op, store), [])
})

test('a second backup of what did not change reads no file and adds no content', async (t) => {
  const { op, store } = await aPoolInMemory('unchanged')
  const folder = aSourceTree(t, { 'big.bin': noise('big', 3_000_000), ...someFiles('unchanged') })
  const first = await backUpPaths(op, store, [folder])
  const before = bytesRead()
  const second = await backUpPaths(op, store, [folder])
  assert.ok(bytesRead() - before < 500_000)
  assert.equal(second.filesUnmodified, first.filesNew)
  assert.equal(second.filesNew + second.filesChanged, 0)
  assert.equal(second.filesProcessed, first.filesProcessed)
  assert.equal(second.dataAdded, 0)
  assert.equal(second.point.previous_point, first.point.id)
  assert.deepEqual(await damageIn(op, store), [])
})

test('what happens beside the chosen folder, in folders on the way to it, makes no page new; their mode does', async (t) => {
  const { op, store, open } = await aPoolInMemory('beside')
  const folder = aSourceTree(t, { 'chosen/file': 'protected' })
  await backUpPaths(op, store, [join(folder, 'chosen')])
  writeFileSync(join(folder, 'beside'), 'not protected')
  utimesSync(folder, 1, 1)
  const second = await backUpPaths(op, store, [join(folder, 'chosen')])
  assert.equal(second.dataAdded, 0)
  chmodSync(folder, 0o711)
  const third = await backUpPaths(op, store, [join(folder, 'chosen')])
  assert.ok(third.dataAdded > 0)
  const { tree } = await openPoint(op, await open(), third.point)
  assert.equal((await tree.find(op, Buffer.from(folder.slice(1))))?.mode, 0o711)
})

test('a changed file is read, a new one too, a removed one is gone, and the old point keeps what it had', async (t) => {
  const { op, store, open } = await aPoolInMemory('changes')
  const folder = aSourceTree(t)
  const first = await backUpPaths(op, store, [folder])
  const changed = noise('changed', 45_000)
  writeFileSync(join(folder, 'folder/two.bin'), changed)
  writeFileSync(join(folder, 'new.txt'), 'new')
  rmSync(join(folder, 'zz.bin'))
  const second = await backUpPaths(op, store, [folder])
  assert.deepEqual([second.filesChanged, second.filesNew, second.filesUnmodified], [1, 1, 4])
  assert.ok(second.dataAdded < 45_000 + PAGES_BYTES)
  const repository = await open()
  const now = await filesOf(op, repository, second.point, folder)
  assertSameBytes(now.get('folder/two.bin'), changed, 'two.bin')
  assert.ok(now.has('new.txt') && !now.has('zz.bin'))
  const then = await filesOf(op, repository, first.point, folder)
  assertSameBytes(then.get('zz.bin'), noise('source zz', 70_000), 'zz.bin')
  const differences = await all(
    comparePoints(op, await openPoint(op, repository, first.point), await openPoint(op, repository, second.point)),
  )
  const inFolder = differences
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .map(({ path, change }) => `${change} ${path.slice(folder.length)}`)
  assert.deepEqual(inFolder, ['content /folder/two.bin', 'added /new.txt', 'removed /zz.bin'])
  assert.deepEqual(await damageIn(op, store), [])
})

test('a file whose times were set back is read all the same: its change time tells', async (t) => {
  const { op, store, open } = await aPoolInMemory('set back')
  const folder = aSourceTree(t, { file: 'before' })
  utimesSync(join(folder, 'file'), 1000, 1000)
  await backUpPaths(op, store, [folder])
  writeFileSync(join(folder, 'file'), 'after!')
  utimesSync(join(folder, 'file'), 1000, 1000)
  const { point, filesUnmodified } = await backUpPaths(op, store, [folder])
  assert.equal(filesUnmodified, 0)
  assert.equal((await filesOf(op, await open(), point, folder)).get('file')?.toString(), 'after!')
})

test('reading everything again adds nothing when nothing changed', async (t) => {
  const { op, store } = await aPoolInMemory('force')
  const folder = aSourceTree(t, { ...someFiles('force'), 'large.bin': noise('force', 1_500_000) })
  const first = await backUpPaths(op, store, [folder])
  const before = bytesRead()
  const forced = await backUpPaths(op, store, [folder], { forceRead: true })
  assert.ok(bytesRead() - before >= 1_500_000)
  assert.equal(forced.filesUnmodified, first.filesNew)
  assert.ok(forced.dataAdded < PAGES_BYTES)
})

test('content that moved to another file is not stored again', async (t) => {
  const { op, store } = await aPoolInMemory('moved')
  const folder = aSourceTree(t, { 'a.bin': noise('moved', 2_000_000) })
  await backUpPaths(op, store, [folder])
  writeFileSync(join(folder, 'b.bin'), Buffer.concat([noise('moved', 2_000_000), Buffer.from('and more')]))
  const { dataAdded } = await backUpPaths(op, store, [folder])
  assert.ok(dataAdded < 2 * 16_384 + PAGES_BYTES, `${dataAdded} bytes`)
})

test('20 000 small files are all there', async (t) => {
  const { op, store, open } = await aPoolInMemory('many')
  const files = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`d${n % 100}/f${n}`, `content ${n}`]))
  const folder = aSourceTree(t, files)
  const { point, filesNew } = await backUpPaths(op, store, [folder])
  assert.equal(filesNew, 20_000)
  const { tree } = await openPoint(op, await open(), point)
  let count = 0
  for await (const { kind, sizeBytes, path } of tree.entries(op)) {
    if (kind !== 'file') continue
    count++
    const name = path.toString().slice(folder.length)
    assert.equal(sizeBytes, files[name]?.length, name)
  }
  assert.equal(count, 20_000)
  assert.equal((await backUpPaths(op, store, [folder])).filesUnmodified, 20_000)
  assert.deepEqual(await damageIn(op, store), [])
})

test('sources are apart: each has its own numbers and its own previous point', async (t) => {
  const { op, store } = await aPoolInMemory('sources')
  const folder = aSourceTree(t)
  const a = await backUpPaths(op, store, [folder], { source: 'a' })
  const b = await backUpPaths(op, store, [folder], { source: 'b' })
  const again = await backUpPaths(op, store, [folder], { source: 'a' })
  assert.deepEqual([a.point.sequence, b.point.sequence, again.point.sequence], [1, 1, 2])
  assert.deepEqual([b.point.previous_point, again.point.previous_point], [null, a.point.id])
  assert.ok(b.dataAdded < PAGES_BYTES)
  assert.equal((await namesIn(op, store, 'points/')).length, 3)
})

test('nothing at all at the given paths is an error, and makes no recovery point', async () => {
  const { op, store } = await aPoolInMemory('nothing')
  await assert.rejects(backUpPaths(op, store, ['/nowhere/at/all']), { code: 'SOURCE_NOT_FOUND' })
  assert.deepEqual(await namesIn(op, store, 'points/'), [])
})

test('a path that is missing beside one that is there is a warning', async (t) => {
  const { op, store } = await aPoolInMemory('missing one')
  const { warnings, point } = await backUpPaths(op, store, [aSourceTree(t), '/nowhere'])
  assert.deepEqual(
    warnings.map(({ code, item }) => `${code} ${item}`),
    ['SOURCE_NOT_FOUND /nowhere'],
  )
  assert.equal(point.warnings, 1)
})
