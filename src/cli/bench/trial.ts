/** One whole backup, one more with nothing changed, and one whole restore, in folders of their own. */
import { join } from 'node:path'
import { restorePoint } from '../../archive/index.ts'
import { invariant } from '../../base/errors.ts'
import { runBackup } from '../backup.ts'
import { makePool } from '../make-pool.ts'
import type { Run } from '../run.ts'
import type { Efforts } from './efforts.ts'
import type { Trial } from './measures.ts'
import { makeTree } from './synthetic.ts'

const LEAST_BYTES = 24 << 20
/** What the disk writes in this time, so that a slow one does not take minutes. */
const SECONDS = 2

/** `publish`: what the disk can. `folder` exists; its owner removes it. */
export async function runTrial(run: Run, folder: string, publish: number, { trialBytes }: Efforts): Promise<Trial> {
  const { op, disk } = run
  const bytes = Math.min(trialBytes, Math.max(LEAST_BYTES, Math.floor(publish * SECONDS)))
  const source = join(folder, 'source')
  await makeTree(disk, op.random, source, bytes)
  const pool = await makePool(run, { folder: join(folder, 'pool'), secret: { keyFile: join(folder, 'key') }, recovery: 'none' })
  const paths = [Buffer.from(source)]
  const backup = await runBackup(run, pool, { paths })
  const again = await runBackup(run, pool, { paths })
  const restored = await restorePoint(op, {
    repository: pool.repository,
    point: backup.point,
    target: Buffer.from(join(folder, 'target')),
    overwrite: 'never',
    workerStore: pool.descriptor,
  })
  invariant(restored.filesFailed === 0 && restored.bytesRestored === backup.bytesProcessed, 'the trial restores what it backed up')
  return {
    files: backup.filesProcessed,
    bytes: backup.bytesProcessed,
    storedBytes: backup.dataAddedPacked,
    backupMs: backup.durationMs,
    unchangedMs: again.durationMs,
    restoreMs: restored.durationMs,
  }
}
