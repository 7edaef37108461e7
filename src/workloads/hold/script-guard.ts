/**
 * Around scripts that may hold something still: whatever they froze of this machine's volumes is thawed when the job is over, when their time is up, and when the agent is gone;
 * at the agent's next start at the latest, should the process that watches be ended with it.
 */
import { readFile } from 'node:fs/promises'
import type { Operation } from '../../base/operation.ts'
import { mountsIn } from '../files/mounts.ts'
import { Undo } from '../files/snapshots/undo.ts'
import { hold } from './holder.ts'

export interface ScriptGuard {
  /** Never throws: what was still frozen is a warning. */
  end(op: Operation): Promise<void>
}

/** `folder`: the one that the agent's workloads recover from. FREEZE_FAILED. */
export async function guardScripts(op: Operation, { folder, limitMs }: { folder: string; limitMs: number }): Promise<ScriptGuard> {
  const volumes = mountsIn(await readFile('/proc/self/mounts', 'latin1')).filter(({ isReadOnly }) => !isReadOnly)
  const undo = await Undo.begin(op, folder)
  const watch = volumes.map(({ path }) => path)
  await undo.note(...watch.map((path) => ({ kind: 'freeze' as const, path: path.toString('utf8') })))
  const held = await hold(op, { freeze: [], watch, limitMs }).catch(async (error: unknown) => {
    await undo.run(op)
    throw error
  })
  return {
    async end(after) {
      try {
        const { why, thawed } = await held.release()
        if (thawed > 0)
          after.warn({
            code: 'SOURCE_THAWED',
            message: `${countOf(thawed)} that a script had frozen ${why === 'limit' ? 'was thawed when its time was up: what was read from then on was written to meanwhile' : 'was still frozen when the job was over, and was thawed'}`,
          })
      } catch (error) {
        after.warn({ code: 'FREEZE_FAILED', message: error instanceof Error ? error.message : String(error) })
      }
      await undo.run(after)
    },
  }
}

function countOf(thawed: number): string {
  return thawed === 1 ? 'a file system' : `each of ${thawed} file systems`
}
