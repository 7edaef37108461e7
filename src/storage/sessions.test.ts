import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { startOperation } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { createLocalDiskStore, MemoryStore, type PruningStore } from './index.ts'

const STORES: readonly [string, (t: TestContext) => Promise<PruningStore>][] = [
  ['a folder', (t) => createLocalDiskStore(startOperation(), systemDisk(), temporaryFolder(t))],
  ['memory', async () => new MemoryStore()],
]

for (const [what, aStore] of STORES) {
  test(`${what}: a session is known with what it told, until it is released`, async (t) => {
    const op = startOperation()
    const { sessions } = await aStore(t)
    assert.deepEqual(await sessions.live(op), [])
    const one = await sessions.gate(op, () => sessions.announce(op, 'one'))
    await one.tell(['pack a', 'pack b'])
    await one.tell(['pack c'])
    assert.deepEqual(await sessions.live(op, { clean: true }), [{ name: 'one', lines: ['pack a', 'pack b', 'pack c'] }])
    assert.ok(await one.isStanding(op))
    await one.release()
    await one.release()
    assert.equal(await one.isStanding(op), false)
    assert.deepEqual(await sessions.live(op), [])
  })

  test(`${what}: one at a time is inside the gate, and an error leaves it open`, async (t) => {
    const op = startOperation()
    const { sessions } = await aStore(t)
    let inside = 0
    const enter = () =>
      sessions.gate(op, async () => {
        assert.equal(++inside, 1)
        await op.clock.sleep(2)
        inside--
      })
    await Promise.all([enter(), enter(), enter()])
    await assert.rejects(
      sessions.gate(op, async () => {
        throw new Error('inside')
      }),
    )
    await enter()
  })

  test(`${what}: objects are moved and removed in many, again too`, async (t) => {
    const op = startOperation()
    const store = await aStore(t)
    for (const name of ['index/a', 'index/b', 'index/c']) await store.put(op, name, Buffer.from(name))
    const moves = [
      { from: 'index/a', to: 'trash/index/a' },
      { from: 'index/b', to: 'trash/index/b' },
    ]
    await store.moveAll(op, moves)
    await store.moveAll(op, moves)
    await store.removeAll(op, ['index/c', 'index/d'])
    const names: string[] = []
    for await (const { name } of store.list(op, '')) names.push(name)
    assert.deepEqual(names, ['trash/index/a', 'trash/index/b'])
    assert.equal((await store.get(op, 'trash/index/a')).toString(), 'index/a')
  })
}

test('a folder: what a session left whose process was killed is removed, by those who hold the gate', async (t) => {
  const op = startOperation()
  const folder = temporaryFolder(t)
  const store = await createLocalDiskStore(op, systemDisk(), folder)
  const one = await store.sessions.announce(op, 'one')
  await one.release()
  // As a killed process leaves it: a file, and no lock.
  const file = await systemDisk().createFile(join(folder, 'sessions/dead'))
  await file.close()
  assert.deepEqual(await store.sessions.live(op), [])
  assert.ok(existsSync(join(folder, 'sessions/dead')))
  await store.sessions.gate(op, () => store.sessions.live(op, { clean: true }))
  assert.equal(existsSync(join(folder, 'sessions/dead')), false)
})

test('a folder: a writer and a prune delete no temporary file of each other', async (t) => {
  const op = startOperation()
  const folder = temporaryFolder(t)
  const disk = systemDisk()
  const store = await createLocalDiskStore(op, disk, folder)
  for (const name of ['3-a', '4-a', 'p6-a', 'p7-a', '0-a']) await (await disk.createFile(join(folder, 'tmp', name))).close()
  const left = async () => (await disk.readFolder(join(folder, 'tmp'))).map(({ name }) => name).sort()
  await store.beginPrune(op, 7)
  assert.deepEqual(await left(), ['0-a', '3-a', '4-a', 'p7-a'])
  await store.beginEpoch(op, 4)
  assert.deepEqual(await left(), ['4-a', 'p7-a'])
})
