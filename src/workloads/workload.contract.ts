/** What every workload keeps to. A suite for one: give it something to protect, and a way to compare. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anOperation, aPool, aSession, KEY_FILE } from '../../test/support/pool.ts'
import { isKind } from '../base/errors.ts'
import { Repository } from '../repository/index.ts'
import { MemoryStore } from '../storage/index.ts'
import type { BackupTask } from '../wire/index.ts'
import type { Workload } from './workload.ts'

export interface WorkloadSetup {
  /** A source of the workload with something in it, as a task names it. */
  source(t: TestContext): { readonly paths: readonly Buffer[]; change(): void }
  /** A folder to restore to. */
  target(t: TestContext): Buffer
  /** Whether what was restored is what the source is now. */
  isSame(source: readonly Buffer[], target: Buffer): boolean
  /** A folder with three things in it. */
  folderOfThree(t: TestContext): Buffer
}

const SOURCE = 'a'.repeat(32)

function aTask(workload: Workload, paths: readonly Buffer[], snapshot: BackupTask['snapshot'] = 'if-possible'): BackupTask {
  return {
    kind: 'backup',
    jobId: 'b'.repeat(32),
    workload: workload.kind,
    source: SOURCE,
    paths: paths.map((path) => path.toString('base64')),
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    rereadPercent: 0,
    snapshot,
  }
}

async function backUp(workload: Workload, store: MemoryStore, paths: readonly Buffer[], seed: string) {
  const op = anOperation(seed)
  const session = await aSession(op, store)
  const task = aTask(workload, paths)
  const view = await workload.openView(op, task)
  try {
    return await workload.backUp(op, { task, view, session, workerStore: undefined, host: 'host', program: 'test' })
  } finally {
    await view.release(op)
  }
}

export function workloadContract(name: string, workload: Workload, setup: WorkloadSetup): void {
  const about = (what: string) => `${name}: ${what}`

  test(about('what was backed up is restored; once more transfers nothing; a change is in the next point'), async (t) => {
    const store = new MemoryStore('pool')
    await aPool(anOperation('pool'), { store })
    const source = setup.source(t)
    await backUp(workload, store, source.paths, 'first')
    const second = await backUp(workload, store, source.paths, 'second')
    assert.equal(second.dataAdded, 0)
    source.change()
    const third = await backUp(workload, store, source.paths, 'third')
    assert.ok(third.dataAdded > 0)
    const op = anOperation('restore')
    const repository = await Repository.open(op, store, KEY_FILE)
    const target = setup.target(t)
    const task = { kind: 'restore', jobId: 'c'.repeat(32), target: target.toString('base64'), overwrite: 'never', dryRun: false } as const
    const report = await workload.restore(op, { task, repository, point: third.point.id, workerStore: undefined })
    assert.equal(report.filesFailed, 0)
    assert.ok(setup.isSame(source.paths, target))
  })

  test(about('a view says of each path of the task where it is read, says how consistent it is, and may be released twice'), async (t) => {
    const op = anOperation('view')
    const { paths } = setup.source(t)
    const view = await workload.openView(op, aTask(workload, paths))
    assert.equal(view.readAt.length, paths.length)
    await view.check(op)
    assert.ok(view.consistency === 'snapshot' || view.consistency === 'live')
    assert.ok(view.note.length > 0 && view.note.length <= 2000)
    await view.release(op)
    await view.release(op)
    assert.deepEqual(op.warnings, [])
  })

  test(about('where a snapshot is required, there is one or a refusal'), async (t) => {
    const op = anOperation('required')
    const { paths } = setup.source(t)
    const view = await workload.openView(op, aTask(workload, paths, 'required')).catch((error: unknown) => error)
    if (isKind(view, 'unavailable')) assert.equal(view.code, 'SNAPSHOT_FAILED')
    else assert.equal((view as { consistency: string }).consistency, 'snapshot')
    assert.equal((await workload.openView(op, aTask(workload, paths, 'never'))).consistency, 'live')
  })

  test(about('discovering names what it finds, of its own kind, and ends when it is cancelled'), async () => {
    const op = anOperation('discover')
    for (const found of await workload.discover(op)) {
      assert.equal(found.workload, workload.kind)
      assert.ok(found.name.length > 0 && found.path.length > 0 && found.sizeBytes >= 0)
      JSON.stringify(found.detail)
    }
  })

  test(about('browsing gives each thing once, and says when there is more'), async (t) => {
    const op = anOperation('browse')
    const folder = setup.folderOfThree(t)
    const all = await workload.browse(op, folder, 3)
    assert.deepEqual([all.items.length, all.isComplete], [3, true])
    assert.equal(new Set(all.items.map(({ path }) => path.toString('latin1'))).size, 3)
    const some = await workload.browse(op, folder, 2)
    assert.deepEqual([some.items.length, some.isComplete], [2, false])
    await assert.rejects(workload.browse(op, Buffer.concat([folder, Buffer.from('/there/is/nothing')]), 3), (error) =>
      isKind(error, 'not-found'),
    )
    const over = new AbortController()
    over.abort()
    await assert.rejects(workload.browse(anOperation('over', { signal: over.signal }), folder, 3), (error) => isKind(error, 'cancelled'))
  })
}
