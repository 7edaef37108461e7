/** Power loss and failing disks at every operation of a put. What must hold afterwards: docs/format.md §13, Publish. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CrashState, crashStates } from '../../test/support/crash-states.ts'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { TerpError } from '../base/errors.ts'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import type { Disk } from '../platform/index.ts'
import { createLocalDiskStore } from './create-local-disk.ts'
import { LocalDiskStore } from './local-disk.ts'

const op = startOperation({ random: seededRandom('crash') })
const STATES_PER_OPERATION = 40

const OBJECTS = new Map([
  ['packs/ab/one.pack', Buffer.alloc(5000, 'one ')],
  ['index/two.idx', Buffer.alloc(100, 'two ')],
  ['points/source-a/three.point', Buffer.alloc(300, 'three ')],
  ['points/source-b/four.point', Buffer.alloc(30, 'four ')],
])

type Act = (store: LocalDiskStore, put: (store: LocalDiskStore, name: string) => Promise<void>, disk: Disk) => Promise<void>

const inTurn: Act = async (store, put) => {
  for (const name of OBJECTS.keys()) await put(store, name)
}

/** Two writers of the same objects, in step: the one that comes second must not acknowledge what the first has not made durable. */
const twoWriters: Act = async (store, put, disk) => {
  const second = new LocalDiskStore(disk, '/pool', { tag: '2' })
  await Promise.all([inTurn(store, put, disk), inTurn(second, put, disk)])
}

interface Moment {
  readonly description: string
  readonly acknowledged: ReadonlySet<string>
  readonly states: readonly CrashState[]
}

/** Plays `act` on a disk as `wrap` presents it, and lets it crash before every operation and after the last. */
async function explore(act: Act, wrap: (disk: Disk) => Disk = (disk) => disk): Promise<string[]> {
  const simulated = new SimulatedDisk()
  await createLocalDiskStore(op, simulated, '/pool')
  const acknowledged = new Set<string>()
  const moments: Moment[] = []
  const look = (description: string) => {
    const states = [...crashStates(simulated, STATES_PER_OPERATION, description)]
    moments.push({ description, acknowledged: new Set(acknowledged), states })
  }
  simulated.onOperation((n, description) => look(`before ${n}: ${description}`))
  const disk = wrap(simulated)
  const put = async (store: LocalDiskStore, name: string) => {
    await store.put(op, name, OBJECTS.get(name) ?? Buffer.alloc(0))
    acknowledged.add(name)
    look(`after put ${name}`)
  }
  await act(new LocalDiskStore(disk, '/pool'), put, disk)
  look('at the end')
  const violations: string[] = []
  for (const moment of moments) {
    for (const state of moment.states) {
      for (const violation of await verify(state.disk, moment.acknowledged)) {
        violations.push(`${moment.description}, ${state.description}: ${violation}`)
      }
    }
  }
  assert.ok(moments.length >= 20)
  return violations
}

async function verify(disk: SimulatedDisk, acknowledged: ReadonlySet<string>): Promise<string[]> {
  const violations: string[] = []
  const store = new LocalDiskStore(disk, '/pool')
  for (const [name, bytes] of OBJECTS) {
    const found = await store.get(op, name).catch((error: unknown) => error)
    if (Buffer.isBuffer(found)) {
      if (!found.equals(bytes)) violations.push(`${name} has wrong bytes`)
    } else if (!(found instanceof TerpError) || found.code !== 'STORAGE_OBJECT_NOT_FOUND') {
      violations.push(`${name} cannot be read: ${found}`)
    } else if (acknowledged.has(name)) {
      violations.push(`${name} was acknowledged and is gone`)
    }
  }
  return violations
}

/** A disk that forgets to do `verb` when `when` says so. */
function forgetful(disk: Disk, forgets: { readonly fileSync?: boolean; readonly folderSync?: (path: string) => boolean }): Disk {
  return new Proxy(disk, {
    get(target, key) {
      if (key === 'syncFolder') return async (path: string) => (forgets.folderSync?.(path) ? undefined : target.syncFolder(path))
      if (key === 'createFile' && forgets.fileSync) {
        return async (path: string) => ({ ...(await target.createFile(path)), sync: async () => undefined })
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

test('after a crash at any operation, what is visible is whole and what was acknowledged is there', async () => {
  assert.deepEqual(await explore(inTurn), [])
})

test('that holds for two writers of the same objects as well', async () => {
  assert.deepEqual(await explore(twoWriters), [])
})

test('a store that did not sync its files would be found out', async () => {
  const violations = await explore(inTurn, (disk) => forgetful(disk, { fileSync: true }))
  assert.ok(violations.some((v) => v.endsWith('packs/ab/one.pack has wrong bytes')))
})

test('a store that did not sync the folder of an object would be found out', async () => {
  const violations = await explore(inTurn, (disk) => forgetful(disk, { folderSync: (path) => path === '/pool/packs/ab' }))
  assert.ok(violations.length > 0)
  assert.ok(violations.every((v) => v.endsWith('packs/ab/one.pack was acknowledged and is gone')))
})

test('a store that did not sync the parent of a new folder would be found out', async () => {
  const violations = await explore(inTurn, (disk) => forgetful(disk, { folderSync: (path) => path === '/pool/points' }))
  assert.ok(violations.some((v) => v.endsWith('points/source-a/three.point was acknowledged and is gone')))
})

test('a writer who trusted that an object is there, without syncing its folder, would be found out', async () => {
  let syncs = 0
  const wrap = (disk: Disk) => forgetful(disk, { folderSync: (path) => path === '/pool/index' && ++syncs === 1 })
  const violations = await explore(twoWriters, wrap)
  assert.ok(violations.some((v) => v.endsWith('index/two.idx was acknowledged and is gone')))
})

test('who finds an object that its writer could not make durable makes it durable before saying so', async () => {
  const disk = new SimulatedDisk()
  const first = await createLocalDiskStore(op, disk, '/pool')
  const name = 'index/two.idx'
  const bytes = OBJECTS.get(name) ?? Buffer.alloc(0)
  let failing = 0
  disk.onOperation((n, description) => {
    if (description === 'syncFolder /pool/index' && failing === 0) {
      failing = n
      disk.failAt(n, 'EIO')
    }
  })
  await assert.rejects(first.put(op, name, bytes), { code: 'STORAGE_IO' })
  assert.equal(await new LocalDiskStore(disk, '/pool').put(op, name, bytes), 'already-there')
  for (const state of crashStates(disk, STATES_PER_OPERATION, 'found')) {
    assert.deepEqual(await verify(state.disk, new Set([name])), [], state.description)
  }
})

test('all folders of a new store are durable once it is made', async () => {
  const disk = new SimulatedDisk()
  await createLocalDiskStore(op, disk, '/mnt/pool')
  assert.equal(disk.unsyncedChanges, 0)
  assert.equal((await disk.readFolder('/mnt/pool/packs')).length, 256)
})

test('a store is usable after a crash at any operation of its making', async () => {
  const disk = new SimulatedDisk()
  const states: CrashState[] = []
  disk.onOperation((n, description) => {
    if (n < 20 || n % 40 === 0) states.push(...crashStates(disk, 12, description))
  })
  await createLocalDiskStore(op, disk, '/mnt/pool')
  states.push(...crashStates(disk, 12, 'at the end'))
  for (const state of states) {
    const store = await createLocalDiskStore(op, state.disk, '/mnt/pool')
    await store.put(op, 'packs/7f/x.pack', Buffer.from('x'))
    for (const again of crashStates(state.disk, 3, 'again')) {
      const bytes = await new LocalDiskStore(again.disk, '/mnt/pool').get(op, 'packs/7f/x.pack')
      assert.equal(bytes.toString(), 'x', state.description)
    }
  }
})

interface Outcome {
  readonly failedOperation: string
  readonly code: string | undefined
  readonly laterCode: string | undefined
}

/** One put of which operation `n` fails; undefined when it has fewer. */
async function putFailing(n: number, errno: string): Promise<Outcome | undefined> {
  const disk = new SimulatedDisk()
  const store = await createLocalDiskStore(op, disk, '/pool')
  const codeOf = (name: string) =>
    store.put(op, name, OBJECTS.get(name) ?? Buffer.alloc(0)).then(
      () => undefined,
      (error: TerpError) => error.code,
    )
  const first = disk.operations
  let failedOperation = ''
  disk.onOperation((at, description) => {
    if (at === first + n) failedOperation = description.split(' ')[0] ?? ''
  })
  disk.failAt(first + n, errno)
  const code = await codeOf('points/source-a/three.point')
  if (failedOperation === '') return undefined
  const acknowledged = new Set(code === undefined ? ['points/source-a/three.point'] : [])
  for (const state of crashStates(disk, STATES_PER_OPERATION, `${errno} ${n}`)) {
    assert.deepEqual(await verify(state.disk, acknowledged), [], `${failedOperation} fails, ${state.description}`)
  }
  assert.deepEqual(await verify(disk, acknowledged), [])
  if (failedOperation !== 'unlink') assert.deepEqual(await disk.readFolder('/pool/tmp'), [], 'it removed its own temporary file')
  return { failedOperation, code, laterCode: await codeOf('index/two.idx') }
}

async function outcomes(errno: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (let n = 1; ; n++) {
    const outcome = await putFailing(n, errno)
    if (!outcome) return found
    found.set(outcome.failedOperation, `${outcome.code}, then ${outcome.laterCode}`)
  }
}

test('an error of the medium at any operation fails the put, removes its file, and ends all writing', async () => {
  const failed = 'STORAGE_IO, then STORAGE_POISONED'
  assert.deepEqual([...(await outcomes('EIO'))].sort(), [
    ['close', failed],
    ['createFile', failed],
    ['link', failed],
    ['makeFolder', failed],
    ['sync', failed],
    ['syncFolder', failed],
    // The object is durable by then; what stays in tmp is deleted by a later writer.
    ['unlink', 'undefined, then undefined'],
    ['write', failed],
  ])
})

test('a full disk fails the put and not the store, unless it shows only in a sync', async () => {
  const full = await outcomes('ENOSPC')
  for (const operation of ['makeFolder', 'createFile', 'write', 'link'])
    assert.equal(full.get(operation), 'STORAGE_FULL, then undefined', operation)
  for (const operation of ['sync', 'close', 'syncFolder'])
    assert.equal(full.get(operation), 'STORAGE_FULL, then STORAGE_POISONED', operation)
})

test('a missing permission is told as such', async () => {
  for (const errno of ['EACCES', 'EROFS', 'EPERM']) {
    assert.equal((await outcomes(errno)).get('createFile'), 'STORAGE_FORBIDDEN, then undefined')
  }
})
