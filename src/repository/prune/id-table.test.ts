import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { INDEX_RECORD_BYTES } from '../index/segment.ts'
import { IdTable } from './id-table.ts'

/** Few different bytes, so that ids begin alike often, and some stand there several times. */
const anId = fc.tuple(fc.constantFrom(0, 1, 255), fc.constantFrom(0, 7), fc.constantFrom(0, 1, 2)).map(([first, ninth, last]) => {
  const id = Buffer.alloc(32)
  id[0] = first
  id[1] = ninth
  id[31] = last
  return id
})

function tableOf(ids: readonly Buffer[], perBlock: number): IdTable {
  const table = new IdTable(ids.length)
  for (let at = 0; at < ids.length; at += perBlock)
    table.addBlock(Buffer.concat(ids.slice(at, at + perBlock).map((id) => Buffer.concat([id], INDEX_RECORD_BYTES))))
  table.finish()
  return table
}

function find(table: IdTable, id: Buffer, first = 0): number[] {
  const found: number[] = []
  table.find(id, first, found)
  return found
}

test('every record of a chunk is found, and it is known whether others begin alike', () => {
  fc.assert(
    fc.property(fc.array(anId, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), anId, (unsorted, perBlock, other) => {
      const ids = unsorted.toSorted((a, b) => a.compare(b))
      const table = tableOf(ids, perBlock)
      for (const id of [...ids, other]) {
        const found = find(table, id, 100)
        const equal = ids.flatMap((one, n) => (one.equals(id) ? [100 + n] : []))
        assert.ok(equal.every((n) => found.includes(n)))
        for (const n of found) assert.ok(ids[n - 100]?.subarray(0, 8).equals(id.subarray(0, 8)))
        if (equal.length > 0 && !table.hasAlike) assert.deepEqual(found, equal)
      }
      const alike = ids.some(
        (id, n) => n > 0 && !id.equals(ids[n - 1] as Buffer) && id.subarray(0, 8).equals((ids[n - 1] as Buffer).subarray(0, 8)),
      )
      assert.equal(table.hasAlike, alike)
    }),
  )
})

test('many ids, each in its place', () => {
  const ids = Array.from({ length: 20_000 }, (_, n) => {
    const id = Buffer.alloc(32)
    id.writeUInt32BE(Math.imul(n, 0x9e3779b1) >>> 0, 0)
    id.writeUInt32BE(n, 4)
    return id
  }).sort((a, b) => a.compare(b))
  const table = tableOf(ids, 1024)
  for (const [n, id] of ids.entries()) assert.deepEqual(find(table, id), [n])
  assert.deepEqual(find(table, Buffer.alloc(32, 3)), [])
  assert.equal(table.hasAlike, false)
})

test('records that are not sorted are refused', () => {
  const [low, high] = [Buffer.alloc(32), Buffer.alloc(32, 255)]
  assert.throws(() => tableOf([high, low], 10), /sorted by id/)
})
