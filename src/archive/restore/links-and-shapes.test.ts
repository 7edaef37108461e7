import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needsRoot, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemDisk } from '../../platform/index.ts'
import { createLocalDiskStore, FaultyStore, MemoryStore, storageError } from '../../storage/index.ts'
import { FOLDER, file, listing, type Made, makePoint, makeTree, names, noise, operation, restore } from './made-points.fixture.ts'

const LINKED = { links: 3, ino: 42 }

test('hard links are links again, whichever name is there already', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const made = await makePoint(op, {
    a: { kind: 'folder', mode: 0o500, mtimeNs: 1 },
    'a/one': file('content', LINKED),
    b: { kind: 'folder', mode: 0o500, mtimeNs: 2 },
    'b/two': file('content', LINKED),
    c: file('content', LINKED),
    'b/l': { kind: 'symlink', target: Buffer.from('x'), links: 2, ino: 43 },
    'c-l': { kind: 'symlink', target: Buffer.from('x'), links: 2, ino: 43 },
    other: file('another device', { ...LINKED, dev: 2 }),
  })
  const inodes = () => ['a/one', 'b/two', 'c'].map((path) => statSync(join(target, path)).ino)
  const first = await restore(op, made, target)
  assert.deepEqual([first.filesRestored, first.othersRestored, first.failed], [2, 6, []])
  assert.equal(new Set(inodes()).size, 1)
  assert.equal(statSync(join(target, 'c')).nlink, 3)
  assert.ok(listing(target).includes('b|d|500|*|1600000000.0000000020|'))
  assert.equal(statSync(join(target, 'other')).nlink, 1)
  const [before] = inodes()
  execFileSync('chmod', ['700', 'a', 'b'], { cwd: target })
  for (const gone of ['a/one', 'b/two', 'c', 'c-l']) {
    rmSync(join(target, gone))
    if (gone === 'c') writeFileSync(join(target, 'c'), 'something else')
    const again = await restore(op, made, target)
    assert.deepEqual(again.failed, [], gone)
    assert.equal(new Set(inodes()).size, 1, gone)
    execFileSync('chmod', ['700', 'a', 'b'], { cwd: target })
  }
  assert.notEqual(before, undefined)
  rmSync(join(target, 'b/two'))
  writeFileSync(join(target, 'b/two'), 'own')
  rmSync(join(target, 'c'))
  const never = await restore(op, made, target, { overwrite: 'never' })
  assert.deepEqual([readFileSync(join(target, 'b/two'), 'utf8'), readFileSync(join(target, 'c'), 'utf8')], ['own', 'content'])
  assert.deepEqual(never.failed, [])
  const copy = await restore(op, made, target, { overwrite: 'copy' })
  assert.deepEqual(copy.failed, [])
  assert.equal(statSync(join(target, 'a/one.restored')).ino, statSync(join(target, 'c.restored')).ino)
  execFileSync('chmod', ['-R', '700', target])
})

test('links that the target can not make get the content itself', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = folderWithTmpfs(t, 'mount', '8m')
  const made = await makePoint(op, {
    a: file('content', LINKED),
    mount: FOLDER,
    'mount/b': file('content', LINKED),
    'mount/c': file('content', LINKED),
    z: file('content', LINKED),
  })
  const report = await restore(op, made, target)
  assert.deepEqual(report.failed, [])
  for (const path of ['a', 'mount/b', 'mount/c', 'z']) assert.equal(readFileSync(join(target, path), 'utf8'), 'content')
  assert.equal(statSync(join(target, 'mount/b')).ino, statSync(join(target, 'mount/c')).ino)
})

/** Unmounted before the folder is removed: what is to be done after a test is done in the order in which it was said. */
function folderWithTmpfs(t: TestContext, name: string, size: string): string {
  let path = ''
  t.after(() => execFileSync('umount', [path]))
  const folder = temporaryFolder(t)
  path = join(folder, name)
  execFileSync('mkdir', ['-p', path])
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', path])
  return folder
}

test('a target that is full ends the job, and nothing half written has a name', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = join(folderWithTmpfs(t, 'small', '4m'), 'small')
  const tree: Record<string, Made> = { d: FOLDER }
  for (let i = 0; i < 8; i++) tree[`d/${i}`] = file(noise(1_500_000, String(i)))
  const made = await makePoint(op, tree)
  await assert.rejects(restore(op, made, target), { code: 'TARGET_FULL', kind: 'exhausted' })
  assert.deepEqual(names(target), ['d/0|f', 'd/1|f', 'd|d'])
  assert.ok(readFileSync(join(target, 'd/1')).equals(noise(1_500_000, '1')))
})

test('holes stay holes', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const base = await makePoint(op, { piece: file(noise(65_536, 'x')) })
  const extent = base.entries[0]?.extents[0]
  assert.ok(extent)
  const hole = (length: number) => ({ kind: 'hole', length }) as const
  const made = await makeTree(op, base.repository, [
    [Buffer.from('all'), { sparse: true, extents: [hole(3_000_000_000)], sizeBytes: 3_000_000_000 }],
    [Buffer.from('mixed'), { sparse: true, extents: [hole(1_048_576), extent, hole(1_048_576), extent, hole(5)], sizeBytes: 2_228_229 }],
  ])
  await restore(op, made, target)
  assert.deepEqual([statSync(join(target, 'all')).size, statSync(join(target, 'all')).blocks], [3_000_000_000, 0])
  const mixed = readFileSync(join(target, 'mixed'))
  const piece = noise(65_536, 'x')
  const gap = Buffer.alloc(1_048_576)
  assert.ok(mixed.equals(Buffer.concat([gap, piece, gap, piece, Buffer.alloc(5)])))
  assert.ok(statSync(join(target, 'mixed')).blocks * 512 < 300_000)
})

test('names in any bytes, and paths longer than the kernel takes at once, with more folders than there may be descriptors', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const tree: Record<string, Made> = { '\xff\xfe\n\\': file('bytes') }
  let path = ''
  for (let depth = 0; depth < 300; depth++) {
    path += `${depth === 0 ? '' : '/'}${String(depth).padStart(40, 'x')}`
    tree[path] = { kind: 'folder', mode: 0o710, mtimeNs: depth }
    tree[`${path}/file`] = depth % 50 === 0 ? file('linked', { links: 9, ino: 77 }) : file(`at ${depth}`)
  }
  const made = await makePoint(op, tree)
  const report = await restore(op, made, target)
  assert.deepEqual([report.failed, report.filesRestored, report.othersRestored], [[], 296, 305])
  const found = execFileSync('find', ['.', '-type', 'f', '-printf', '%d %s\\n'], { cwd: target, encoding: 'latin1' })
  assert.equal(found.trim().split('\n').length, 301)
  const folders = execFileSync('find', ['.', '-mindepth', '1', '-type', 'd', '-printf', '%m %T@\\n'], { cwd: target, encoding: 'latin1' })
  assert.deepEqual(
    folders.trim().split('\n'),
    Array.from({ length: 300 }, (_, n) => `710 1600000000.${String(n).padStart(9, '0')}0`),
  )
  assert.equal(readFileSync(Buffer.concat([Buffer.from(`${target}/`), Buffer.from('\xff\xfe\n\\', 'latin1')]), 'utf8'), 'bytes')
  assert.equal((await restore(op, made, target)).filesSkipped, 301)
})

test('a damaged chunk costs the files that need it, and nothing else', async (t) => {
  const op = operation(t.name)
  const store = new MemoryStore()
  const target = temporaryFolder(t)
  const good = noise(300_000, 'good')
  const made = await makePoint(
    op,
    { a: FOLDER, 'a/bad': file(noise(3_000_000, 'bad')), 'a/good': file(good), 'a/twice': file(noise(3_000_000, 'bad')) },
    { store },
  )
  const { index } = await made.repository.loadIndex(op)
  const damaged = made.entries.find(({ path }) => path.toString() === 'a/bad')?.extents[2]
  assert.ok(damaged?.kind === 'data')
  const place = index.find(damaged.chunk)
  assert.ok(place)
  store.tamper(`packs/${place.pack.slice(0, 2)}/${place.pack}.pack`, (bytes) => {
    bytes[place.record.offset + 5] = (bytes[place.record.offset + 5] as number) ^ 1
    return bytes
  })
  const report = await restore(op, made, target)
  assert.deepEqual(
    report.failed.map(({ path, code }) => `${path} ${code}`),
    ['/a/bad CHUNK_DAMAGED', '/a/twice CHUNK_DAMAGED'],
  )
  assert.equal(report.foundDamage, true)
  assert.deepEqual(names(target), ['a/good|f', 'a|d'])
  assert.ok(readFileSync(join(target, 'a/good')).equals(good))
})

test('a medium that fails ends the job; it is no damage', async (t) => {
  const op = operation(t.name)
  const made = await makePoint(op, { a: FOLDER, 'a/b': file('b') })
  const faulty = new FaultyStore(made.repository.store as MemoryStore, [
    { verb: 'get', kind: 'error', name: /^packs/, skip: 2, error: storageError('STORAGE_IO', 'scripted') },
  ])
  const repository = Object.assign(Object.create(Object.getPrototypeOf(made.repository)), made.repository, { store: faulty })
  await assert.rejects(restore(op, { ...made, repository }, temporaryFolder(t)), { code: 'STORAGE_IO', kind: 'unavailable' })
  faulty.assertAllHit()
})

test('workers restore what the main thread restores, and close every descriptor', async (t) => {
  const op = operation(t.name)
  const pool = join(temporaryFolder(t), 'pool')
  const store = await createLocalDiskStore(op, systemDisk(), pool)
  const tree: Record<string, Made> = {}
  for (let i = 0; i < 40; i++) {
    tree[`d${i}`] = { kind: 'folder', mode: 0o700 + i }
    for (let j = 0; j < 30; j++)
      tree[`d${i}/f${j}`] = file(noise((i * 7919 + j * 104_729) % 90_000, `${i}/${j}`), { mtimeNs: i * 1000 + j })
    tree[`d${i}/l`] = file('linked', { links: 40, ino: 5 })
  }
  tree.large = file(noise(20_000_000, 'large'))
  const made = await makePoint(op, tree, { store, packBytes: 4_194_304 })
  const [inline, workers] = [temporaryFolder(t), temporaryFolder(t)]
  const { durationMs: _, ...first } = await restore(op, made, inline)
  const open = readOpen()
  const { durationMs: __, ...second } = await restore(op, made, workers, { workerStore: { kind: 'local', path: pool }, lanes: 2 })
  assert.deepEqual(second, first)
  assert.equal(first.failed.length + first.skipped.length, 0)
  for (const folder of [inline, workers]) utimesSync(folder, 0, 0)
  assert.equal(execFileSync('rsync', ['-aHAXni', '--delete', `${inline}/`, `${workers}/`], { encoding: 'utf8' }), '')
  assert.equal(execFileSync('diff', ['-r', inline, workers], { encoding: 'utf8' }), '')
  assert.deepEqual(readOpen(), open)
  rmSync(join(pool, 'packs'), { recursive: true })
  const damaged = await makeFolderAndRestore()
  assert.ok(damaged.foundDamage)
  async function makeFolderAndRestore() {
    const { index } = await made.repository.loadIndex(op)
    assert.ok(index.size > 0)
    // The tree's own pages are cached nowhere: without packs even the tree can not be read.
    return restore(op, made, temporaryFolder(t), { workerStore: { kind: 'local', path: pool } }).catch((error: unknown) => {
      assert.equal((error as { code: string }).code, 'PACK_MISSING')
      return { foundDamage: true }
    })
  }
})

/** How many descriptors point to the file system. */
function readOpen(): number {
  const links = execFileSync('sh', ['-c', `ls -l /proc/${process.pid}/fd | grep -c ' /tmp/' || true`], { encoding: 'utf8' })
  assert.ok(existsSync('/proc/self/fd'))
  return Number(links)
}
