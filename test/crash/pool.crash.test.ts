/**
 * Power loss at every operation of: making a pool, a backup, a second one (docs/format.md §13). What must hold in each state: the pool opens for writing,
 * verify finds no damage, every acknowledged recovery point gives back its content, and the next backup succeeds.
 * TERP_CRASH_STATES looks at more states per operation.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Disk } from '../../src/platform/index.ts'
import { createLocalDiskStore, LocalDiskStore, type PruningStore } from '../../src/storage/index.ts'
import { assertNothing, judge, ROOT, Scenario, snapshot, watched } from '../support/crash-scenario.ts'
import { crashStates } from '../support/crash-states.ts'
import { anOperation, aSourceTree, noise } from '../support/pool.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const STATES = Number(process.env.TERP_CRASH_STATES ?? 3)

const FILES = { 'a.txt': 'a', 'b.bin': noise('b', 25_000), 'c/d.bin': noise('d', 15_000), 'c/e.txt': 'text '.repeat(300) }

function aSource(t: TestContext): string {
  return aSourceTree(t, FILES)
}

type Harm = (disk: Disk) => Disk
type StoreHarm = (store: PruningStore) => PruningStore

interface Exploration {
  readonly harm?: Harm
  readonly storeHarm?: StoreHarm
  readonly states?: number
  /** Every n-th operation only. */
  readonly every?: number
  /** Those operations only. */
  readonly at?: RegExp
  /** Crashes inside the recovery from each crash, too. */
  readonly depth?: 1 | 2
  /** One violation is enough. */
  readonly isMutant?: boolean
}

/** Plays the scenario and judges a number of crash states before each of its operations and after the last. */
async function explore(folder: string, options: Exploration = {}): Promise<{ violations: string[]; moments: number }> {
  const simulated = new SimulatedDisk()
  await createLocalDiskStore(anOperation('making folders'), simulated, ROOT)
  const scenario = new Scenario('crash')
  const violations: string[] = []
  let moments = 0
  const look = async (description: string) => {
    const isChosen = moments++ % (options.every ?? 1) === 0 && (options.at?.test(description) ?? true)
    if (!isChosen || (options.isMutant && violations.length > 0)) return
    const promised = snapshot(scenario.promised)
    for (const state of crashStates(simulated, options.states ?? STATES, `${moments} ${description}`)) {
      const recovering = async (disk: Disk) => {
        const deeper = disk as SimulatedDisk
        for (const inner of crashStates(deeper, 1, 'recovery')) {
          violations.push(...(await judge(inner, promised, folder)).map((text) => `${description}, in recovery: ${text}`))
        }
      }
      const wrong = await judge(state, promised, folder, options.depth === 2 ? recovering : undefined)
      violations.push(...wrong.map((text) => `before ${moments} ${description}, ${text}`))
    }
  }
  const disk = watched(options.harm ? options.harm(simulated) : simulated, look)
  const aStore = () => {
    const store = new LocalDiskStore(disk, ROOT)
    return options.storeHarm ? options.storeHarm(store) : store
  }
  await scenario.make(aStore())
  await scenario.backUp(aStore(), folder)
  writeFileSync(join(folder, 'c/d.bin'), noise('d changed', 15_000))
  await scenario.backUp(aStore(), folder)
  await look('at the end')
  return { violations, moments }
}

test('after a crash at any operation the pool is sound and holds what was acknowledged', { timeout: 600_000 }, async (t) => {
  const { violations, moments } = await explore(aSource(t))
  assert.ok(moments >= 100, `${moments} moments`)
  assertNothing(violations)
})

test('so it is after a crash in the recovery from a crash', { timeout: 600_000 }, async (t) => {
  assertNothing((await explore(aSource(t), { depth: 2, every: 20, states: 2 })).violations)
})

// --- Protocols that are wrong, which this test must find out ------------------------------------------------------------------------

function withFiles(disk: Disk, change: (path: string) => boolean): Disk {
  return {
    ...bound(disk),
    createFile: async (path) => {
      const file = await disk.createFile(path)
      return change(path) ? { write: (bytes) => file.write(bytes), close: () => file.close(), sync: async () => {} } : file
    },
  }
}

function withoutFolderSync(disk: Disk, of: (path: string) => boolean): Disk {
  return { ...bound(disk), syncFolder: async (path) => (of(path) ? undefined : disk.syncFolder(path)) }
}

function bound(disk: Disk): Disk {
  return watched(disk, async () => {})
}

/** Says that packs are stored, and stores them after the manifest. */
function manifestBeforePacks(inner: PruningStore): PruningStore {
  const late: (() => Promise<unknown>)[] = []
  const held = new Map<string, Uint8Array>()
  return withPut(inner, async (op, name, bytes) => {
    if (name.startsWith('packs/')) {
      const copy = Buffer.from(bytes)
      held.set(name, copy)
      late.push(() => inner.put(op, name, copy))
      return 'stored'
    }
    const answer = await inner.put(op, name, bytes)
    if (name.startsWith('points/')) for (const act of late.splice(0)) await act()
    return answer
  })
}

/** Says that a manifest is stored, and does it with the next object. */
function acknowledgedTooEarly(inner: PruningStore): PruningStore {
  return withPut(inner, async (op, name, bytes) => {
    if (!name.startsWith('points/')) return inner.put(op, name, bytes)
    const copy = Buffer.from(bytes)
    queueMicrotask(() => void inner.put(op, name, copy).catch(() => undefined))
    return 'stored'
  })
}

function withPut(inner: PruningStore, put: PruningStore['put']): PruningStore {
  return {
    description: inner.description,
    put,
    get: (...given) => inner.get(...given),
    head: (...given) => inner.head(...given),
    list: (...given) => inner.list(...given),
    quarantine: (...given) => inner.quarantine(...given),
    remove: (...given) => inner.remove(...given),
    putParts: (...given) => inner.putParts(...given),
    immediate: inner.immediate,
    beginEpoch: (...given) => inner.beginEpoch(...given),
    removeAll: (...given) => inner.removeAll(...given),
    moveAll: (...given) => inner.moveAll(...given),
    beginPrune: (...given) => inner.beginPrune(...given),
    sessions: inner.sessions,
  }
}

/** Writes objects under their final names at once. */
function withoutLink(disk: Disk): Disk {
  const contents = new Map<string, Uint8Array>()
  return {
    ...bound(disk),
    createFile: async (path) => {
      const file = await disk.createFile(path)
      return {
        write: async (bytes) => {
          contents.set(path, Buffer.from(bytes))
          await file.write(bytes)
        },
        sync: () => file.sync(),
        close: () => file.close(),
      }
    },
    link: async (from, to) => {
      const file = await disk.createFile(to)
      await file.write(contents.get(from) ?? Buffer.alloc(0))
      await file.close()
    },
  }
}

/** When something was acknowledged, and nothing new has begun. */
const BETWEEN = /\/epoch|at the end/

const MUTANTS: readonly [string, Exploration][] = [
  ['does not sync files', { harm: (disk) => withFiles(disk, () => true) }],
  [
    'does not sync the folder of a manifest',
    { harm: (disk) => withoutFolderSync(disk, (path) => path.startsWith(`${ROOT}/points/`)), at: BETWEEN },
  ],
  [
    'does not sync the folder of recovery points',
    { harm: (disk) => withoutFolderSync(disk, (path) => path === `${ROOT}/points`), at: BETWEEN },
  ],
  [
    'does not sync the folders of packs',
    { harm: (disk) => withoutFolderSync(disk, (path) => path.startsWith(`${ROOT}/packs/`)), at: BETWEEN },
  ],
  ['does not sync the folder of key slots', { harm: (disk) => withoutFolderSync(disk, (path) => path === `${ROOT}/keys`) }],
  ['writes objects in place', { harm: withoutLink }],
  ['stores packs after the manifest', { storeHarm: manifestBeforePacks }],
  ['acknowledges before the manifest is durable', { storeHarm: acknowledgedTooEarly, states: 1 }],
]

for (const [what, options] of MUTANTS) {
  test(`a pool that ${what} would be found out`, { timeout: 600_000 }, async (t) => {
    const outcome = await explore(aSource(t), { states: 3, ...options, isMutant: true }).catch((error: unknown) => ({
      violations: [String(error)],
    }))
    assert.ok(outcome.violations.length > 0)
  })
}
