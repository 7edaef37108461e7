/**
 * Runs in a user-mode Linux, whose kernel has the device mapper: makes a volume group, a classic and a thin volume with a file system each, and backs up what somebody
 * writes to them meanwhile. Writes what it saw to the file that is its last argument.
 */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPairs } from '../../../../test/support/pair-writer.ts'
import { anOperation, aPool, aSession, KEY_FILE, noise, writeFiles } from '../../../../test/support/pool.ts'
import { systemClock } from '../../../base/clock.ts'
import { toPlainError } from '../../../base/errors.ts'
import { Repository } from '../../../repository/index.ts'
import { MemoryStore } from '../../../storage/index.ts'
import type { BackupTask } from '../../../wire/index.ts'
import { filesWorkloadIn } from '../files.ts'

export interface GuestResult {
  readonly volume: string
  readonly consistency: string
  readonly note: string
  readonly warnings: readonly string[]
  readonly pairs: readonly { readonly left: number; readonly right: number }[]
  /** The writer's number when the backup had ended. */
  readonly after: number
  readonly dataAddedAgain: number
  readonly filesUnmodifiedAgain: number
  readonly volumesLeft: readonly string[]
  readonly filesLeft: readonly string[]
}

const [device, work, out] = process.argv.slice(2) as [string, string, string]
const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

async function tryVolume(volume: string, fileSystem: string): Promise<GuestResult> {
  const mount = join(work, volume)
  mkdirSync(mount)
  run(`mkfs.${fileSystem}`, '-q', `/dev/mapper/vg-${volume}`)
  run('mount', '-t', fileSystem, `/dev/mapper/vg-${volume}`, mount)
  const folder = join(mount, 'source')
  writeFiles(folder, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`m/${n}`, noise(`${n}`, 60_000)])))
  const state = join(work, `${volume}-state`)
  const workload = filesWorkloadIn(state)
  const store = new MemoryStore('pool')
  await aPool(anOperation('pool'), { store })
  const task: BackupTask = {
    kind: 'backup',
    jobId: 'b'.repeat(32),
    workload: 'files',
    source: 'a'.repeat(32),
    paths: [Buffer.from(folder).toString('base64')],
    excludes: [],
    excludeCaches: false,
    oneFileSystem: true,
    forceRead: false,
    rereadPercent: 0,
    snapshot: 'required',
  }
  const backUp = async (seed: string) => {
    const op = anOperation(seed, { clock: systemClock() })
    const session = await aSession(op, store)
    const view = await workload.openView(op, task)
    try {
      const report = await workload.backUp(op, { task, view, session, workerStore: undefined, host: 'host', program: 'test' })
      return { report, view, warnings: op.warnings }
    } finally {
      await view.release(op)
    }
  }
  const writer = fork(join(import.meta.dirname, '../../../../test/support/pair-writer.ts'), [folder], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  await once(writer, 'message')
  const { report, view, warnings } = await backUp('first')
  const after = readPairs(folder)[0]?.left ?? 0
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  const op = anOperation('restore')
  const target = join(work, `${volume}-target`)
  mkdirSync(target)
  const restore = {
    kind: 'restore',
    jobId: 'c'.repeat(32),
    target: Buffer.from(target).toString('base64'),
    overwrite: 'never',
    dryRun: false,
  } as const
  const repository = await Repository.open(op, store, KEY_FILE)
  await workload.restore(op, { task: restore, repository, point: report.point.id, workerStore: undefined })
  await systemClock().sleep(100)
  await backUp('second')
  const { report: again } = await backUp('third')
  const listed = run('lvs', '--noheadings', '-o', 'lv_name', 'vg')
    .split('\n')
    .map((line) => line.trim())
  const result = {
    volume,
    consistency: view.consistency,
    note: view.note,
    warnings: [...warnings, ...report.warnings].map(({ message }) => message),
    pairs: readPairs(join(target, folder)),
    after,
    dataAddedAgain: again.dataAdded,
    filesUnmodifiedAgain: again.filesUnmodified,
    volumesLeft: listed.filter((name) => name.startsWith('terp-')),
    filesLeft: readdirSync(state),
  }
  run('umount', mount)
  return result
}

try {
  run('pvcreate', '-q', '-y', device)
  run('vgcreate', '-q', 'vg', device)
  run('lvcreate', '-q', '-y', '-Wn', '-L', '120M', '-n', 'classic', 'vg')
  run('lvcreate', '-q', '-y', '-Wn', '-Zn', '-L', '200M', '-T', 'vg/pool', '-V', '150M', '-n', 'thin')
  const results = [await tryVolume('classic', 'ext4'), await tryVolume('thin', 'ext4')]
  writeFileSync(out, JSON.stringify({ results }))
} catch (error) {
  const stderr = (error as { stderr?: string }).stderr ?? ''
  writeFileSync(out, JSON.stringify({ error: `${toPlainError(error).message} ${stderr} ${(error as Error).stack}` }))
}
