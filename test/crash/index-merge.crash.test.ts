/**
 * Power loss at every operation from a backup's manifest on, when it also merges the index (docs/format.md §8, §13): what is new stands beside what it replaces until that
 * is gone, and each state is as good as any other. Errors in place of crashes are in disk-errors.crash.test.ts.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MOST_SEGMENTS } from '../../src/repository/index/merge-plan.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../src/storage/index.ts'
import { assertNothing, damage, judge, missing, ROOT, Scenario, snapshot, watched } from '../support/crash-scenario.ts'
import { crashStates } from '../support/crash-states.ts'
import { anOperation, aSourceTree, noise } from '../support/pool.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const STATES = Number(process.env.TERP_CRASH_STATES ?? 2)

test('after a crash at any operation of a merge the pool is sound and holds what was acknowledged', { timeout: 600_000 }, async (t) => {
  const folder = aSourceTree(t, { 'a.bin': noise('a', 9000), 'b.txt': 'b' })
  const simulated = new SimulatedDisk()
  await createLocalDiskStore(anOperation('making folders'), simulated, ROOT)
  const scenario = new Scenario('merge')
  const change = async (n: number) => {
    writeFileSync(join(folder, 'b.txt'), noise(`change ${n}`, 6000))
    await scenario.backUp(new LocalDiskStore(disk, ROOT), folder)
  }
  const violations: string[] = []
  let isWatching = false
  let isMerging = false
  let moments = 0
  const disk = watched(simulated, async (description) => {
    // What comes before is any backup's: pool.crash.test.ts.
    isMerging ||= isWatching && description.startsWith('link') && description.includes('/points/')
    if (!isWatching || !isMerging) return
    moments++
    const promised = snapshot(scenario.promised)
    for (const state of crashStates(simulated, STATES, `${moments} ${description}`)) {
      violations.push(...(await judge(state, promised, folder)).map((text) => `before ${moments} ${description}, ${text}`))
    }
  })
  await scenario.make(new LocalDiskStore(disk, ROOT))
  for (let n = 0; n < MOST_SEGMENTS; n++) await change(n)
  assert.equal((await simulated.readFolder(`${ROOT}/index`)).length, MOST_SEGMENTS)
  isWatching = true
  await change(MOST_SEGMENTS)
  isWatching = false
  assert.equal((await simulated.readFolder(`${ROOT}/index`)).length, 5)
  assert.ok(moments >= 15, `${moments} moments`)
  assertNothing(violations)
  const store = new LocalDiskStore(simulated, ROOT)
  assertNothing([...(await damage(store)), ...(await missing(store, scenario.promised, folder))])
})

test('what a crash left of a merge is merged again by the next backup, and nothing twice', async (t) => {
  const folder = aSourceTree(t, { 'a.bin': noise('a', 9000), 'b.txt': 'b' })
  const disk = new SimulatedDisk()
  await createLocalDiskStore(anOperation('making folders'), disk, ROOT)
  const scenario = new Scenario('left over')
  await scenario.make(new LocalDiskStore(disk, ROOT))
  let isFailing = false
  // The merged segment is there, and none of those that it replaces is gone.
  const failing = watched(disk, async (description) => {
    if (isFailing && description.startsWith(`unlink ${ROOT}/index/`)) throw Object.assign(new Error('cut off'), { code: 'EIO' })
  })
  for (let n = 0; n <= MOST_SEGMENTS; n++) {
    isFailing = n === MOST_SEGMENTS
    writeFileSync(join(folder, 'b.txt'), noise(`change ${n}`, 6000))
    await scenario.backUp(new LocalDiskStore(failing, ROOT), folder)
  }
  assert.equal((await disk.readFolder(`${ROOT}/index`)).length, MOST_SEGMENTS + 2)
  await scenario.backUp(new LocalDiskStore(disk, ROOT), folder)
  assert.ok((await disk.readFolder(`${ROOT}/index`)).length <= 6)
  const store = new LocalDiskStore(disk, ROOT)
  assertNothing([...(await damage(store)), ...(await missing(store, scenario.promised, folder))])
})
