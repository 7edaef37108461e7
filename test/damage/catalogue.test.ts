/** The catalogue of damages: what is done to a pool → the exact findings, what can still be read, and what the next backup heals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyRepository } from '../../src/archive/index.ts'
import { noteDamage, Repository } from '../../src/repository/index.ts'
import type { MemoryStore } from '../../src/storage/index.ts'
import { aDamagedPool, type DamagedPool, flip, readable } from '../support/damaged-pool.ts'
import { anOperation, backUpPaths, KEY_FILE, namesIn } from '../support/pool.ts'

interface Damage {
  readonly what: string
  readonly harm: (store: MemoryStore, pool: DamagedPool) => void
  /** `code object [recovery points]`; hints too. Objects of `pool` by their key there. */
  readonly findings: readonly string[]
  /** Files that can still be read, by recovery point; everything where nothing is said. */
  readonly reads?: readonly [first: string, second: string]
  /** Findings after another backup of the same source; none where nothing is said. */
  readonly afterBackup?: readonly string[]
  /** The tree of the new point is the same as the lost one only if no folder on the way there changed meanwhile; /tmp is everybody's. */
  readonly mayHeal?: boolean
  /** What the newest recovery point after that gives back; everything where nothing is said. */
  readonly newest?: string
}

const BOTH = 'shared only'
/** The first recovery point has `shared`, the second `shared` and `only`: each in packs of its own. */
const CATALOGUE: readonly Damage[] = [
  {
    what: 'a bit flipped in a chunk of one point',
    harm: (store, pool) => store.tamper(pool.data2, flip(100)),
    findings: ['CHUNK_DAMAGED data2 [second]'],
    reads: ['shared', 'shared'],
    afterBackup: ['CHUNK_DAMAGED data2 [second third]'],
    newest: 'shared',
  },
  {
    what: 'a bit flipped in a chunk that two points share',
    harm: (store, pool) => store.tamper(pool.data1, flip(100)),
    findings: ['CHUNK_DAMAGED data1 [first second]'],
    reads: ['', 'only'],
    afterBackup: ['CHUNK_DAMAGED data1 [first second third]'],
    newest: 'only',
  },
  {
    what: 'a bit flipped in the tree of one point',
    harm: (store, pool) => store.tamper(pool.tree2, flip(100)),
    findings: ['CHUNK_DAMAGED tree2 [second]'],
    reads: ['shared', 'unreadable'],
    afterBackup: ['CHUNK_DAMAGED tree2 []'],
    mayHeal: true,
  },
  {
    what: 'a bit flipped in the version of a pack',
    harm: (store, pool) => store.tamper(pool.data2, flip(8)),
    findings: ['OBJECT_VERSION_UNKNOWN data2 [second]'],
    reads: ['shared', 'shared'],
    afterBackup: ['OBJECT_VERSION_UNKNOWN data2 [second third]'],
    newest: 'shared',
  },
  {
    what: 'a bit flipped in the salt of a pack',
    harm: (store, pool) => store.tamper(pool.data2, flip(20)),
    findings: ['PACK_DAMAGED data2 [second]'],
    reads: ['shared', 'shared'],
    afterBackup: ['PACK_DAMAGED data2 [second third]'],
    newest: 'shared',
  },
  {
    what: 'a bit flipped in the directory of a pack',
    harm: (store, pool) => store.tamper(pool.data2, flip(-60)),
    findings: ['PACK_DAMAGED data2 [second]'],
    afterBackup: ['PACK_DAMAGED data2 [second third]'],
  },
  {
    what: 'a bit flipped in the footer of a pack',
    harm: (store, pool) => store.tamper(pool.data2, flip(-30)),
    findings: ['PACK_DAMAGED data2 [second]'],
    afterBackup: ['PACK_DAMAGED data2 [second third]'],
  },
  {
    what: 'a bit flipped where a pack has only zeros',
    harm: (store, pool) => store.tamper(pool.data2, flip(-12)),
    findings: ['PACK_DAMAGED data2 []'],
    afterBackup: ['PACK_DAMAGED data2 []'],
  },
  {
    what: 'a pack cut short by one byte',
    harm: (store, pool) => store.tamper(pool.data2, (bytes) => bytes.subarray(0, -1)),
    findings: ['PACK_DAMAGED data2 [second]'],
    afterBackup: ['PACK_DAMAGED data2 []'],
  },
  {
    what: 'a pack of no bytes',
    harm: (store, pool) => store.tamper(pool.data1, () => Buffer.alloc(0)),
    findings: ['PACK_DAMAGED data1 [first second]'],
    reads: ['', 'only'],
    afterBackup: ['PACK_DAMAGED data1 []'],
  },
  {
    what: 'a missing pack: its chunks are stored again while the source still has them',
    harm: (store, pool) => store.tamper(pool.data1, () => undefined),
    findings: ['PACK_MISSING data1 [first second]'],
    reads: ['', 'only'],
    afterBackup: ['PACK_MISSING data1 []'],
  },
  {
    what: 'a missing pack of a tree',
    harm: (store, pool) => store.tamper(pool.tree2, () => undefined),
    findings: ['PACK_MISSING tree2 [second]'],
    reads: ['shared', 'unreadable'],
    afterBackup: ['PACK_MISSING tree2 []'],
    mayHeal: true,
  },
  {
    what: 'a pack under the name of another hash: taken in by the next backup',
    harm: (store, pool) => rename(store, pool.data2, pool.strangePack),
    findings: ['PACK_MISSING data2 []', 'PACK_DAMAGED strangePack []', 'PACK_UNLISTED strangePack []'],
    afterBackup: ['PACK_MISSING data2 []', 'PACK_DAMAGED strangePack []'],
  },
  {
    what: 'a file among the packs that is none',
    harm: (store) => put(store, 'packs/ab/readme.txt', Buffer.from('hello')),
    findings: ['STORAGE_NAME_INVALID packs/ab/readme.txt []'],
    afterBackup: ['STORAGE_NAME_INVALID packs/ab/readme.txt []'],
  },
  {
    what: 'a bit flipped in an index segment: made again from the packs',
    harm: (store, pool) => store.tamper(pool.segment2, flip(200)),
    findings: ['INDEX_SEGMENT_DAMAGED segment2 []', 'PACK_UNLISTED data2 []', 'PACK_UNLISTED tree2 []'],
  },
  {
    what: 'a bit flipped in a block of an index segment, which nobody reads who opens it',
    harm: (store, pool) => store.tamper(pool.segment1, flip(-20)),
    findings: ['INDEX_SEGMENT_DAMAGED segment1 []', 'PACK_UNLISTED data1 []', 'PACK_UNLISTED tree1 []'],
  },
  {
    what: 'an index segment of no bytes',
    harm: (store, pool) => store.tamper(pool.segment1, () => Buffer.alloc(0)),
    findings: ['INDEX_SEGMENT_DAMAGED segment1 []', 'PACK_UNLISTED data1 []', 'PACK_UNLISTED tree1 []'],
  },
  {
    what: 'a missing index segment',
    harm: (store, pool) => store.tamper(pool.segment2, () => undefined),
    findings: ['PACK_UNLISTED data2 []', 'PACK_UNLISTED tree2 []'],
  },
  {
    what: 'a bit flipped in the newest manifest',
    harm: (store, pool) => store.tamper(pool.manifest2, flip(-5)),
    findings: ['MANIFEST_DAMAGED manifest2 []'],
    reads: ['shared', 'gone'],
    afterBackup: ['MANIFEST_DAMAGED manifest2 []'],
  },
  {
    what: 'a bit flipped in a manifest that another follows',
    harm: (store, pool) => store.tamper(pool.manifest1, flip(150)),
    findings: ['MANIFEST_DAMAGED manifest1 []'],
    reads: ['gone', BOTH],
    afterBackup: ['MANIFEST_DAMAGED manifest1 []'],
  },
  {
    what: 'a manifest of no bytes',
    harm: (store, pool) => store.tamper(pool.manifest2, () => Buffer.alloc(0)),
    findings: ['MANIFEST_DAMAGED manifest2 []'],
    reads: ['shared', 'gone'],
    afterBackup: ['MANIFEST_DAMAGED manifest2 []'],
  },
  {
    what: 'a missing manifest that another follows',
    harm: (store, pool) => store.tamper(pool.manifest1, () => undefined),
    findings: ['MANIFEST_MISSING manifest2 []'],
    reads: ['gone', BOTH],
    afterBackup: ['MANIFEST_MISSING manifest2 []'],
  },
  {
    what: 'a manifest copied to another source',
    harm: (store, pool) => copy(store, pool.manifest1, pool.strangeManifest),
    findings: ['MANIFEST_DAMAGED strangeManifest []'],
    afterBackup: ['MANIFEST_DAMAGED strangeManifest []'],
  },
  {
    what: 'a bit flipped in one copy of FORMAT: made again from the other',
    harm: (store) => store.tamper('FORMAT', flip(30)),
    findings: ['REPOSITORY_FORMAT_DAMAGED FORMAT []'],
  },
  {
    what: 'one copy of FORMAT missing',
    harm: (store) => store.tamper('FORMAT.copy', () => undefined),
    findings: ['REPOSITORY_FORMAT_DAMAGED FORMAT.copy []'],
  },
  {
    what: 'a bit flipped in one copy of a key slot',
    harm: (store, pool) => store.tamper(pool.slot, flip(30)),
    findings: ['KEY_SLOT_DAMAGED slot []'],
    afterBackup: ['KEY_SLOT_DAMAGED slot []'],
  },
  {
    what: 'a bit flipped in the configuration',
    harm: (store, pool) => store.tamper(pool.configuration, flip(100)),
    findings: ['CONFIGURATION_DAMAGED configuration []'],
    afterBackup: ['CONFIGURATION_DAMAGED configuration []'],
  },
  { what: 'no epoch', harm: (store, pool) => store.tamper(pool.epoch, () => undefined), findings: [] },
]

function put(store: MemoryStore, name: string, bytes: Buffer): void {
  store.put(anOperation('damaging'), name, bytes).catch((error: unknown) => assert.fail(String(error)))
}

function copy(store: MemoryStore, from: string, to: string): void {
  store.tamper(from, (bytes) => {
    put(store, to, bytes)
    return bytes
  })
}

function rename(store: MemoryStore, from: string, to: string): void {
  copy(store, from, to)
  store.tamper(from, () => undefined)
}

async function findingsOf(store: MemoryStore, pool: DamagedPool, ids: Record<string, string>): Promise<string[]> {
  const op = anOperation('verifying')
  const { findings } = await verifyRepository(op, await Repository.open(op, store, KEY_FILE), { readData: true })
  const keyOf = (object: string) => Object.entries(pool).find(([, value]) => value === object)?.[0] ?? object
  return findings
    .map(
      ({ code, object, recoveryPoints }) =>
        `${code} ${keyOf(object)} [${recoveryPoints
          .map((id) => ids[id] ?? id)
          .sort()
          .join(' ')}]`,
    )
    .sort()
}

for (const { what, harm, findings, reads = ['shared', BOTH], afterBackup = [], mayHeal = false, newest = BOTH } of CATALOGUE) {
  test(what, async (t) => {
    const pool = await aDamagedPool(t)
    const { store } = pool
    harm(store, pool)
    const ids: Record<string, string> = { [pool.first.id]: 'first', [pool.second.id]: 'second' }
    assert.deepEqual(await findingsOf(store, pool, ids), [...findings].sort())
    assert.deepEqual([await readable(store, pool, pool.first.id), await readable(store, pool, pool.second.id)], reads)
    const { point } = await backUpPaths(anOperation(`after ${what}`), store, [pool.folder], { forceRead: true })
    const later = await findingsOf(store, pool, { ...ids, [point.id]: 'third' })
    assert.deepEqual(mayHeal ? later.map((text) => text.replace('[second]', '[]')) : later, [...afterBackup].sort())
    assert.equal(await readable(store, pool, point.id), newest)
  })
}

test('both copies of FORMAT or of the only key slot damaged: the pool does not open, and says why', async (t) => {
  const pool = await aDamagedPool(t)
  const op = anOperation('opening')
  for (const [names, code] of [
    [['FORMAT', 'FORMAT.copy'], 'REPOSITORY_FORMAT_DAMAGED'],
    [[pool.slot, pool.slot.replace(/key$/, 'copy')], 'KEY_SLOT_DAMAGED'],
  ] as const) {
    const store = pool.store.clone()
    for (const name of names) store.tamper(name, flip(30))
    await assert.rejects(Repository.open(op, store, KEY_FILE), { code })
  }
})

test('a damaged segment is replaced before it is put aside, and a second backup has nothing left to do', async (t) => {
  const pool = await aDamagedPool(t)
  pool.store.tamper(pool.segment1, flip(300))
  const op = anOperation('replacing')
  await backUpPaths(op, pool.store, [pool.folder])
  const names = await namesIn(op, pool.store, 'index/')
  assert.ok(!names.includes(pool.segment1))
  await backUpPaths(op, pool.store, [pool.folder])
  const later = await namesIn(op, pool.store, 'index/')
  assert.ok(names.every((name) => later.includes(name)))
})

test('files whose chunks are lost are read again without being told to, though nothing about them changed', async (t) => {
  const pool = await aDamagedPool(t)
  pool.store.tamper(pool.data1, () => undefined)
  const { point } = await backUpPaths(anOperation('healing'), pool.store, [pool.folder])
  for (const id of [pool.first.id, pool.second.id, point.id]) {
    assert.equal(await readable(pool.store, pool, id), id === pool.first.id ? 'shared' : BOTH)
  }
})

test('a list of damage that is damaged itself keeps no backup from being made', async (t) => {
  const pool = await aDamagedPool(t)
  const op = anOperation('noting')
  await noteDamage(op, await Repository.open(op, pool.store, KEY_FILE), new Map([[pool.data1.slice(9, -5), 'all']]))
  const name = (await namesIn(op, pool.store, 'conf/')).find((one) => one.includes('damage'))
  assert.ok(name)
  pool.store.tamper(name, flip(-3))
  const { point } = await backUpPaths(op, pool.store, [pool.folder])
  assert.equal(await readable(pool.store, pool, point.id), BOTH)
  assert.ok(op.warnings.some(({ code }) => code === 'CONFIGURATION_DAMAGED'))
})
