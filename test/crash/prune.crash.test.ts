/**
 * Power loss at every operation of an expiration and of a prune (docs/adr/0010-prune.md): the next prune finishes what was begun, every recovery point that was
 * not given up gives back its content, and verify finds no damage. TERP_CRASH_STATES looks at more states per operation.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { expirePoints, prunePool } from '../../src/archive/index.ts'
import type { Disk } from '../../src/platform/index.ts'
import { Repository } from '../../src/repository/index.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../src/storage/index.ts'
import { assertNothing, damage, judge, missing, type Promised, ROOT, Scenario, snapshot, watched } from '../support/crash-scenario.ts'
import { type CrashState, crashStates } from '../support/crash-states.ts'
import { anOperation, aSession, aSourceTree, KEY_FILE, noise } from '../support/pool.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const STATES = Number(process.env.TERP_CRASH_STATES ?? 2)
const OPTIONS = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: false }

let acts = 0

async function prune(disk: Disk) {
  const op = anOperation(`prune ${acts++}`)
  const store = new LocalDiskStore(disk, ROOT)
  return prunePool(op, { repository: await Repository.open(op, store, KEY_FILE, 'write'), store, ...OPTIONS })
}

async function expire(disk: Disk, points: readonly string[]) {
  const op = anOperation(`expire ${acts++}`)
  const store = new LocalDiskStore(disk, ROOT)
  const repository = await Repository.open(op, store, KEY_FILE, 'write')
  return expirePoints(op, { repository, store, points, dryRun: false, allowLast: false })
}

/** A prune goes on from what a crash left, before or after another backup. */
async function judgeBoth(state: CrashState, promised: Promised, folder: string, n: number): Promise<string[]> {
  if (n % 2 === 0) {
    const wrong = await judge(state, promised, folder)
    return [...wrong, ...(await pruned(state, promised, folder))]
  }
  return [...(await pruned(state, promised, folder)), ...(await judge(state, promised, folder))]
}

async function pruned(state: CrashState, promised: Promised, folder: string): Promise<string[]> {
  const store = new LocalDiskStore(state.disk, ROOT)
  try {
    const report = await prune(state.disk)
    const wrong = [...(await damage(store)), ...(await missing(store, promised, folder))]
    if (report.packsWaiting > 0) wrong.push('a prune after the crash waits for a session that the crash ended')
    const again = await prune(state.disk)
    if (again.packsDropped + again.packsRepacked > 0) wrong.push('a second prune after the crash finds something')
    for await (const { name } of store.list(anOperation('trash'), 'trash/')) wrong.push(`${name} is left in the trash`)
    return wrong.map((text) => `${state.description}: ${text}`)
  } catch (error) {
    return [`${state.description}: the next prune fails: ${error instanceof Error ? error.stack : String(error)}`]
  }
}

interface Prepared {
  readonly simulated: SimulatedDisk
  readonly scenario: Scenario
  readonly folder: string
}

/** Two recovery points, of which the first needs packs of its own and a part of others. */
async function prepared(t: TestContext): Promise<Prepared> {
  const files = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`f${n}.bin`, noise(`f${n}`, 9000)]))
  const folder = aSourceTree(t, { ...files, 'whole.bin': noise('whole', 70_000) })
  const simulated = new SimulatedDisk()
  await createLocalDiskStore(anOperation('making folders'), simulated, ROOT)
  const scenario = new Scenario(`prune crash ${acts++}`)
  await scenario.make(new LocalDiskStore(simulated, ROOT))
  await scenario.backUp(new LocalDiskStore(simulated, ROOT), folder)
  rmSync(join(folder, 'whole.bin'))
  for (let n = 0; n < 10; n += 2) rmSync(join(folder, `f${n}.bin`))
  await scenario.backUp(new LocalDiskStore(simulated, ROOT), folder)
  return { simulated, scenario, folder }
}

type Act = (disk: Disk) => Promise<unknown>

interface Exploration {
  /** Every n-th operation only. */
  readonly every?: number
  readonly harm?: (disk: Disk) => Disk
  /** One violation is enough. */
  readonly isMutant?: boolean
}

/** Judges crash states before each operation of the act, and after its last. */
async function explore({ simulated, scenario, folder }: Prepared, act: Act, options: Exploration = {}) {
  const violations: string[] = []
  let moments = 0
  const look = async (description: string) => {
    if (moments++ % (options.every ?? 1) !== 0 || (options.isMutant && violations.length > 0)) return
    let n = moments
    for (const state of crashStates(simulated, STATES, `${moments} ${description}`)) {
      const wrong = await judgeBoth(state, snapshot(scenario.promised), folder, n++)
      violations.push(...wrong.map((text) => `before ${moments} ${description}, ${text}`))
    }
  }
  const disk = watched(options.harm ? options.harm(simulated) : simulated, look)
  await act(disk)
  await look('at the end')
  return { violations, moments }
}

test('after a crash at any operation of an expiration the rest is whole, and a prune finishes', { timeout: 600_000 }, async (t) => {
  const place = await prepared(t)
  const [first] = place.scenario.promised.points.splice(0, 1)
  const { violations, moments } = await explore(place, (disk) => expire(disk, [first?.point.id as string]))
  assert.ok(moments >= 10, `${moments} moments`)
  assertNothing(violations)
})

test('after a crash at any operation of a prune the rest is whole, and the next prune finishes', { timeout: 600_000 }, async (t) => {
  const place = await prepared(t)
  const [first] = place.scenario.promised.points.splice(0, 1)
  await expire(place.simulated, [first?.point.id as string])
  let freed = 0
  const { violations, moments } = await explore(
    place,
    async (disk) => {
      const report = await prune(disk)
      freed = report.freedBytes
      assert.ok(report.packsDropped > 0 && report.packsRepacked > 0)
    },
    { every: 2 },
  )
  assert.ok(freed > 70_000 && moments >= 40, `${moments} moments, ${freed} freed`)
  assertNothing(violations)
})

test('so it is when a session was open, and the prune comes back', { timeout: 600_000 }, async (t) => {
  const place = await prepared(t)
  const [first] = place.scenario.promised.points.splice(0, 1)
  await expire(place.simulated, [first?.point.id as string])
  const op = anOperation('open session')
  const session = await aSession(op, new LocalDiskStore(place.simulated, ROOT))
  const waiting = await prune(place.simulated)
  assert.ok(waiting.packsWaiting > 0)
  await session.end()
  assertNothing((await explore(place, prune, { every: 3 })).violations)
})

// --- Protocols that are wrong, which this test must find out ------------------------------------------------------------------------

function bound(disk: Disk): Disk {
  return watched(disk, async () => {})
}

const MUTANTS: readonly [string, (disk: Disk) => Disk][] = [
  ['does not sync what it writes anew', (disk) => withoutSync(disk)],
  [
    'does not sync the folders of packs before it deletes others',
    (disk) => ({ ...bound(disk), syncFolder: async (path) => (path.startsWith(`${ROOT}/packs/`) ? undefined : disk.syncFolder(path)) }),
  ],
  [
    'does not sync the folder of the index before it deletes packs',
    (disk) => ({ ...bound(disk), syncFolder: async (path) => (path === `${ROOT}/index` ? undefined : disk.syncFolder(path)) }),
  ],
]

function withoutSync(disk: Disk): Disk {
  return {
    ...bound(disk),
    createFile: async (path) => {
      const file = await disk.createFile(path)
      return { write: (bytes) => file.write(bytes), close: () => file.close(), sync: async () => {} }
    },
  }
}

for (const [what, harm] of MUTANTS) {
  test(`a prune that ${what} would be found out`, { timeout: 600_000 }, async (t) => {
    const place = await prepared(t)
    const [first] = place.scenario.promised.points.splice(0, 1)
    await expire(place.simulated, [first?.point.id as string])
    const outcome = await explore(place, prune, { harm, every: 2, isMutant: true }).catch((error: unknown) => ({
      violations: [String(error)],
    }))
    assert.ok(outcome.violations.length > 0)
  })
}
