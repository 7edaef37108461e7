/** Damage of the recovery point before that a backup meets: what can't be read is not named by the new point. */
import assert from 'node:assert/strict'
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
import { readDamageList } from '../../repository/damage-list.ts'
import { CHUNK_TYPE, locate, noteDamage, packName, Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'

const LARGE = noise('large', 600_000)

/** A pool with one point of a file whose extents stand in lists, and where each list is. */
async function aPoolWithLists(folder: string) {
  const store = new MemoryStore()
  await aPool(anOperation('making'), { store })
  await backUpPaths(anOperation('first'), store, [folder])
  const op = anOperation('looking')
  const { index, repository } = await aSession(op, store)
  const lists = [...index.ids()].map((id) => locate(index, Buffer.from(id))).filter(({ record }) => record.type === CHUNK_TYPE.list)
  return { store, repository, lists }
}

test('a content list that rotted is stored again by whoever reads its file', async (t) => {
  const folder = aSourceTree(t, { 'large.bin': LARGE })
  const { store, repository, lists } = await aPoolWithLists(folder)
  const [list] = lists
  assert.ok(list)
  store.tamper(packName(list.pack), (bytes) => {
    bytes[list.record.offset] = (bytes[list.record.offset] as number) ^ 1
    return bytes
  })
  // Something else is known to be damaged: then lists are looked at.
  await noteDamage(anOperation('noting'), repository, new Map([['ab'.repeat(32), 'all']]))
  const op = anOperation('second')
  const { point } = await backUpPaths(op, store, [folder])
  assert.deepEqual(
    op.warnings.map(({ code }) => code),
    ['CHUNK_DAMAGED'],
  )
  const files = await filesOf(anOperation('reading'), await Repository.open(op, store, KEY_FILE), point, folder)
  assertSameBytes(files.get('/large.bin') ?? files.get('large.bin'), LARGE, 'large.bin')
  const noted = (await readDamageList(anOperation('list'), repository)).get(list.pack)
  assert.deepEqual([...(noted ?? [])], [list.record.id.toString('hex')])
})
