/** Who holds the id key, as agents do, can make two chunks whose ids begin alike: 2³² tries for eight bytes. What is needed stays needed all the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, aPool } from '../../../test/support/pool.ts'
import { MemoryStore } from '../../storage/index.ts'
import { openSegments } from '../index/open-index.ts'
import { encodeSegment } from '../index/segment.ts'
import { CHUNK_TYPE, type ChunkType } from '../keys/hierarchy.ts'
import { LiveSet } from './live-set.ts'
import { SurveyIndex } from './survey-index.ts'

function idLike(last: number): Buffer {
  return Buffer.alloc(32, 7).fill(last, 20)
}

async function segmentsOf(...chunks: readonly { readonly id: Buffer; readonly type: ChunkType }[]) {
  const op = anOperation('segments')
  const store = new MemoryStore('segments')
  const { keys } = await aPool(op, { store })
  const files = []
  for (const [n, { id, type }] of chunks.entries()) {
    const record = { id, offset: 80, storedBytes: 100, contentBytes: 84, type, compression: 0 } as const
    const segment = encodeSegment(op.random, keys, [{ sha256: String(n).repeat(64), sizeBytes: 1000, records: [record] }])
    const one = new MemoryStore(segment.name)
    await one.put(op, segment.name, segment.bytes)
    files.push(...(await openSegments(op, one, keys)).files)
  }
  return files
}

test('a page is not taken for seen, nor a chunk of content for a page, since another of another segment begins alike', async () => {
  const [page, data] = [idLike(1), idLike(2)]
  const files = await segmentsOf({ id: data, type: CHUNK_TYPE.data }, { id: page, type: CHUNK_TYPE.page })
  const set = new LiveSet(new SurveyIndex(files))
  assert.equal(set.mark(data), 'data')
  assert.equal(set.mark(page), 'tree')
  assert.equal(set.mark(page), 'seen')
  assert.equal(set.count, 2)
})

test('a page that came later is not taken for one that was there', async () => {
  const [page, data] = [idLike(1), idLike(2)]
  const [here, later] = await segmentsOf({ id: data, type: CHUNK_TYPE.data }, { id: page, type: CHUNK_TYPE.page })
  assert.ok(here && later)
  const set = new LiveSet(new SurveyIndex([here]))
  set.addLater(new SurveyIndex([later]))
  assert.equal(set.mark(data), 'data')
  assert.equal(set.mark(page), 'tree')
  assert.equal(set.mark(page), 'seen')
})
