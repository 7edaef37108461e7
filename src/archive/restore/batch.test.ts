import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { serialize } from 'node:v8'
import fc from 'fast-check'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { O_DIRECTORY, O_RDONLY, openPath } from '../../platform/index.ts'
import { CHUNK_TYPE, type ChunkLocation } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import { ChunkTableBuilder, contentBytesOf, extentsOf, FileTableBuilder, fileCount, idOf, locationOf, orderOf } from './batch.ts'
import { LargeFile } from './large-file.ts'
import { makePoint, operation } from './made-points.fixture.ts'
import { noMisses, type Part } from './plan.ts'
import { planWindows } from './windows.ts'

const PLAIN = {
  mode: 0o600,
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  mtimeSec: 1,
  mtimeNs: 0,
  flags: undefined,
  xattrs: [],
}
const number = fc.nat({ max: 0xffffffff })
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const spot = fc.record(
  {
    pack: fc.constantFrom('a', 'b', 'c'),
    offset: number,
    storedBytes: number,
    compression: fc.constantFrom(0 as const, 1 as const),
  },
  { noNullPrototype: true },
)

test('what a batch packs comes out again', () => {
  const chunk = fc.record({ id, contentBytes: number, copies: fc.array(spot, { minLength: 1, maxLength: 3 }) })
  const metadata = fc.record(
    {
      mode: fc.nat({ max: 0o7777 }),
      uid: number,
      gid: number,
      mtimeSec: fc.integer({ min: -1e11, max: 1e11 }),
      mtimeNs: fc.nat({ max: 999_999_999 }),
      flags: fc.option(number, { nil: undefined }),
      xattrs: fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 2 }),
    },
    { noNullPrototype: true },
  )
  const file = fc.record(
    {
      name: fc.uint8Array({ minLength: 1, maxLength: 255 }),
      folder: fc.nat({ max: 60 }),
      metadata,
      sizeBytes: fc.nat(),
      links: fc.nat(),
      leads: fc.boolean(),
      extents: fc.nat({ max: 9 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(chunk), fc.array(file), (chunks, files) => {
      const tables = new ChunkTableBuilder()
      const rows = new FileTableBuilder()
      const locations = chunks.map(({ id, contentBytes, copies }) => {
        const [first, ...others] = copies.map(({ pack, ...where }): ChunkLocation => {
          return { pack, record: { ...where, id, contentBytes, type: CHUNK_TYPE.data } }
        })
        return { ...(first as ChunkLocation), ...(others.length > 0 ? { others } : {}) }
      })
      for (const location of locations) tables.addChunk(location)
      let at = 0
      for (const { name, extents, ...order } of files) {
        rows.add(order, Buffer.from(name), { from: at, to: at + extents })
        at += extents
      }
      const batch = structuredClone({ ...tables.finish(), ...rows.finish() })
      locations.forEach((location, n) => {
        assert.deepEqual(locationOf(batch, n), location)
        assert.equal(contentBytesOf(batch, n), location.record.contentBytes)
        assert.ok(idOf(batch, n).equals(location.record.id))
      })
      assert.equal(fileCount(batch), files.length)
      let from = 0
      files.forEach(({ name, extents, ...order }, n) => {
        assert.deepEqual(orderOf(batch, n), { ...order, name: Buffer.from(name).toString('latin1') })
        assert.deepEqual(extentsOf(batch, n), { from, to: from + extents })
        from += extents
      })
    }),
  )
})

test('windows hold all pieces in order, each with its chunks, and no more content than fits', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 20 })
  const files = fc.array(fc.array(fc.nat(), { maxLength: 12 }), { maxLength: 8 })
  fc.assert(
    fc.property(sizes, files, (contentBytes, given) => {
      const flat = given.flat().map((n) => (n % (contentBytes.length + 1)) - 1)
      const table = {
        extents: new Float64Array(flat.flatMap((chunk) => [chunk, 0, 1])),
        chunks: new Float64Array(contentBytes.flatMap((bytes) => [bytes, 0, 1])),
      }
      const starts = given.map((_, n) => given.slice(0, n).reduce((sum, { length }) => sum + length, 0))
      const rowsOf = (n: number) => ({ from: starts[n] as number, to: (starts[n] as number) + (given[n] as number[]).length })
      const seen: number[] = []
      const ended: number[] = []
      for (const { pieces, chunks } of planWindows({ table, files: [...given.keys()], extentsOf: rowsOf, isDropped: () => false }, 150)) {
        const bytes = [...chunks].reduce((sum, chunk) => sum + (contentBytes[chunk] as number), 0)
        assert.ok(bytes <= 150 || chunks.size === 1)
        for (const { file, from, to, ends } of pieces) {
          for (let row = from; row < to; row++) {
            seen.push(row)
            if ((flat[row] as number) >= 0) assert.ok(chunks.has(flat[row] as number))
          }
          if (ends) ended.push(file)
        }
      }
      assert.deepEqual(seen, [...flat.keys()])
      assert.deepEqual(ended, [...given.keys()])
    }),
  )
})

test('a file of a hundred thousand extents crosses to lanes in small messages', async (t) => {
  const op = operation(t.name)
  const made = await makePoint(op, { one: { content: 'some content' } })
  const chunk = made.entries[0]?.extents[0]
  assert.ok(chunk)
  const { index } = await made.repository.loadIndex(op)
  const count = 100_000
  const hole: Extent = { kind: 'hole', length: 1_000_000 }
  const target = temporaryFolder(t)
  let most = 0
  let parts = 0
  let position = 0
  const large = new LargeFile({
    index,
    overwrite: 'always',
    folder: { fd: openPath(target, O_RDONLY | O_DIRECTORY), isNew: true, inherits: false },
    order: { folder: 0, name: 'huge', metadata: PLAIN, sizeBytes: (count / 2) * (12 + 1_000_000), links: 1, leads: false },
    misses: noMisses(),
    async *content() {
      for (let i = 0; i < count; i++) yield i % 2 === 0 ? (chunk as Extract<Extent, { kind: 'data' }>) : hole
    },
    async send(part: Part) {
      if (++parts % 1000 === 1) most = Math.max(most, serialize(part).length)
      assert.equal(part.position, position)
      for (let at = 2; at < part.extents.length; at += 3) position += part.extents[at] as number
      return { answer: Promise.resolve({ bytesWritten: 0, bytesSame: 0, differs: true }) }
    },
  })
  assert.deepEqual(await large.restore(op), { kind: 'restored' })
  assert.equal(statSync(join(target, 'huge')).size, position)
  assert.ok(most < 262_144, `${most} bytes`)
})
