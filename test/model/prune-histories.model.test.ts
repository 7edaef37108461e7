/**
 * Random histories of a pool: files change, backups run and are abandoned, points expire, prunes run beside sessions that are open. Whatever was not expired
 * gives back what the files were then; verify finds no damage; and when nobody is at work, nothing that no point needs stays but what packs may hold of it.
 * TERP_TEST_SEED replays a run, TERP_MODEL_RUNS makes it longer.
 */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { backUp, expirePoints, prunePool } from '../../src/archive/index.ts'
import { Repository, type WriteSession } from '../../src/repository/index.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { anOperation, aPool, aSession, damageIn, filesOf, KEY_FILE, noise, runs } from '../support/pool.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RUNS = Number(process.env.TERP_MODEL_RUNS ?? 8)
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']
const BACKUP = {
  source: 'src',
  host: 'h',
  excludes: [],
  excludeCaches: false,
  oneFileSystem: false,
  forceRead: false,
  skipFolders: [],
  program: 'test',
}
const PRUNE = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }

type Act =
  | { readonly kind: 'write'; readonly name: string; readonly content: number }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'open' | 'abandon' | 'back up' | 'prune' }
  | { readonly kind: 'expire'; readonly which: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), name: fc.constantFrom(...NAMES), content: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), name: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('open' as const, 'abandon' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('back up' as const, 'prune' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('expire' as const), which: fc.nat(9) }) },
)

class History {
  readonly store = new MemoryStore()
  readonly folder: string
  readonly files = new Map<string, Buffer>()
  readonly points = new Map<string, ReadonlyMap<string, Buffer>>()
  #session: WriteSession | undefined
  #acts = 0

  constructor(folder: string) {
    this.folder = folder
  }

  op() {
    return anOperation(`${this.folder} ${this.#acts++}`)
  }

  repository() {
    return Repository.open(this.op(), this.store, KEY_FILE, 'write')
  }

  async play(one: Act): Promise<void> {
    if (one.kind === 'write') {
      const content = noise(`content ${one.content}`, 6000 + one.content * 9000)
      writeFileSync(join(this.folder, one.name), content)
      this.files.set(one.name, content)
    } else if (one.kind === 'remove') {
      rmSync(join(this.folder, one.name), { force: true })
      this.files.delete(one.name)
    } else if (one.kind === 'open') this.#session ??= await aSession(this.op(), this.store)
    else if (one.kind === 'abandon') await this.#abandon()
    else if (one.kind === 'back up') await this.#backUp()
    else if (one.kind === 'prune') await this.prune()
    else if (one.kind === 'expire') await this.#expire(one.which)
  }

  /** Like a process that was killed after it had stored something. */
  async #abandon(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    if (!session) return
    const writer = session.chunkWriter(1)
    for (const content of this.files.values()) await writer.write(this.op(), 1, content.subarray(0, 5000))
    await writer.flush(this.op())
    await session.end()
  }

  async #backUp(): Promise<void> {
    const session = this.#session ?? (await aSession(this.op(), this.store))
    this.#session = undefined
    const { point } = await backUp(this.op(), { ...BACKUP, session, paths: [Buffer.from(this.folder)] })
    this.points.set(point.id, new Map(this.files))
  }

  async prune() {
    return prunePool(this.op(), { repository: await this.repository(), store: this.store, ...PRUNE })
  }

  async #expire(which: number): Promise<void> {
    const id = [...this.points.keys()][which]
    if (id === undefined) return
    const options = { repository: await this.repository(), store: this.store, points: [id], allowLast: true }
    const told = await expirePoints(this.op(), { ...options, dryRun: true })
    const done = await expirePoints(this.op(), { ...options, dryRun: false })
    assert.equal(done.onlyBytes, told.onlyBytes)
    this.points.delete(id)
  }

  async check(): Promise<void> {
    assert.deepEqual(await damageIn(this.op(), this.store), [])
    const repository = await this.repository()
    const { points } = await repository.listPoints(this.op())
    assert.deepEqual(points.map(({ id }) => id).sort(), [...this.points.keys()].sort())
    for (const point of points) {
      const found = await filesOf(this.op(), repository, point, this.folder)
      const wanted = this.points.get(point.id) ?? new Map()
      assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort())
      for (const [name, content] of found) assert.ok(content.equals(wanted.get(name)), `${name} of point ${point.sequence}`)
    }
  }

  /** When nobody is at work: two prunes leave nothing that a third would free, and no pack of which more is needless than allowed. */
  async settle(): Promise<void> {
    await this.#session?.end()
    this.#session = undefined
    // A writer takes in what others left unlisted.
    await (await aSession(this.op(), this.store)).end()
    await this.prune()
    const told = await prunePool(this.op(), { repository: await this.repository(), store: this.store, ...PRUNE, dryRun: true })
    assert.equal(told.freedBytes, 0)
    assert.equal(told.packsWaiting, 0)
    for await (const { name } of this.store.list(this.op(), 'trash/')) assert.fail(`${name} is left`)
    if (this.points.size === 0) for await (const { name } of this.store.list(this.op(), 'packs/')) assert.fail(`${name} is left`)
  }
}

test('whatever the history, what was not expired is whole, and the rest is gone', { timeout: 600_000 }, async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), async (acts) => {
      const history = new History(temporaryFolder(t))
      await aPool(history.op(), { store: history.store, packBytes: 32_768 })
      for (const [n, one] of acts.entries()) {
        await history.play(one)
        if (one.kind === 'prune' || n === acts.length - 1) await history.check()
      }
      await history.settle()
      await history.check()
    }),
    runs(RUNS),
  )
})
