import assert from 'node:assert/strict'
import {
  type BigIntStats,
  chmodSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { cloneFd, close, systemDisk } from '../../platform/index.ts'
import { createLocalDiskStore, MemoryStore, type OpenObject } from '../../storage/index.ts'
import type { Extent } from '../entry.ts'
import { file, makePoint, makeTree, names, noise, operation, restore } from './made-points.fixture.ts'

const SIZE = 50_000_001
const HUGE = noise(SIZE, 'huge')

/** Counts what is read of packs. */
class CountingStore extends MemoryStore {
  bytes = 0

  constructor() {
    super()
    const open = this.immediate.open
    const counted = (name: string, object: OpenObject): OpenObject => ({
      ...object,
      read: (offset, length) => {
        if (name.startsWith('packs/')) this.bytes += length
        return object.read(offset, length)
      },
    })
    Object.assign(this.immediate, { open: (name: string) => counted(name, open(name)) })
  }
}

async function restored(t: TestContext, more: Parameters<typeof file>[1] = {}) {
  const op = operation(t.name)
  const store = new CountingStore()
  const target = temporaryFolder(t)
  const made = await makePoint(op, { huge: file(HUGE, more) }, { store })
  const path = join(target, 'huge')
  const first = await restore(op, made, target)
  assert.deepEqual([first.filesRestored, first.bytesRestored, first.bytesWritten], [1, SIZE, SIZE])
  assert.ok(readFileSync(path).equals(HUGE))
  return { op, store, target, made, path }
}

function overwriteAt(path: string, position: number, text: string): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, text, position)
  close(fd)
}

function inode(path: string): bigint {
  return (statSync(path, { bigint: true }) as BigIntStats).ino
}

function canClone(folder: string): boolean {
  writeFileSync(join(folder, 'from'), 'x')
  const [from, to] = [openSync(join(folder, 'from'), 'r'), openSync(join(folder, 'to'), 'w')]
  const can = cloneFd(from, to)
  close(from)
  close(to)
  return can
}

test('workers write one huge file together, with its holes', async (t) => {
  const op = operation(t.name)
  const pool = join(temporaryFolder(t), 'pool')
  const store = await createLocalDiskStore(op, systemDisk(), pool)
  const made = await makePoint(op, { a: file('first'), huge: file(HUGE), z: file('last') }, { store })
  const huge = made.entries.find(({ path }) => path.toString() === 'huge')
  assert.ok(huge)
  const extents: Extent[] = []
  for (const extent of huge.extents) extents.push(extent, { kind: 'hole', length: 1_000_000 })
  const sparse = await makeTree(op, made.repository, [
    [Buffer.from('huge'), file(HUGE)],
    [Buffer.from('sparse'), { sizeBytes: SIZE + 1_000_000 * huge.extents.length, extents }],
  ])
  const target = temporaryFolder(t)
  const report = await restore(op, sparse, target, { workerStore: { kind: 'local', path: pool }, lanes: 2 })
  assert.deepEqual([report.failed, report.filesRestored, report.bytesWritten], [[], 2, SIZE * 2])
  assert.ok(readFileSync(join(target, 'huge')).equals(HUGE))
  const found = readFileSync(join(target, 'sparse'))
  const expected = Buffer.alloc(found.length)
  let from = 0
  let at = 0
  for (const { kind, length } of extents) {
    if (kind === 'data') from += HUGE.copy(expected, at, from, from + length)
    at += length
  }
  assert.equal(at, found.length)
  assert.ok(found.equals(expected))
  assert.ok(statSync(join(target, 'sparse')).blocks * 512 < SIZE + 2_000_000)
})

test('always: what is equal throughout stays, only its metadata is brought in line; nothing is written', async (t) => {
  const { op, store, target, made, path } = await restored(t, { mode: 0o640 })
  const before = inode(path)
  chmodSync(path, 0o600)
  utimesSync(path, 1, 1)
  store.bytes = 0
  const report = await restore(op, made, target, { overwrite: 'always' })
  assert.deepEqual([report.filesRestored, report.filesSkipped, report.filesUnchanged, report.bytesWritten], [1, 0, 1, 0])
  assert.deepEqual([inode(path), statSync(path).mode & 0o777, statSync(path).mtimeMs > 1e12], [before, 0o640, true])
  assert.ok(store.bytes < 100_000, `${store.bytes} bytes of packs were read`)
})

test('a changed file is replaced whole: only chunks that differ are read, and its old inode keeps what it had', async (t) => {
  const { op, store, target, made, path } = await restored(t)
  const aside = join(temporaryFolder(t), 'aside')
  linkSync(path, aside)
  overwriteAt(path, 20_000_000, 'changed')
  const changed = readFileSync(path)
  store.bytes = 0
  const report = await restore(op, made, target)
  assert.deepEqual([report.filesRestored, report.filesUnchanged, report.failed], [1, 0, []])
  assert.ok(readFileSync(path).equals(HUGE))
  assert.ok(readFileSync(aside).equals(changed))
  assert.notEqual(inode(path), inode(aside))
  assert.ok(store.bytes < 4_000_000, `${store.bytes} bytes of packs were read`)
  assert.ok(report.bytesWritten <= (canClone(target) ? 1_048_576 : SIZE))
})

test('an old file that is shorter, longer or another altogether gives its place all the same', async (t) => {
  const { op, target, made, path } = await restored(t)
  for (const spoil of [
    () => truncateSync(path, 30_000_000),
    () => truncateSync(path, SIZE + 10_000_000),
    () => writeFileSync(path, noise(SIZE, 'other')),
    () => writeFileSync(path, ''),
  ]) {
    spoil()
    const report = await restore(op, made, target, { overwrite: 'always' })
    assert.deepEqual([report.failed, report.filesRestored], [[], 1])
    assert.ok(readFileSync(path).equals(HUGE))
    assert.deepEqual(names(target), ['huge|f'])
  }
})

test('equal content of an inode with names elsewhere is replaced, not brought in line', async (t) => {
  const { op, target, made, path } = await restored(t)
  const aside = join(temporaryFolder(t), 'aside')
  linkSync(path, aside)
  chmodSync(path, 0o600)
  const report = await restore(op, made, target, { overwrite: 'always' })
  assert.equal(report.filesRestored, 1)
  assert.notEqual(inode(path), inode(aside))
  assert.equal(statSync(aside).mode & 0o777, 0o600)
})

test('holes where the old file has content become holes again', async (t) => {
  const { op, target, made, path } = await restored(t)
  const huge = made.entries[0]
  assert.ok(huge)
  const extents: Extent[] = [...huge.extents.slice(0, 30), { kind: 'hole', length: 10_000_000 }, ...huge.extents.slice(31, 40)]
  const sizeBytes = extents.reduce((sum, { length }) => sum + length, 0)
  const point = await makeTree(op, made.repository, [[Buffer.from('huge'), { sizeBytes, extents }]])
  assert.deepEqual((await restore(op, point, target, { overwrite: 'always' })).failed, [])
  const start = 30 * 1_048_576
  const found = readFileSync(path)
  assert.equal(found.length, sizeBytes)
  assert.ok(found.subarray(0, start).equals(HUGE.subarray(0, start)))
  assert.ok(found.subarray(start, start + 10_000_000).equals(Buffer.alloc(10_000_000)))
  assert.ok(found.subarray(start + 10_000_000).equals(HUGE.subarray(31 * 1_048_576, 40 * 1_048_576)))
  const again = await restore(op, point, target, { overwrite: 'always' })
  assert.deepEqual([again.filesUnchanged, again.bytesWritten], [1, 0])
})

test('damage in a part, or parts that do not add up, leave nothing behind', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const made = await makePoint(op, { huge: file(HUGE) })
  const huge = made.entries[0]
  assert.ok(huge)
  const { extents } = huge
  const lost: Extent = { kind: 'data', chunk: Buffer.alloc(32, 9), offset: 0, length: 1_048_576 }
  const past = { ...(extents[3] as Extract<Extent, { kind: 'data' }>), offset: 1 }
  const point = await makeTree(op, made.repository, [
    [Buffer.from('lost'), { sizeBytes: SIZE, extents: [...extents.slice(0, 20), lost, ...extents.slice(21)] }],
    [Buffer.from('past'), { sizeBytes: SIZE, extents: [...extents.slice(0, 3), past, ...extents.slice(4)] }],
    [Buffer.from('less'), { sizeBytes: SIZE + 1, extents }],
    [Buffer.from('more'), { sizeBytes: SIZE - 1, extents }],
    [Buffer.from('tiny'), file('tiny')],
  ])
  const report = await restore(op, point, target)
  assert.deepEqual(
    report.failed.map(({ path, code }) => `${path} ${code}`),
    ['/less TREE_DAMAGED', '/lost CHUNK_MISSING', '/more TREE_DAMAGED', '/past TREE_DAMAGED'],
  )
  assert.deepEqual(names(target), ['tiny|f'])
})
