import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemDisk } from '../../platform/index.ts'
import { encodeKeyBundle, openWriteSession, PACK_CLASS } from '../../repository/index.ts'
import { createLocalDiskStore } from '../../storage/index.ts'
import type { Extent } from '../entry.ts'
import { foldExtents } from '../tree/content-list.ts'
import { file, makePoint, makeTree, noise, operation } from './made-points.fixture.ts'

const PIECE_BYTES = 64
const PIECES = 200_000
const HOLE_EVERY = 1000
const HOLE_BYTES = 1_000_000_000
const MOST_MIB = 320

test('a file of 200 GB in two hundred thousand extents is restored within a small heap', async (t) => {
  const op = operation(t.name)
  const folder = temporaryFolder(t)
  const pool = join(folder, 'pool')
  const target = join(folder, 'target')
  const content = noise(1_048_576, 'content')
  const store = await createLocalDiskStore(op, systemDisk(), pool)
  const made = await makePoint(op, { content: file(content) }, { store })
  const whole = made.entries[0]?.extents[0]
  assert.ok(whole?.kind === 'data')
  const extents: Extent[] = []
  let sizeBytes = 0
  for (let i = 0; i < PIECES; i++) {
    if (i % HOLE_EVERY === HOLE_EVERY - 1) extents.push({ kind: 'hole', length: HOLE_BYTES })
    extents.push({ ...whole, offset: (i * PIECE_BYTES) % content.length, length: PIECE_BYTES })
  }
  for (const { length } of extents) sizeBytes += length
  const session = await openWriteSession(op, made.repository, { release: async () => {} })
  const lists = session.chunkWriter(PACK_CLASS.tree)
  const folded = await foldExtents(op, lists, extents)
  await lists.flush(op)
  await session.end()
  await makeTree(op, made.repository, [[Buffer.from('huge'), { sizeBytes, extents: folded }]])

  const fixture = join(import.meta.dirname, 'restore-within.fixture.ts')
  const order = { pool, bundle: encodeKeyBundle(made.repository.bundle).toString('hex'), target }
  const answer = execFileSync(process.execPath, ['--max-old-space-size=48', fixture], { input: JSON.stringify(order), encoding: 'utf8' })
  const { peakMib, ...report } = JSON.parse(answer)
  assert.deepEqual(report, { filesRestored: 1, filesFailed: 0, bytesWritten: PIECES * PIECE_BYTES })
  assert.ok(peakMib < MOST_MIB, `${peakMib} MiB`)
  assert.equal(statSync(join(target, 'huge')).size, sizeBytes)
  const fd = openSync(join(target, 'huge'), 'r')
  let at = 0
  for (const extent of extents) {
    if (extent.kind === 'data' && at % 997 === 0) {
      const found = Buffer.alloc(extent.length)
      readSync(fd, found, 0, found.length, at)
      assert.ok(found.equals(content.subarray(extent.offset, extent.offset + extent.length)), `at ${at}`)
    }
    at += extent.length
  }
  closeSync(fd)
})
