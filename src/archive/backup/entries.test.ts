import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anEntry } from '../../../test/support/trees.ts'
import type { FileStat } from '../../platform/index.ts'
import { isUnchanged } from './entries.ts'
import { isFresh } from './lane.ts'

function aStat(given: Partial<FileStat> = {}): FileStat {
  const { kind, mode, uid, gid, sizeBytes, mtimeSec, mtimeNs, ctimeSec, ctimeNs, bornSec, bornNs, dev, ino, links } = anEntry('f')
  const base = { kind, mode, uid, gid, sizeBytes, mtimeSec, mtimeNs, ctimeSec, ctimeNs, bornSec, bornNs, dev, ino, links }
  return { ...base, blocks512: 0, rdevMajor: 0, rdevMinor: 0, mountId: undefined, ...given }
}

test('an entry with the same kind, size, times and inode is unchanged', () => {
  assert.ok(isUnchanged(anEntry('f'), aStat()))
})

test('a new file is not unchanged, nor is one that was unsettled', () => {
  assert.ok(!isUnchanged(undefined, aStat()))
  assert.ok(!isUnchanged(anEntry('f', { unsettled: true }), aStat()))
})

test('any difference of size, times, inode or kind is a change', () => {
  const differences: Partial<FileStat>[] = [
    { sizeBytes: 1 },
    { mtimeSec: 1 },
    { mtimeNs: 1 },
    { ctimeSec: 1 },
    { ctimeNs: 1 },
    { ino: 1 },
    { kind: 'folder' },
  ]
  for (const given of differences) assert.ok(!isUnchanged(anEntry('f'), aStat(given)), JSON.stringify(given))
})

test('what changed within 20 ms of being read is fresh (R23)', () => {
  const stat = aStat({ ctimeSec: 1000, ctimeNs: 500_000_000 })
  const changedMs = 1_000_500
  assert.equal(isFresh(stat, changedMs), true)
  assert.equal(isFresh(stat, changedMs + 19), true)
  assert.equal(isFresh(stat, changedMs + 20), true)
  assert.equal(isFresh(stat, changedMs + 21), false)
  assert.equal(isFresh(stat, changedMs - 5000), true)
})

test('where times have whole seconds only, two seconds are fresh', () => {
  const stat = aStat({ ctimeSec: 1000, ctimeNs: 0 })
  assert.equal(isFresh(stat, 1_002_000), true)
  assert.equal(isFresh(stat, 1_002_001), false)
})
