/** §3.5: a data source moves to another volume of the storage pool with all its recovery points, and none is ever missing. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { noise } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemClock } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import { startOperation } from '../../base/operation.ts'
import type { Job } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import { aKeeper, backUpTo, restoreView, type TestKeeper } from './pools.fixture.ts'
import { SourceMover } from './source-mover.ts'

const SOURCE = 'a'.repeat(32)
const WISH = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }

interface Moving {
  readonly place: TestKeeper
  readonly folder: string
  readonly from: string
  readonly to: string
  readonly ids: string[]
  mover(): SourceMover
  readonly job: Job
  readonly moved: { readonly isRenumbered: boolean }[]
  backUp(): Promise<string>
}

async function aMove(t: TestContext, points: number): Promise<Moving> {
  const place = await aKeeper(t)
  const [from, to] = [await place.pool('one'), await place.pool('two')]
  const folder = join(place.root, 'source')
  mkdirSync(folder)
  const { catalog, op } = place
  await catalog.sources.add({ id: SOURCE, workload: 'files', name: 'data', path: folder, poolId: from, state: 'ok' })
  const moved: { isRenumbered: boolean }[] = []
  const moving: Moving = {
    ...{ place, folder, from, to, moved },
    ids: [],
    mover: () =>
      new SourceMover({ context: { op, catalog } as ServerContext, keeper: place.keeper(), onMoved: async (one) => void moved.push(one) }),
    job: { id: 'job', sourceId: SOURCE, parameters: { from, to } } as unknown as Job,
    async backUp() {
      const n = moving.ids.length + 1
      writeFileSync(join(folder, 'changing'), noise(`changing ${n}`, 60_000))
      writeFileSync(join(folder, `only${n}`), noise(`only ${n}`, 30_000))
      const { poolId = '' } = await catalog.sources.get(SOURCE)
      const { facts } = await backUpTo(place, { source: SOURCE, folder, poolId, jobId: `job ${n}` })
      await catalog.points.record({ ...facts, kind: n === 1 ? 'full' : 'scheduled' })
      moving.ids.push(facts.id)
      return facts.id
    },
  }
  writeFileSync(join(folder, 'large'), noise('large', 400_000))
  for (let n = 0; n < points; n++) await moving.backUp()
  return moving
}

/** By the catalog's word: each restores from the volume that it names. */
async function assertAllRestore(t: TestContext, { place, folder, ids }: Moving): Promise<void> {
  for (const [n, id] of ids.entries()) {
    const { poolId } = await place.catalog.points.get(id)
    const target = temporaryFolder(t)
    const session = await place.keeper().openRestore({ poolId, scope: `restore ${id}`, pointId: id })
    await restoreView(session, target)
    await session.end()
    const read = (name: string) => readFileSync(join(target, folder, name))
    assert.ok(read('changing').equals(noise(`changing ${n + 1}`, 60_000)), `point ${n + 1}`)
    assert.ok(read('large').equals(noise('large', 400_000)))
  }
}

async function idsOn({ place }: Moving, poolId: string): Promise<string[]> {
  return (await place.keeper().listPoints(place.op, poolId, SOURCE)).points.map(({ id }) => id)
}

test('§3.5: moved, all points are on the new volume under their numbers, restore from there, and the old one gives its room back', async (t) => {
  const moving = await aMove(t, 3)
  const { place, from, to, ids } = moving
  await place.catalog.points.pin(ids[0] ?? '', { note: 'keep' })
  const before = await Promise.all(ids.map((id) => place.catalog.points.get(id)))
  const { result } = await moving.mover().run(place.op, moving.job)
  assert.deepEqual([result?.points, result?.givenUp], [3, 3])
  assert.deepEqual(moving.moved, [{ sourceId: SOURCE, poolId: to, isRenumbered: false }])
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [[], ids])
  assert.equal((await place.catalog.sources.get(SOURCE)).poolId, to)
  for (const point of before) {
    const { objectName, poolId, ...rest } = await place.catalog.points.get(point.id)
    assert.deepEqual({ ...rest, objectName: point.objectName, poolId: from }, point)
    assert.equal(poolId, to)
  }
  await assertAllRestore(t, moving)
  assert.deepEqual((await place.keeper().verify(place.op, to, { readData: true })).findings, [])
  const facts = async (id: string) => (await place.keeper().facts(place.op, id)).facts
  const { unknown, missing, different, copies } = await place.catalog.mirror.compare(await facts(from), await facts(to))
  assert.deepEqual([unknown, missing, different, copies], [[], [], [], []])
  const pruned = await place.keeper().prune(place.op, from, WISH)
  assert.ok(pruned.freedBytes > 400_000, String(pruned.freedBytes))
  // And the next backup finds all that is there: it sends what changed.
  const { facts: next } = await backUpTo(place, { source: SOURCE, folder: moving.folder, poolId: to, jobId: 'later' })
  assert.ok(next.storedBytes < 60_000, String(next.storedBytes))
  // The same job again has nothing to do.
  assert.equal((await moving.mover().run(place.op, moving.job)).result?.points, 0)
})

test('§3.5: there and back, the points have new numbers, and what was given up meanwhile is not brought back', async (t) => {
  const moving = await aMove(t, 2)
  const { place, from, to, ids } = moving
  await moving.mover().run(place.op, moving.job)
  await moving.backUp()
  // Given up after the first move.
  const gone = ids.shift() ?? ''
  await place.keeper().expire(place.op, to, [gone])
  await place.catalog.points.setState(gone, 'pruned')
  await moving.mover().run(place.op, { ...moving.job, parameters: { from: to, to: from } })
  assert.deepEqual(await idsOn(moving, from), ids)
  assert.deepEqual(await idsOn(moving, to), [])
  assert.deepEqual(
    moving.moved.map(({ isRenumbered }) => isRenumbered),
    [false, true],
  )
  const target = temporaryFolder(t)
  const session = await place.keeper().openRestore({ poolId: from, scope: 'x', pointId: ids[1] ?? '' })
  await restoreView(session, target)
  assert.ok(readFileSync(join(target, moving.folder, 'only3')).equals(noise('only 3', 30_000)))
  await session.end()
})

test('§3.5: a move that is cut off leaves all points where they were; again, it goes on; given up, its copies go', async (t) => {
  const moving = await aMove(t, 2)
  const { place, from, to, ids } = moving
  const keeper = place.keeper()
  // After all of it was copied, before the switch.
  const stop = new AbortController()
  const copy = keeper.copySource.bind(keeper)
  keeper.copySource = async (op, wish) => {
    const copied = await copy(op, wish)
    stop.abort()
    return copied
  }
  const cut = startOperation({ signal: stop.signal })
  await assert.rejects(moving.mover().run(cut, moving.job))
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [ids, ids])
  assert.equal((await place.catalog.sources.get(SOURCE)).poolId, from)
  const facts = async (id: string) => (await place.keeper().facts(place.op, id)).facts
  const compared = await place.catalog.mirror.compare(await facts(to), await facts(from))
  assert.deepEqual([compared.unknown, compared.missing, compared.different], [[], [], []])
  assert.equal(compared.copies.length, 2)
  // Cancelled for good.
  await moving
    .mover()
    .kind()
    .afterwards?.({ ...moving.job, state: 'cancelled' } as Job)
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [ids, []])
  // And anew, as the next server does it.
  await place.reopen()
  await moving.mover().run(place.op, moving.job)
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [[], ids])
  await assertAllRestore(t, moving)
})

test('§3.5: copies that are about to be given up do not become the only ones meanwhile', async (t) => {
  const moving = await aMove(t, 2)
  const { place, from, to, ids } = moving
  const keeper = place.keeper()
  const mover = moving.mover()
  // All of it is on the other volume, as after a move that came to nothing.
  await keeper.copySource(place.op, { sourceId: SOURCE, from, to, points: ids })
  const [isWaiting, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const expire = keeper.expire.bind(keeper)
  keeper.expire = async (...asked) => {
    keeper.expire = expire
    isWaiting.resolve()
    // For a prune of that volume to end.
    await goesOn.promise
    return await expire(...asked)
  }
  const removing = mover.removeCopies(place.op, SOURCE, to)
  await isWaiting.promise
  const again = mover.run(place.op, moving.job)
  await Promise.race([again, systemClock().sleep(5000)])
  goesOn.resolve()
  await Promise.all([removing, again])
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [[], ids])
  await assertAllRestore(t, moving)
})

test('§3.5: what can not be read is not moved, and nothing is given up; volumes that name chunks differently are told', async (t) => {
  const moving = await aMove(t, 1)
  const { place, from, to, ids } = moving
  const small = await place.smallPool()
  await assert.rejects(place.keeper().copySource(place.op, { sourceId: SOURCE, from, to: small, points: ids }), (error) =>
    hasCode(error, 'POOL_KEYS_DIFFER'),
  )
  const { store } = await place.keeper().volume(from)
  const { folder } = await place.catalog.pools.get(from)
  for await (const { name } of store.list(place.op, 'packs/')) {
    const path = join(folder, name)
    const bytes = readFileSync(path)
    bytes[300] = (bytes[300] as number) ^ 1
    writeFileSync(path, bytes)
  }
  await assert.rejects(moving.mover().run(place.op, moving.job), (error) => hasCode(error, 'POOL_MOVE_DAMAGED'))
  assert.deepEqual([await idsOn(moving, from), await idsOn(moving, to)], [ids, []])
})

test('§3.5: no backup of a source begins while it is copied, and none is copied while one runs', async (t) => {
  const moving = await aMove(t, 1)
  const { place, from, to, ids } = moving
  const wish = { poolId: from, agentId: 'b'.repeat(32), jobId: 'job', sourceId: SOURCE, onCommitted: () => {} }
  const session = await place.keeper().openBackup(wish)
  await assert.rejects(moving.mover().run(place.op, moving.job), (error) => hasCode(error, 'POOL_SOURCE_BUSY'))
  await session.end()
  const copying = place.keeper().copySource(place.op, { sourceId: SOURCE, from, to, points: ids })
  await place.op.clock.sleep(5)
  await assert.rejects(place.keeper().openBackup(wish), (error) => hasCode(error, 'POOL_SOURCE_BUSY'))
  await copying
})
