/** Snapshots of real volumes, while somebody writes to them. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pairFolders, readPairs } from '../../../../test/support/pair-writer.ts'
import { anOperation, aPool, aSession, KEY_FILE, noise, type TestOperation, writeFiles } from '../../../../test/support/pool.ts'
import { temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { needsVolumes, Volumes } from '../../../../test/support/volumes.ts'
import { systemClock } from '../../../base/clock.ts'
import { hasCode } from '../../../base/errors.ts'
import { Repository } from '../../../repository/index.ts'
import { MemoryStore } from '../../../storage/index.ts'
import type { BackupTask } from '../../../wire/index.ts'
import type { Workload } from '../../workload.ts'
import { filesWorkloadIn } from '../files.ts'

const realOperation = (seed: string) => anOperation(seed, { clock: systemClock() })

function taskFor(paths: readonly string[], rest: Partial<BackupTask> = {}): BackupTask {
  return {
    kind: 'backup',
    jobId: 'b'.repeat(32),
    workload: 'files',
    source: 'a'.repeat(32),
    paths: paths.map((path) => Buffer.from(path).toString('base64')),
    excludes: [],
    excludeCaches: false,
    oneFileSystem: true,
    forceRead: false,
    rereadPercent: 0,
    snapshot: 'required',
    ...rest,
  }
}

async function backUp(op: TestOperation, workload: Workload, store: MemoryStore, task: BackupTask) {
  const session = await aSession(op, store)
  const view = await workload.openView(op, task)
  try {
    const report = await workload.backUp(op, { task, view, session, workerStore: undefined, host: 'host', program: 'test' })
    return { report, view }
  } finally {
    await view.release(op)
  }
}

async function restored(t: TestContext, workload: Workload, store: MemoryStore, point: string): Promise<string> {
  const op = realOperation('restore')
  const target = temporaryFolder(t)
  const task = {
    kind: 'restore',
    jobId: 'c'.repeat(32),
    target: Buffer.from(target).toString('base64'),
    overwrite: 'never',
    dryRun: false,
  } as const
  const repository = await Repository.open(op, store, KEY_FILE)
  const report = await workload.restore(op, { task, repository, point, workerStore: undefined })
  assert.equal(report.filesFailed, 0)
  return target
}

async function aWriter(t: TestContext, folder: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, '../../../../test/support/pair-writer.ts')
  const writer = fork(program, [folder], { execArgv: ['--disable-warning=ExperimentalWarning'] })
  t.after(() => writer.kill('SIGKILL'))
  await once(writer, 'message')
  return writer
}

interface Kind {
  readonly name: string
  readonly skip: false | string
  /** A folder on a volume that has snapshots. */
  volume(volumes: Volumes): string
}

const KINDS: readonly Kind[] = [
  {
    name: 'a btrfs subvolume',
    skip: needsVolumes('mkfs.btrfs', 'btrfs'),
    volume(volumes) {
      const { path } = volumes.make('btrfs', 300)
      execFileSync('btrfs', ['-q', 'subvolume', 'create', join(path, 'data')])
      return join(path, 'data')
    },
  },
  {
    name: 'the top of a btrfs',
    skip: needsVolumes('mkfs.btrfs', 'btrfs'),
    volume: (volumes) => volumes.make('btrfs', 300).path,
  },
  {
    name: 'XFS in an image on XFS, cloned while it is frozen',
    skip: needsVolumes('mkfs.xfs'),
    volume: (volumes) => volumes.make('xfs', 330, volumes.make('xfs', 900).path).path,
  },
  {
    name: 'ext4 in an image on btrfs, cloned while it is frozen',
    skip: needsVolumes('mkfs.btrfs', 'btrfs', 'mkfs.ext4'),
    volume: (volumes) => volumes.make('ext4', 200, volumes.make('btrfs', 600).path).path,
  },
]

const leftovers = (state: string) => ({
  files: readdirSync(state),
  mounts: readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(state)),
})

for (const { name, skip, volume } of KINDS) {
  test(`${name}: what is written in pairs while it is backed up is restored in pairs`, { skip, timeout: 300_000 }, async (t) => {
    const volumes = new Volumes(t)
    const folder = join(volume(volumes), 'source')
    writeFiles(folder, Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`m/${n}`, noise(`${n}`, 60_000)])))
    const state = temporaryFolder(t)
    const workload = filesWorkloadIn(state)
    const store = new MemoryStore('pool')
    await aPool(realOperation('pool'), { store })
    const writer = await aWriter(t, folder)
    const op = realOperation('pairs')
    const { report, view } = await backUp(op, workload, store, taskFor([folder]))
    const after = readPairs(folder)
    writer.kill('SIGKILL')
    assert.equal(view.consistency, 'snapshot')
    assert.deepEqual(report.warnings, [])
    assert.deepEqual(op.warnings, [])
    const target = await restored(t, workload, store, report.point.id)
    const pairs = readPairs(join(target, folder))
    for (const { left, right } of pairs) assert.ok(left === right || left === right + 1, `${left} and ${right}`)
    const numbers = pairs.flatMap(({ left, right }) => [left, right])
    assert.ok(Math.max(...numbers) - Math.min(...numbers) <= 1, 'one moment for all of them')
    assert.ok((after[0]?.left ?? 0) > Math.max(...numbers) + 20, 'the writer went on meanwhile')
    assert.deepEqual(leftovers(state), { files: [], mounts: [] })
    assert.ok(existsSync(pairFolders(folder).left))
  })

  test(`${name}: another snapshot of what did not change makes the same tree, without reading it`, {
    skip,
    timeout: 300_000,
  }, async (t) => {
    const folder = volume(new Volumes(t))
    writeFiles(folder, Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`d${n % 20}/${n}`, `${n}`])))
    const workload = filesWorkloadIn(temporaryFolder(t))
    const store = new MemoryStore('pool')
    await aPool(realOperation('pool'), { store })
    await systemClock().sleep(100)
    const backUpNow = (seed: string, rest: Partial<BackupTask> = {}) =>
      backUp(realOperation(seed), workload, store, taskFor([folder], rest))
    // The first makes the folder that snapshots lie in, if they need one.
    await backUpNow('first')
    await systemClock().sleep(100)
    const { report: second } = await backUpNow('second')
    const { report: third } = await backUpNow('third')
    assert.equal(third.point.root, second.point.root)
    assert.deepEqual([third.filesNew, third.filesChanged, third.filesUnmodified, third.foldersChanged, third.dataAdded], [0, 0, 2000, 0, 0])
    writeFileSync(join(folder, 'd3/new'), 'new')
    rmSync(join(folder, 'd4/4'))
    const { report: fourth } = await backUpNow('fourth')
    assert.deepEqual([fourth.filesNew, fourth.filesChanged, fourth.filesUnmodified], [1, 0, 1999])
    const { report: live, view } = await backUpNow('live', { snapshot: 'never' })
    assert.equal(view.consistency, 'live')
    assert.deepEqual([live.filesNew, live.filesChanged], [0, 0])
  })

  test(`${name}: what an agent that was killed left is gone after its next start`, { skip, timeout: 300_000 }, async (t) => {
    const volumes = new Volumes(t)
    const folder = volume(volumes)
    writeFiles(folder, { one: '1' })
    const before = readdirSync(folder)
    const state = temporaryFolder(t)
    const view = await filesWorkloadIn(state).openView(realOperation('killed'), taskFor([folder]))
    assert.ok(view.readAt[0])
    assert.notDeepEqual(leftovers(state), { files: [], mounts: [] })
    const op = realOperation('next')
    await filesWorkloadIn(state).recover(op)
    assert.deepEqual(op.warnings, [])
    assert.deepEqual(leftovers(state), { files: [], mounts: [] })
    assert.equal(existsSync((view.readAt[0] as { at: Buffer }).at), false)
    const own = readdirSync(folder).filter((entry) => entry !== '.terp-snapshots')
    assert.deepEqual(
      own,
      before.filter((entry) => entry !== '.terp-snapshots'),
    )
    const images = execFileSync('losetup', ['-n', '-O', 'BACK-FILE'], { encoding: 'utf8' })
    assert.doesNotMatch(images, /\.terp-/)
  })
}

test('several paths of one volume are read from one snapshot; a volume without one makes the whole live, and says why', {
  skip: needsVolumes('mkfs.btrfs', 'btrfs'),
}, async (t) => {
  const volumes = new Volumes(t)
  const { path } = volumes.make('btrfs', 200)
  const plain = temporaryFolder(t)
  for (const name of ['a', 'b', 'nested']) execFileSync('btrfs', ['-q', 'subvolume', 'create', join(path, name)])
  writeFiles(path, { 'a/x/one': '1', 'a/y/two': '2', 'b/three': '3' })
  const workload = filesWorkloadIn(temporaryFolder(t))
  const op = realOperation('several')
  const open = (paths: string[], rest: Partial<BackupTask> = {}) => workload.openView(op, taskFor(paths, rest))
  const one = await open([join(path, 'a/x'), join(path, 'a/y'), join(path, 'b')])
  assert.deepEqual([one.consistency, one.note], ['snapshot', 'read from a read-only snapshot of the btrfs subvolume'])
  const folders = one.readAt.map((place) => place?.at.toString().replace(/\/[xy]?$/, ''))
  assert.deepEqual([folders[0] === folders[1], folders[0] === folders[2]], [true, false])
  await one.release(op)
  const mixed = await open([join(path, 'a'), plain], { snapshot: 'if-possible' })
  assert.equal(mixed.consistency, 'live')
  assert.match(mixed.note, /is no logical volume/)
  assert.deepEqual(
    mixed.readAt.map((place) => place !== undefined),
    [true, false],
  )
  await mixed.release(op)
  await assert.rejects(open([join(path, 'a'), plain]), (error) => hasCode(error, 'SNAPSHOT_FAILED'))
  const across = await open([path], { snapshot: 'if-possible', oneFileSystem: false })
  assert.match(across.note, /other subvolumes lie below it/)
  await across.release(op)
  assert.deepEqual(op.warnings, [])
})

test('a path through a link, a file, and a path that is not there', { skip: needsVolumes('mkfs.btrfs', 'btrfs') }, async (t) => {
  const { path } = new Volumes(t).make('btrfs', 200)
  writeFiles(path, { 'real/one': '1', 'real/deep/two': '2' })
  execFileSync('ln', ['-s', 'real', join(path, 'link')])
  const workload = filesWorkloadIn(temporaryFolder(t))
  const store = new MemoryStore('pool')
  await aPool(realOperation('pool'), { store })
  const op = realOperation('links')
  const task = taskFor([join(path, 'link/deep'), join(path, 'real/one'), join(path, 'none')])
  const { report } = await backUp(op, workload, store, task)
  assert.deepEqual(
    report.warnings.map(({ code }) => code),
    ['SOURCE_NOT_FOUND'],
  )
  const target = await restored(t, workload, store, report.point.id)
  assert.equal(readFileSync(join(target, path, 'link/deep/two'), 'utf8'), '2')
  assert.equal(readFileSync(join(target, path, 'real/one'), 'utf8'), '1')
})

test('while an image is cloned, writers wait and no longer than that', { skip: needsVolumes('mkfs.xfs'), timeout: 120_000 }, async (t) => {
  const volumes = new Volumes(t)
  const folder = volumes.make('xfs', 330, volumes.make('xfs', 900).path).path
  mkdirSync(join(folder, 'd'))
  const workload = filesWorkloadIn(temporaryFolder(t))
  const op = realOperation('frozen')
  const view = await workload.openView(op, taskFor([folder]))
  const touch = spawn('touch', [join(folder, 'd/after')])
  const [status] = (await once(touch, 'exit')) as [number]
  assert.equal(status, 0)
  await view.release(op)
})
