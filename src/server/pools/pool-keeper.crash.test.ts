/** A server that is killed at random moments loses nothing that it said is there. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import type { Told } from './killed-server.fixture.ts'
import { aKeeper, backUpTo, type TestKeeper } from './pools.fixture.ts'

const KILLS = 3

interface Moment {
  /** So many recovery points were told. */
  readonly points: number
  /** And so long ago. */
  readonly afterMs: number
}

test(`after ${KILLS} kills at random moments, every recovery point that was told is there and whole`, async (t) => {
  const seed = process.env.TERP_TEST_SEED ?? 'kills of a server'
  t.diagnostic(`seed: ${seed}`)
  const random = seededRandom(seed)
  const place = await aKeeper(t)
  const poolId = await place.smallPool()
  for (const name of ['1', '2']) mkdirSync(join(place.root, `source-${name}`))
  const there = new Set<string>()
  const given = new Set<string>()
  for (let kill = 0; kill < KILLS; kill++) {
    const [points = 0, ms = 0] = random.bytes(2)
    // By what it has done, and then some: machines differ, and are busy.
    const moment = { points: kill === 0 ? 4 : points % 5, afterMs: ms * 2 }
    await runKilled(place, [place.root, poolId, `${seed} ${kill}`], moment, (told) => {
      if (told.type === 'committed') there.add(told.id)
      else if (told.type === 'expiring') given.add(told.id)
    })
    const report = await place.keeper().verify(place.op, poolId, { readData: true })
    assert.deepEqual(
      report.findings.filter(({ severity }) => severity === 'damage'),
      [],
    )
    const { facts, damaged } = await place.keeper().facts(place.op, poolId)
    assert.deepEqual(damaged, [])
    const found = new Set(facts.points.map(({ id }) => id))
    for (const id of there) assert.ok(found.has(id) || given.has(id), `${id} is gone after kill ${kill + 1}`)
    await place.reopen()
  }
  t.diagnostic(`${there.size} recovery points, ${given.size} of them given up`)
  assert.ok(there.size > 0)
  // And it goes on: what they left is taken up.
  for (const name of ['1', '2']) {
    await backUpTo(place, { source: name.repeat(32), folder: join(place.root, `source-${name}`), poolId })
  }
  await place.keeper().prune(place.op, poolId, { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true })
  const { findings } = await place.keeper().verify(place.op, poolId, { readData: true })
  assert.deepEqual(findings, [])
  const pool = await place.catalog.pools.get(poolId)
  assert.deepEqual(readdirSync(join(pool.folder, 'sessions')), [])
})

async function runKilled({ keeper }: TestKeeper, args: readonly string[], moment: Moment, hear: (told: Told) => void): Promise<void> {
  assert.ok(!keeper().isOpen(args[1] ?? ''))
  const child = fork(join(import.meta.dirname, 'killed-server.fixture.ts'), args)
  let failure: unknown
  const reached = Promise.withResolvers<void>()
  let points = 0
  child.on('message', (told: Told) => {
    if (told.type === 'failed') failure = told
    else if (told.type !== 'ready') hear(told)
    if (told.type === 'committed') points++
    if (told.type === 'failed' || points >= moment.points) reached.resolve()
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await Promise.race([reached.promise, ended])
  await systemClock().sleep(moment.afterMs)
  child.kill('SIGKILL')
  await ended
  assert.equal(failure, undefined, JSON.stringify(failure))
}
