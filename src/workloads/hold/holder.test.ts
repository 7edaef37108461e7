/** The process that thaws, when somebody else wants it to end. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { anOperation } from '../../../test/support/pool.ts'
import { needsVolumes, Volumes } from '../../../test/support/volumes.ts'
import { systemClock } from '../../base/clock.ts'
import { hold, isFrozen } from './holder.ts'

/** Children of this process that hold something. */
function holders(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const isChild = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(process.pid)
      return isChild && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('holder-process') ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

test('§3.10: a service that is stopped ends not the process that thaws; and what it froze does not stay so when somebody kills it', {
  skip: needsVolumes('mkfs.ext4', 'fsfreeze'),
}, async (t) => {
  const op = anOperation('holder', { clock: systemClock() })
  const path = Buffer.from(new Volumes(t).make('ext4', 50).path)
  const held = await hold(op, { freeze: [path], watch: [], limitMs: 60_000 })
  const [pid = 0] = holders()
  process.kill(pid, 'SIGTERM')
  await op.clock.sleep(1000)
  assert.deepEqual(await held.release(), { why: 'done', thawed: 1 })

  const again = await hold(op, { freeze: [path], watch: [], limitMs: 60_000 })
  for (const other of holders()) process.kill(other, 'SIGKILL')
  await assert.rejects(again.release(), { code: 'FREEZE_FAILED' })
  assert.equal(await isFrozen(op, path), false)
})
