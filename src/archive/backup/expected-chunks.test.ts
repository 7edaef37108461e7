/** What is cut with the chunks of before in mind is what it would be without them. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  anOperation,
  aPool,
  aSession,
  assertSameBytes,
  backUpPaths,
  damageIn,
  KEY_FILE,
  LATER_MS,
  noise,
  runs,
} from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { all } from '../../../test/support/trees.ts'
import { close, O_DIRECTORY, O_RDONLY, openPath, statAt } from '../../platform/index.ts'
import { ChunkReader, locate, type RecoveryPoint, Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { openPoint } from '../browse.ts'
import type { Extent } from '../entry.ts'
import { ExpectedChunks } from './expected-chunks.ts'
import { Lane, type LaneFile } from './lane.ts'

/** Large enough that the extents of half a megabyte stand in no list. */
const CHUNKING = { algorithm: 'sieve', minBytes: 8_192, targetBytes: 16_384, maxBytes: 65_536 } as const

async function aLane(t: TestContext) {
  const op = anOperation(t.name)
  const store = new MemoryStore()
  await aPool(op, { store, chunking: CHUNKING })
  const session = await aSession(op, store)
  const { chunking } = session.repository.format
  const lane = new Lane({ store, grant: session.grant, chunking, onSealed: (pack) => session.accept(pack) })
  const folder = temporaryFolder(t)
  const folderFd = openPath(folder, O_RDONLY | O_DIRECTORY)
  t.after(() => close(folderFd))
  const file = (name: string): LaneFile => ({ folderFd, name: Buffer.from(name), path: Buffer.from(name), settledMs: LATER_MS })
  const extentsOf = async (files: readonly LaneFile[]): Promise<(readonly Extent[])[]> => {
    const { results } = await lane.process(op, files)
    return results.map((result) => (result.ok ? result.extents : assert.fail(result.warning.message)))
  }
  const read = async (extents: readonly Extent[]): Promise<Buffer> => {
    await lane.flush(op)
    const reader = new ChunkReader(store, session.repository.keys)
    const pieces: Buffer[] = []
    for (const extent of extents) {
      assert.ok(extent.kind === 'data')
      pieces.push((await reader.read(op, locate(session.index, extent.chunk))).subarray(extent.offset, extent.offset + extent.length))
    }
    return Buffer.concat(pieces)
  }
  return { op, lane, session, folder, file, extentsOf, read }
}

/** Small ones that are bundled, and some of several windows. */
const content = fc.record({
  seed: fc.string({ maxLength: 2 }),
  length: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 524_288, max: 560_000 })),
})
const edit = fc.record({
  // At its end, where the last chunk stopped because there was no more.
  at: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(1)),
  remove: fc.constantFrom(0, 0, 1, 5_000),
  insert: fc.constantFrom(0, 1, 1, 5_000),
})
const file = fc.record({ before: content, edits: fc.array(edit, { maxLength: 2 }) })

function edited(bytes: Buffer, edits: readonly { at: number; remove: number; insert: number }[]): Buffer {
  let now = bytes
  for (const { at, remove, insert } of edits) {
    const from = Math.floor(at * now.length)
    now = Buffer.concat([now.subarray(0, from), noise(`edit ${at}`, insert), now.subarray(from + remove)])
  }
  return now
}

test('files are cut with what they were in mind as they are without, whatever changed', async (t) => {
  const { folder, file: laneFile, extentsOf } = await aLane(t)
  const property = fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 12 }), async (files) => {
    const befores = files.map(({ before }) => noise(before.seed, before.length))
    const names = files.map((_, i) => `f${i}`)
    for (const [i, bytes] of befores.entries()) writeFileSync(join(folder, `f${i}`), bytes)
    const plain = names.map(laneFile)
    const were = await extentsOf(plain)
    const isSame = files.every(({ edits }) => edits.length === 0)
    for (const [i, bytes] of befores.entries()) writeFileSync(join(folder, `f${i}`), edited(bytes, files[i]?.edits ?? []))
    const found = await extentsOf(plain.map((one, i) => ({ ...one, before: were[i] ?? [] })))
    assert.deepEqual(found, await extentsOf(plain))
    if (isSame) for (const [i, extents] of found.entries()) assert.equal(extents, were[i])
  })
  await fc.assert(property, runs(25))
})

test('content that changed without a trace is found, and stored as it is', async (t) => {
  for (const length of [2_000, 700_000]) {
    const { folder, file: laneFile, extentsOf, read, lane, op } = await aLane(t)
    const now = noise('now', length)
    writeFileSync(join(folder, 'a'), noise('then', length))
    const [before] = await extentsOf([laneFile('a')])
    writeFileSync(join(folder, 'a'), now)
    // As if these times had been those of the content before.
    const found = statAt(laneFile('a').folderFd, 'a')
    const { results } = await lane.process(op, [{ ...laneFile('a'), before: before ?? [], found }])
    const [result] = results
    assert.ok(result?.isKept)
    assertSameBytes(await read(result.extents), now, 'a')
  }
})

test('a file that is no longer the one that was found tells all about itself', async (t) => {
  const { folder, file: laneFile, extentsOf, lane, op } = await aLane(t)
  for (const length of [100, 700_000]) {
    writeFileSync(join(folder, 'a'), noise('a', length))
    const [before = []] = await extentsOf([laneFile('a')])
    const found = statAt(laneFile('a').folderFd, 'a')
    const kept = await lane.process(op, [{ ...laneFile('a'), before, found }])
    assert.deepEqual(kept, { results: [{ ok: true, isKept: true, extents: before }], addedBytes: 0, packedBytes: 0 })
    const { results } = await lane.process(op, [{ ...laneFile('a'), before, found: { ...found, ctimeNs: found.ctimeNs ^ 1 } }])
    const [other] = results
    assert.ok(other?.ok && !other.isKept)
    assert.equal(other.stat.ctimeNs, found.ctimeNs)
    assert.equal(other.extents, before)
    // Changed so lately that it may change again without a trace: settled entries never are.
    const fresh = await lane.process(op, [{ ...laneFile('a'), settledMs: 0, before, found }])
    assert.ok(fresh.results[0]?.ok && !fresh.results[0].isKept && fresh.results[0].unsettled)
  }
})

test('a chunk that is damaged is stored again, though the content is as it was', async (t) => {
  const { folder, file: laneFile, extentsOf, session, lane, op } = await aLane(t)
  for (const length of [2_000, 700_000]) {
    writeFileSync(join(folder, 'a'), noise('damaged', length))
    const [before = []] = await extentsOf([laneFile('a')])
    const [first] = before
    assert.ok(first?.kind === 'data')
    session.known.distrust(first.chunk)
    const again = await lane.process(op, [{ ...laneFile('a'), before }])
    assert.equal(again.addedBytes, before.filter((extent) => extent.kind === 'data' && extent.chunk.equals(first.chunk))[0]?.length)
    assert.equal((await lane.process(op, [{ ...laneFile('a'), before }])).addedBytes, 0)
  }
})

test('a forced reading makes the very tree of a first backup, whatever changed', async (t) => {
  const store = new MemoryStore()
  await aPool(anOperation(`making ${t.name}`), { store })
  const folder = temporaryFolder(t)
  const settings = { forceRead: true, partSizes: { partBytes: 300_000, checkpointBytes: 1_000_000_000 } }
  const treeOf = async (point: RecoveryPoint) => {
    const op = anOperation(`reading ${number}`)
    const { tree } = await openPoint(op, await Repository.open(op, store, KEY_FILE), point)
    const entries = (await all(tree.entries(op))).filter(({ ancestor }) => !ancestor)
    // The first has folders on the way, in which others make and remove things.
    const pages = (await all(tree.pages(op))).slice(1)
    assert.ok(pages.length > 0)
    return { entries, pages }
  }
  let number = 0
  const change = fc.record({ name: fc.nat(700), to: fc.option(content), many: fc.integer({ min: 1, max: 3 }) })
  const write = (name: number, to: { seed: string; length: number } | null) => {
    const path = join(folder, `file ${String(name).padStart(4, '0')}`)
    if (to) writeFileSync(path, noise(to.seed, to.length))
    else rmSync(path, { force: true })
  }
  // More than a few files in parts at a time would make bundles end where the reading of those stands.
  for (let name = 0; name < 700; name++) write(name, { seed: String(name), length: name % 350 === 0 ? 800_000 : (name * 37) % 2_000 })
  await backUpPaths(anOperation('first'), store, [folder], { source: 'a', ...settings })
  const property = fc.asyncProperty(fc.array(change, { maxLength: 3 }), async (changes) => {
    for (const { name, to, many } of changes) for (let n = 0; n < many; n++) write(name + n, to)
    number++
    const forced = await backUpPaths(anOperation(`a ${number}`), store, [folder], { source: 'a', ...settings })
    const first = await backUpPaths(anOperation(`b ${number}`), store, [folder], { source: `b ${number}`, ...settings })
    const [now, wanted] = [await treeOf(forced.point), await treeOf(first.point)]
    assert.deepEqual(now.entries, wanted.entries)
    assert.deepEqual(now.pages, wanted.pages)
  })
  await fc.assert(property, runs(12))
  assert.deepEqual(await damageIn(anOperation('verify'), store), [])
})

const id = (n: number) => Buffer.alloc(32, n)
const data = (n: number, offset: number, length: number): Extent => ({ kind: 'data', chunk: id(n), offset, length })

test('files that go on with a chunk are one chunk; a gap, or one that is not begun, is none', () => {
  const expected = new ExpectedChunks()
  expected.add(0, [data(1, 0, 10)])
  expected.add(10, [data(1, 10, 5), data(2, 0, 7)])
  expected.add(22, [data(2, 8, 3)])
  expected.add(25, [data(3, 4, 5), data(3, 0, 5)])
  expected.add(35, [{ kind: 'hole', length: 5 }, data(3, 5, 5)])
  expected.add(45, [data(4, 0, 1), data(4, 0, 1)])
  const found: unknown[] = []
  for (let at = 0; at < 50; at++) {
    const chunk = expected.find(at)
    if (chunk) found.push([chunk.start, chunk.end, chunk.id[0]])
  }
  const chunks = [
    [0, 15, 1],
    [15, 22, 2],
    [30, 35, 3],
    [45, 46, 4],
    [46, 47, 4],
  ]
  assert.deepEqual(found, chunks)
})
