import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { someKeys } from '../../../test/support/packs.ts'
import { anOperation } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemDisk } from '../../platform/index.ts'
import { createLocalDiskStore } from '../../storage/index.ts'
import { ChunkIndex } from './chunk-index.ts'
import { KnownChunks } from './known-chunks.ts'
import { openSegments } from './open-index.ts'
import { encodeSegment } from './segment.ts'

function idOf(n: number): Buffer {
  return createHash('sha256').update(`id ${n}`).digest()
}

test('a chunk is new the first time and known from then on', () => {
  const known = KnownChunks.withRoomFor(10)
  assert.equal(known.has(idOf(1)), false)
  assert.equal(known.add(idOf(1)), true)
  assert.equal(known.add(idOf(1)), false)
  assert.equal(known.has(idOf(1)), true)
  assert.equal(known.has(idOf(2)), false)
})

test('ids of zeros and ids that begin alike are told apart', () => {
  const known = KnownChunks.withRoomFor(10)
  const ids = [Buffer.alloc(32), Buffer.alloc(32, 1)]
  for (let n = 1; n < 200; n++) ids.push(Buffer.concat([Buffer.alloc(15), Buffer.from([n]), Buffer.alloc(16)]))
  // A first word of 0 is stored as 1: such an id must not pass for the other.
  for (const id of ids) assert.equal(known.add(id), true, id.toString('hex'))
  for (const id of ids) assert.equal(known.add(id), false, id.toString('hex'))
})

test('another holder of the same memory sees what was added', () => {
  const known = KnownChunks.withRoomFor(10)
  const other = new KnownChunks(known.memory)
  known.add(idOf(1))
  assert.equal(other.add(idOf(1)), false)
})

test('what one thread distrusts is new to all, until one of them stored it again', () => {
  const known = KnownChunks.withRoomFor(10)
  const other = new KnownChunks(known.memory)
  known.add(idOf(1))
  known.add(idOf(2))
  known.distrust(idOf(1))
  for (const one of [known, other]) {
    assert.equal(one.has(idOf(1)), false)
    assert.equal(one.hasAll(Buffer.concat([idOf(2), idOf(1)])), false)
    assert.equal(one.has(idOf(2)), true)
  }
  assert.equal(other.add(idOf(1)), true)
  for (const one of [known, other]) {
    assert.equal(one.has(idOf(1)), true)
    assert.equal(one.add(idOf(1)), false)
    assert.equal(one.add(idOf(2)), false)
  }
  // Told once more, by somebody who asked for the old copy: what was stored again is there.
  known.distrust(idOf(1))
  assert.equal(other.add(idOf(1)), false)
})

test('when more is distrusted than can be remembered, nothing counts but what was stored since', () => {
  const known = KnownChunks.withRoomFor(10)
  const other = new KnownChunks(known.memory)
  known.add(idOf(1))
  for (let n = 2; n < 40_000; n++) known.distrust(idOf(n))
  assert.equal(other.has(idOf(1)), false)
  assert.equal(other.add(idOf(1)), true)
  assert.equal(other.add(idOf(1)), false)
  assert.equal(known.has(idOf(39_999)), false)
})

test('growing keeps everything that was known', () => {
  const known = KnownChunks.withRoomFor(1)
  const count = 300_000
  for (let n = 0; n < count; n++) {
    assert.equal(known.add(idOf(n)), true)
    if (known.needsRoom) known.grow()
  }
  assert.ok(known.memory.tables.length >= 2)
  for (let n = 0; n < count; n++) assert.ok(known.has(idOf(n)) && !known.add(idOf(n)))
})

test('a table that is full forgets rather than lies: what it can not take in stays unknown', () => {
  const known = KnownChunks.withRoomFor(1)
  for (let n = 0; n < 140_000; n++) known.add(idOf(n))
  for (let n = 0; n < 50_000; n++) assert.equal(known.add(idOf(n)), false)
  assert.equal(known.add(idOf(139_999)), true)
  assert.equal(known.has(idOf(1_000_000)), false)
})

test('a holder that has not grown yet may store a chunk twice, never lose one', () => {
  const known = KnownChunks.withRoomFor(1)
  const late = new KnownChunks(known.memory)
  known.add(idOf(1))
  known.grow()
  known.add(idOf(2))
  assert.equal(late.add(idOf(1)), false)
  assert.equal(late.add(idOf(2)), true)
  late.adopt(known.memory)
  assert.equal(late.add(idOf(2)), false)
})

test('two threads that add the same ids are told of each at least once, and seldom twice', async () => {
  const count = 60_000
  const known = KnownChunks.withRoomFor(count)
  const start = new Int32Array(new SharedArrayBuffer(4))
  const url = new URL('../../../test/support/known-chunks-worker.ts', import.meta.url)
  const workers = [1, 2].map(() => new Worker(url, { workerData: { memory: known.memory, count, start } }))
  const fresh = await Promise.all(
    workers.map(async (worker) => {
      const [numbers] = (await once(worker, 'message')) as [number[]]
      await once(worker, 'exit')
      return numbers
    }),
  )
  const times = new Uint8Array(count)
  for (const n of fresh.flat()) times[n] = (times[n] as number) + 1
  const never = times.filter((n) => n === 0).length
  const twice = times.filter((n) => n > 1).length
  assert.equal(never, 0)
  assert.ok(twice < count / 100, `${twice} were stored twice`)
  for (let n = 0; n < count; n++) assert.equal(known.add(idOf(n)), false)
})

test('threads that load the same blocks at once all know what is stored, also when the segment has been removed meanwhile', async (t) => {
  const count = 30_000
  const root = temporaryFolder(t)
  const op = anOperation('stored chunks')
  const keys = someKeys('stored chunks')
  const store = await createLocalDiskStore(op, systemDisk(), root)
  const records = Array.from({ length: count }, (_, n) => ({
    id: idOf(n),
    offset: n,
    storedBytes: 100,
    contentBytes: 100,
    type: 1 as const,
    compression: 0 as const,
  }))
  const segment = encodeSegment(op.random, keys, [{ sha256: idOf(0).toString('hex'), sizeBytes: 5, records }])
  await store.put(op, segment.name, segment.bytes)
  const index = new ChunkIndex((await openSegments(op, store, keys)).files)
  await store.remove(op, segment.name)
  const known = KnownChunks.over(index, keys, 10)
  const start = new Int32Array(new SharedArrayBuffer(4))
  const url = new URL('../../../test/support/stored-chunks-worker.ts', import.meta.url)
  const workers = [1, 1, count - 1].map((step) => new Worker(url, { workerData: { memory: known.memory, root, count, step, start } }))
  const answers = await Promise.all(
    workers.map(async (worker) => {
      const [answer] = (await once(worker, 'message')) as [{ there: number; absent: number }]
      await once(worker, 'exit')
      return answer
    }),
  )
  for (const answer of answers) assert.deepEqual(answer, { there: count, absent: count })
  assert.ok(known.hasAll(Buffer.concat(records.map(({ id }) => id))))
  index.close()
})
