/**
 * A server's work on a pool – many backups at once, some of them given up, expire and prune beside them, all in one process – killed at random moments. After
 * each kill: verify finds no damage, every recovery point that is there gives back its files, and none is missing that was told and not given up. At the end,
 * when nobody is at work, what no point needs goes. TERP_KILLS makes it longer, TERP_TEST_SEED replays the moments (not the order of what meets).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { prunePool } from '../../src/archive/index.ts'
import { startOperation } from '../../src/base/operation.ts'
import { seededRandom } from '../../src/base/random.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { openPoolWriter, packName, Repository } from '../../src/repository/index.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../src/storage/index.ts'
import { filesOfTurn } from '../support/many-sessions-program.ts'
import { anOperation, aPool, damageIn, filesOf, KEY_FILE, NO_LOCK, namesIn } from '../support/pool.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KILLS = Number(process.env.TERP_KILLS ?? 6)
const SEED = process.env.TERP_TEST_SEED ?? 'many sessions'

class Told {
  readonly points = new Set<string>()
  readonly expired = new Set<string>()
  readonly failures: string[] = []

  take(line: string): void {
    const [what, ...rest] = line.split(' ')
    if (what === 'point') this.points.add(rest[0] as string)
    else if (what === 'expires') this.expired.add(rest[0] as string)
    else if (what === 'failed') this.failures.push(line)
  }
}

/** Runs the program until it has told of so many points, and for some ms more. */
async function killedAfter(pool: string, sources: string, run: string, points: number, ms: number, told: Told): Promise<void> {
  const program = join(import.meta.dirname, '../support/many-sessions-program.ts')
  const child = spawn(process.execPath, [program, pool, sources, run], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'exit')
  let left = points
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      told.take(line)
      if (line.startsWith('point ') && --left === 0) resolve()
    })
    child.once('exit', (code) => reject(new Error(`it ended by itself with ${code}`)))
  })
  await startOperation().clock.sleep(ms)
  const closed = once(lines, 'close')
  child.kill('SIGKILL')
  await Promise.all([ended, closed])
}

test('whenever a server is killed, every recovery point is whole, and none is lost', { timeout: 1_800_000 }, async (t) => {
  const folder = temporaryFolder(t)
  const [pool, sources] = [join(folder, 'pool'), join(folder, 'sources')]
  mkdirSync(sources)
  const making = anOperation(`making ${SEED}`)
  await aPool(making, { store: await createLocalDiskStore(making, systemDisk(), pool), packBytes: 32_768 })
  const random = seededRandom(SEED)
  const told = new Told()
  let checked = 0
  const open = async () => {
    const store = new LocalDiskStore(systemDisk(), pool)
    return { store, repository: await Repository.open(startOperation(), store, KEY_FILE, 'write') }
  }
  for (let n = 0; n < KILLS; n++) {
    const [points, ms] = random.bytes(2) as unknown as [number, number]
    await killedAfter(pool, sources, String(n), 1 + (points % 12), ms, told)
    const { store, repository } = await open()
    const op = startOperation()
    assert.deepEqual(await damageIn(op, store), [], `damage after kill ${n}`)
    const { points: visible } = await repository.listPoints(op)
    const there = new Set(visible.map(({ id }) => id))
    for (const id of told.points) assert.ok(there.has(id) || told.expired.has(id), `point ${id} is gone after kill ${n}`)
    for (const point of visible) {
      const found = await filesOf(op, repository, point, join(sources, point.source))
      const wanted = filesOfTurn(point.source, point.host)
      assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort(), `${point.source} ${point.host}`)
      for (const [name, content] of found) assert.ok(content.equals(wanted.get(name) as Buffer), `${name} of ${point.source} ${point.host}`)
      checked++
    }
    for (const source of new Set(visible.map((point) => point.source))) {
      const numbers = visible.filter((point) => point.source === source).map(({ sequence }) => sequence)
      assert.equal(new Set(numbers).size, numbers.length, `numbers of ${source} after kill ${n}`)
    }
  }
  assert.deepEqual(told.failures, [])
  t.diagnostic(`${KILLS} kills, ${told.points.size} points told, ${told.expired.size} expired, ${checked} compared`)
  assert.ok(told.expired.size > 0 && checked > 0)

  // A writer takes in what the last one left; then nothing stays that no point needs but what packs may hold of it.
  const { store, repository } = await open()
  const op = startOperation()
  await (await openPoolWriter(op, repository, NO_LOCK, store)).close(op)
  const options = { keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }
  const fresh = async () => ({ ...(await open()), ...options })
  await prunePool(op, { ...(await fresh()), dryRun: false })
  const left = await prunePool(op, { ...(await fresh()), dryRun: true })
  assert.equal(left.freedBytes, 0)
  assert.deepEqual(await namesIn(op, store, 'trash/'), [])
  const { index } = await repository.loadIndex(op)
  const listed = new Set([...index.packs.entries()].map(([pack]) => packName(pack)))
  assert.deepEqual(
    (await namesIn(op, store, 'packs/')).filter((name) => !listed.has(name)),
    [],
  )
  assert.deepEqual(await damageIn(op, store), [])
})
