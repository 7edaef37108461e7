/** Damage of the recovery point before that a backup meets: what can't be read is not named by the new point. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  anOperation,
  aPool,
  aSession,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  filesOf,
  KEY_FILE,
  noise,
} from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemRandom } from '../../base/random.ts'
import { systemDisk } from '../../platform/index.ts'
import { readDamageList } from '../../repository/damage-list.ts'
import { CHUNK_TYPE, locate, noteDamage, packName, Repository } from '../../repository/index.ts'
import { createLocalDiskStore, type PruningStore } from '../../storage/index.ts'

const LARGE = noise('large', 600_000)

/** A pool with one point of a file whose extents stand in lists, and where each list is. */
async function aPoolWithLists(folder: string, store: PruningStore) {
  await aPool(anOperation('making'), { store })
  await backUpPaths(anOperation('first'), store, [folder])
  const op = anOperation('looking')
  const { index, repository } = await aSession(op, store)
  const lists = [...index.ids()].map((id) => locate(index, Buffer.from(id))).filter(({ record }) => record.type === CHUNK_TYPE.list)
  return { repository, lists }
}

test('a content list that rotted is stored again by whoever reads its file, in whatever thread', async (t) => {
  for (const settings of [{}, { lanes: 2 }]) {
    const folder = aSourceTree(t, { 'large.bin': LARGE })
    const path = join(temporaryFolder(t), 'pool')
    const store = await createLocalDiskStore(anOperation('store'), systemDisk(), path)
    const { repository, lists } = await aPoolWithLists(folder, store)
    const [list] = lists
    assert.ok(list)
    flipByte(join(path, packName(list.pack)), list.record.offset)
    // Something else is known to be damaged: then lists are looked at.
    await noteDamage(anOperation('noting'), repository, new Map([['ab'.repeat(32), 'all']]))
    const op = anOperation('second', { random: systemRandom() })
    const workers = 'lanes' in settings ? { ...settings, workerStore: { kind: 'local', path } as const } : {}
    const { point } = await backUpPaths(op, store, [folder], workers)
    const codes = op.warnings.map(({ code }) => code)
    assert.deepEqual(codes, ['CHUNK_DAMAGED'])
    const files = await filesOf(anOperation('reading'), await Repository.open(op, store, KEY_FILE), point, folder)
    assertSameBytes(files.get('large.bin'), LARGE, 'large.bin')
    const noted = (await readDamageList(anOperation('list'), repository)).get(list.pack)
    assert.deepEqual([...(noted ?? [])], [list.record.id.toString('hex')])
  }
})

function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] as number) ^ 1
  chmodSync(file, 0o600)
  writeFileSync(file, bytes)
}
