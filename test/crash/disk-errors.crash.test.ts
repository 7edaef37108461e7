/** Errors in place of crashes: every operation of a disk fails once. The job fails with an error of the right kind, or succeeds; the pool stays sound. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerpError } from '../../src/base/errors.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../src/storage/index.ts'
import { assertNothing, damage, judge, missing, ROOT, Scenario, snapshot, watched } from '../support/crash-scenario.ts'
import { crashStates } from '../support/crash-states.ts'
import { anOperation, aSourceTree, noise, writeFiles } from '../support/pool.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const FILES = { 'a.txt': 'a', 'b.bin': noise('b', 20_000), 'c/d.bin': noise('d', 15_000) }
/** Codes that an operator can act on; anything else would be a bug that shows as one. */
const EXPECTED: Record<string, readonly string[]> = {
  EIO: ['STORAGE_IO', 'STORAGE_POISONED'],
  ENOSPC: ['STORAGE_FULL', 'STORAGE_POISONED'],
  EACCES: ['STORAGE_FORBIDDEN', 'STORAGE_POISONED'],
}

/** The first backup of a pool, then a second one of which operation `n` fails. False when it has fewer. */
async function failAt(n: number, errno: string, folder: string): Promise<boolean> {
  const disk = new SimulatedDisk()
  const scenario = new Scenario(`${errno} ${n}`)
  const store = await createLocalDiskStore(anOperation(`folders ${errno} ${n}`), disk, ROOT)
  await scenario.make(store)
  await scenario.backUp(store, folder)
  writeFiles(folder, { 'c/d.bin': noise(`changed ${n}`, 15_000) })
  const before = disk.operations
  disk.failAt(before + n, errno)
  const failure = await scenario.backUp(new LocalDiskStore(disk, ROOT), folder).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (disk.operations < before + n) return false
  const what = `${errno} at operation ${n}`
  if (failure !== undefined) {
    assert.ok(failure instanceof TerpError, `${what}: ${String(failure)}`)
    assert.ok(EXPECTED[errno]?.includes(failure.code), `${what}: ${failure.code}`)
  }
  const survivor = new LocalDiskStore(disk, ROOT)
  assertNothing([...(await damage(survivor)), ...(await missing(survivor, scenario.promised, folder))].map((text) => `${what}: ${text}`))
  const promised = snapshot(scenario.promised)
  for (const state of crashStates(disk, 1, what)) assertNothing((await judge(state, promised, folder)).map((text) => `${what}, ${text}`))
  await scenario.backUp(survivor, folder)
  assertNothing(
    [...(await damage(survivor)), ...(await missing(survivor, scenario.promised, folder))].map((text) => `after ${what}: ${text}`),
  )
  return true
}

for (const errno of Object.keys(EXPECTED)) {
  test(`${errno} at any operation of a backup is told as such, harms nothing, and the next backup succeeds`, {
    timeout: 600_000,
  }, async (t) => {
    const folder = aSourceTree(t, FILES)
    // What a missing permission does differs from a full disk only in its name.
    const step = errno === 'EACCES' ? 4 : 1
    let n = 1
    while (await failAt(n, errno, folder)) n += step
    assert.ok(n > 30, `${n} operations`)
  })
}

test('a writer that was killed leaves nothing that a later loss of power could turn into damage', { timeout: 600_000 }, async (t) => {
  const folder = aSourceTree(t, FILES)
  const violations: string[] = []
  let isEnd = false
  for (let n = 1; !isEnd; n += 4) {
    writeFiles(folder, FILES)
    const disk = new SimulatedDisk()
    const scenario = new Scenario(`killed ${n}`)
    const store = await createLocalDiskStore(anOperation(`folders ${n}`), disk, ROOT)
    await scenario.make(store)
    await scenario.backUp(store, folder)
    writeFiles(folder, { 'c/d.bin': noise(`changed ${n}`, 15_000) })
    let operations = 0
    // The process dies, the machine lives: what it wrote is visible, and not all of it durable.
    const dying = watched(disk, async () => {
      if (++operations >= n) throw Object.assign(new Error('killed'), { code: 'EIO' })
    })
    isEnd = await scenario.backUp(new LocalDiskStore(dying, ROOT), folder).then(
      () => true,
      () => false,
    )
    await scenario.backUp(new LocalDiskStore(disk, ROOT), folder)
    const promised = snapshot(scenario.promised)
    for (const state of crashStates(disk, 3, `killed ${n}`)) {
      violations.push(...(await judge(state, promised, folder)).map((text) => `killed at ${n}, ${text}`))
    }
  }
  assertNothing(violations)
})
