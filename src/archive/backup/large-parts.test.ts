import assert from 'node:assert/strict'
import { appendFileSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HookedClock, isOpen } from '../../../test/support/hooked-clock.ts'
import {
  anOperation,
  aPool,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  NO_LOCK,
  namesIn,
  noise,
} from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { type FileStat, systemDisk } from '../../platform/index.ts'
import { openPoolWriter, Repository } from '../../repository/index.ts'
import { createLocalDiskStore, FaultyStore, MemoryStore, storageError } from '../../storage/index.ts'
import { Checkpoints } from './checkpoints.ts'

const partSizes = { partBytes: 600_000, checkpointBytes: 1_200_000 }
const SIZE = 6_000_123

/** What this process has read from files, by the kernel's count. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
}

async function aPlace(t: TestContext, content = noise('large', SIZE)) {
  const store = new MemoryStore()
  await aPool(anOperation(`making ${t.name}`), { store })
  const folder = aSourceTree(t, { a: content, small: 'beside it' })
  const read = async () => {
    const op = anOperation('reading')
    const repository = await Repository.open(op, store, KEY_FILE)
    const { points } = await repository.listPoints(op)
    const last = points.at(-1)
    assert.ok(last)
    assert.deepEqual(await damageIn(op, store), [])
    return (await filesOf(op, repository, last, folder)).get('a')
  }
  return { store, folder, content, read }
}

type Place = Awaited<ReturnType<typeof aPlace>>

/** A backup that ends in the middle of the large file, after `objects` were put. */
async function cutOff({ store, folder }: Place, objects: number): Promise<void> {
  const faulty = new FaultyStore(store, [
    { verb: 'put', kind: 'error', skip: objects, times: 1000, error: storageError('STORAGE_FULL', 'cut off') },
  ])
  await assert.rejects(backUpPaths(anOperation(`cut off after ${objects}`), faulty, [folder], { partSizes }), { code: 'STORAGE_FULL' })
}

const notes = async (store: MemoryStore) => (await namesIn(anOperation('names'), store, 'conf/')).filter((name) => name.includes('resume'))

test('a file read in parts is stored as it is, the same in a second pool, and unchanged the next time', async (t) => {
  const place = await aPlace(t)
  await backUpPaths(anOperation('first'), place.store, [place.folder], { partSizes })
  assertSameBytes(await place.read(), place.content, 'a')
  assert.deepEqual(await notes(place.store), [])
  const again = await backUpPaths(anOperation('second'), place.store, [place.folder], { partSizes, forceRead: true })
  assert.equal(again.dataAdded, 0)
  const unread = bytesRead()
  await backUpPaths(anOperation('third'), place.store, [place.folder], { partSizes })
  assert.ok(bytesRead() - unread < 500_000)
})

test('a sparse file in parts keeps its holes, also across the ends of parts', async (t) => {
  const content = Buffer.alloc(SIZE)
  const place = await aPlace(t, Buffer.alloc(0))
  const path = join(place.folder, 'a')
  truncateSync(path, SIZE)
  const file = openSync(path, 'r+')
  for (const at of [0, 1_700_000, SIZE - 5000]) {
    const data = noise(`data ${at}`, 5000)
    writeSync(file, data, 0, data.length, at)
    data.copy(content, at)
  }
  const report = await backUpPaths(anOperation('first'), place.store, [place.folder], { partSizes })
  assertSameBytes(await place.read(), content, 'a')
  assert.ok(report.dataAdded < 200_000, `${report.dataAdded} bytes`)
})

test('a backup that was cut off goes on behind the last part that was noted', async (t) => {
  let resumed = 0
  for (const objects of [4, 12, 30, 45]) {
    const place = await aPlace(t)
    await cutOff(place, objects)
    const noted = await notes(place.store)
    assert.ok(noted.length <= 2, `${noted}`)
    const before = bytesRead()
    await backUpPaths(anOperation('goes on'), place.store, [place.folder], { partSizes })
    const read = bytesRead() - before
    assertSameBytes(await place.read(), place.content, 'a')
    if (noted.length > 0) {
      resumed++
      assert.ok(read < SIZE - partSizes.checkpointBytes / 2, `after ${objects} objects ${read} bytes were read`)
    }
    assert.deepEqual(await notes(place.store), [])
  }
  assert.ok(resumed >= 2, `${resumed} went on`)
})

test('a file that changed since is read from its beginning', async (t) => {
  const place = await aPlace(t)
  await cutOff(place, 40)
  assert.ok((await notes(place.store)).length > 0)
  const file = openSync(join(place.folder, 'a'), 'r+')
  writeSync(file, 'changed', 100)
  await backUpPaths(anOperation('goes on'), place.store, [place.folder], { partSizes })
  const expected = Buffer.from(place.content)
  expected.write('changed', 100)
  assertSameBytes(await place.read(), expected, 'a')
})

test('where something of what was noted is gone, the file is read from its beginning', async (t) => {
  const place = await aPlace(t)
  await cutOff(place, 40)
  assert.ok((await notes(place.store)).length > 0)
  const op = anOperation('loses')
  const [first] = await namesIn(op, place.store, 'packs/')
  assert.ok(first)
  await place.store.remove(op, first)
  await backUpPaths(anOperation('goes on'), place.store, [place.folder], { partSizes })
  assertSameBytes(await place.read(), place.content, 'a')
})

test('a note of one source says nothing of another, and stays for its own', async (t) => {
  const place = await aPlace(t)
  await cutOff(place, 40)
  await backUpPaths(anOperation('other'), place.store, [place.folder], { partSizes, source: 'other' })
  assertSameBytes(await place.read(), place.content, 'a')
  assert.equal((await notes(place.store)).length, 1)
  const before = bytesRead()
  await backUpPaths(anOperation('its own'), place.store, [place.folder], { partSizes })
  assert.ok(bytesRead() - before < SIZE - partSizes.checkpointBytes / 2)
  assert.deepEqual(await notes(place.store), [])
})

test('a file that grows, shrinks or changes while its parts are read is read again; one that never stops is stored with a warning', async (t) => {
  const changes: [string, (path: string, reading: number) => void, warnings: string[]][] = [
    ['grows once', (path, reading) => reading === 3 && appendFileSync(path, noise('more', 900_000)), []],
    ['shrinks once', (path, reading) => reading === 3 && truncateSync(path, 1_000_000), []],
    ['grows for ever', (path) => appendFileSync(path, 'more'), ['SOURCE_CHANGED']],
  ]
  for (const [what, change, warnings] of changes) {
    const place = await aPlace(t)
    const path = join(place.folder, 'a')
    let reading = 0
    const clock = new HookedClock(() => {
      if (isOpen(path)) change(path, reading++)
    })
    const report = await backUpPaths(anOperation(what, { clock }), place.store, [place.folder], { partSizes })
    assert.deepEqual(
      report.warnings.map(({ code }) => code),
      warnings,
      what,
    )
    assert.ok(reading > 3, `${what}: ${reading} readings`)
    const stored = await place.read()
    const now = readFileSync(path)
    assert.ok(stored && now.subarray(0, stored.length).equals(stored), what)
    if (what === 'grows for ever') assert.ok(stored.length >= SIZE, `${stored.length} bytes were stored`)
    if (warnings.length === 0) assert.equal(stored.length, now.length, what)
  }
})

test('several large files that note how far they are at the same time are all stored', async (t) => {
  const pool = join(temporaryFolder(t), 'pool')
  const store = await createLocalDiskStore(anOperation('disk'), systemDisk(), pool)
  await aPool(anOperation('making'), { store })
  const files = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, noise(name, 3_000_123)]))
  const folder = aSourceTree(t, files)
  const small = { partBytes: 600_000, checkpointBytes: 600_000 }
  const op = anOperation('at once')
  const { point } = await backUpPaths(op, store, [folder], { partSizes: small, workerStore: { kind: 'local', path: pool } })
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
  for (const [name, content] of Object.entries(files)) assertSameBytes(stored.get(name), content, name)
})

test('a note that can not be removed after the commit is a warning: the recovery point is there', async (t) => {
  const place = await aPlace(t)
  const faulty = new FaultyStore(place.store, [
    // Removals of older notes come first; those after the commit are of the last one.
    { verb: 'remove', kind: 'error', name: /resume/, skip: 4, times: 1000, error: storageError('STORAGE_IO', 'scripted') },
  ])
  const op = anOperation('stays')
  const report = await backUpPaths(op, faulty, [place.folder], { partSizes })
  assert.deepEqual(
    op.warnings.map(({ code }) => code),
    ['STORAGE_IO'],
  )
  assertSameBytes(await place.read(), place.content, 'a')
  assert.equal((await notes(place.store)).length, 1)
  assert.equal(report.filesNew, 2)
})

test('sessions that run at once keep each other’s notes', async (t) => {
  const { store } = await aPlace(t)
  const op = anOperation('two sources')
  const writer = await openPoolWriter(op, await Repository.open(op, store, KEY_FILE, 'write'), NO_LOCK, store)
  const sessions = [await writer.begin(op), await writer.begin(op)]
  const stat = { ino: 1, sizeBytes: 5, mtimeSec: 1, mtimeNs: 0, ctimeSec: 1, ctimeNs: 0 } as FileStat
  const path = Buffer.from('a')
  const checkpoint = { path, stat, partBytes: 5, parts: 1, sparse: false, extents: [{ kind: 'hole', length: 5 } as const] }
  const both = sessions.map((session, n) => new Checkpoints(session, `source ${n}`, async () => {}))
  for (const one of both) assert.equal(await one.find(op, path, stat, 5), undefined)
  await Promise.all(both.map((one) => one.note(op, checkpoint)))
  await both[0]?.clear(op)
  const [first, second] = sessions.map((session, n) => new Checkpoints(session, `source ${n}`, async () => {}))
  assert.equal(await first?.find(op, path, stat, 5), undefined)
  assert.equal((await second?.find(op, path, stat, 5))?.parts, 1)
  for (const session of sessions) await session.end()
  await writer.close(op)
})
