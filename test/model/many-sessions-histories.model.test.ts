/**
 * Random histories of a pool with one writer and many sessions (docs/adr/0014-many-sessions.md): backups of several sources at once, sessions that are open for long
 * and come to nothing, expirations and prunes beside them, a writer that is killed and opened again. Whatever was not expired gives back what the files were;
 * verify finds no damage; and when nobody is at work, nothing that no point needs stays but what packs may hold of it.
 * TERP_TEST_SEED replays a run, TERP_MODEL_RUNS makes it longer.
 */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { backUp, expirePoints, prunePool } from '../../src/archive/index.ts'
import { CHUNK_TYPE, openPoolWriter, PACK_CLASS, type PoolWriter, Repository, type WriteSession } from '../../src/repository/index.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { anOperation, aPool, damageIn, filesOf, KEY_FILE, NO_LOCK, namesIn, noise, runs } from '../support/pool.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RUNS = Number(process.env.TERP_MODEL_RUNS ?? 8)
const SOURCES = ['s', 't', 'u']
const BACKUP = { host: 'h', excludes: [], excludeCaches: false, oneFileSystem: false, forceRead: false, skipFolders: [], program: 'test' }
const PRUNE = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }
const MOST_OPEN = 3

type Act =
  | { readonly kind: 'write'; readonly source: number; readonly name: string; readonly content: number }
  | { readonly kind: 'begin' | 'prune' | 'kill' }
  | { readonly kind: 'work'; readonly session: number; readonly content: number; readonly listed: boolean }
  | { readonly kind: 'abandon'; readonly session: number }
  | { readonly kind: 'back up'; readonly source: number; readonly session: number }
  | { readonly kind: 'together'; readonly sources: readonly number[]; readonly prunes: boolean }
  | { readonly kind: 'expire'; readonly which: number }

const source = fc.nat(SOURCES.length - 1)
const session = fc.nat(MOST_OPEN - 1)
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('write' as const), source, name: fc.constantFrom('a', 'b', 'c'), content: fc.nat(6) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('prune' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('work' as const), session, content: fc.nat(6), listed: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abandon' as const), session }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('back up' as const), source, session }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('together' as const),
      sources: fc.array(source, { minLength: 2, maxLength: 4 }),
      prunes: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('expire' as const), which: fc.nat(9) }) },
)

class History {
  readonly store = new MemoryStore()
  readonly #folder: string
  readonly #files = new Map<string, Map<string, Buffer>>()
  readonly #points = new Map<string, ReadonlyMap<string, Buffer>>()
  #writer: Promise<PoolWriter> | undefined
  #open: WriteSession[] = []
  #acts = 0

  constructor(folder: string) {
    this.#folder = folder
    for (const name of SOURCES) {
      mkdirSync(join(folder, name))
      this.#files.set(name, new Map())
    }
  }

  op() {
    return anOperation(`${this.#folder} ${this.#acts++}`)
  }

  repository() {
    return Repository.open(this.op(), this.store, KEY_FILE, 'write')
  }

  writer(): Promise<PoolWriter> {
    this.#writer ??= this.repository().then((repository) => openPoolWriter(this.op(), repository, NO_LOCK, this.store))
    return this.#writer
  }

  async play(one: Act): Promise<void> {
    if (one.kind === 'write') this.#write(SOURCES[one.source] as string, one.name, one.content)
    else if (one.kind === 'begin' && this.#open.length < MOST_OPEN) this.#open.push(await (await this.writer()).begin(this.op()))
    else if (one.kind === 'prune') await this.prune()
    else if (one.kind === 'kill') await this.kill()
    else if (one.kind === 'work') await this.#work(this.#open[one.session], one.content, one.listed)
    else if (one.kind === 'abandon') await this.#take(one.session)?.end()
    else if (one.kind === 'back up') await this.#backUp(SOURCES[one.source] as string, this.#take(one.session))
    else if (one.kind === 'together') {
      const acts = one.sources.map((n) => this.#backUp(SOURCES[n] as string, undefined))
      await Promise.all([...acts, ...(one.prunes ? [this.prune()] : [])])
    } else if (one.kind === 'expire') await this.#expire(one.which)
  }

  #write(of: string, name: string, content: number): void {
    const bytes = noise(`content ${content}`, 5000 + content * 9000)
    writeFileSync(join(this.#folder, of, name), bytes)
    this.#files.get(of)?.set(name, bytes)
  }

  #take(session: number): WriteSession | undefined {
    return this.#open.splice(session, 1)[0]
  }

  /** Stores what files have too, and leaves it at that. */
  async #work(session: WriteSession | undefined, content: number, listed: boolean): Promise<void> {
    if (!session) return
    const chunks = session.chunkWriter(PACK_CLASS.data)
    await chunks.write(this.op(), CHUNK_TYPE.data, noise(`content ${content}`, 5000 + content * 9000).subarray(0, 5000))
    await chunks.flush(this.op())
    if (listed) await session.publishIndex(this.op())
  }

  async #backUp(of: string, given: WriteSession | undefined): Promise<void> {
    const files = new Map(this.#files.get(of))
    const session = given ?? (await (await this.writer()).begin(this.op()))
    const { point } = await backUp(this.op(), { ...BACKUP, source: of, session, paths: [Buffer.from(join(this.#folder, of))] })
    this.#points.set(point.id, files)
  }

  /** What its sessions stored is left as it is, and others see that they are gone. */
  async kill(): Promise<void> {
    this.#writer = undefined
    this.#open = []
    for (const { name } of await this.store.sessions.live(this.op())) this.store.sessions.lapse(name)
  }

  async prune() {
    return prunePool(this.op(), { repository: await this.repository(), store: this.store, ...PRUNE })
  }

  async #expire(which: number): Promise<void> {
    const id = [...this.#points.keys()][which]
    if (id === undefined) return
    await expirePoints(this.op(), { repository: await this.repository(), store: this.store, points: [id], allowLast: true, dryRun: false })
    this.#points.delete(id)
  }

  async check(): Promise<void> {
    assert.deepEqual(await damageIn(this.op(), this.store), [])
    const repository = await this.repository()
    const { points } = await repository.listPoints(this.op())
    assert.deepEqual(points.map(({ id }) => id).sort(), [...this.#points.keys()].sort())
    for (const point of points) {
      const found = await filesOf(this.op(), repository, point, join(this.#folder, point.source))
      const wanted = this.#points.get(point.id) ?? new Map()
      assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort())
      for (const [name, content] of found) assert.ok(content.equals(wanted.get(name)), `${name} of point ${point.sequence}`)
    }
  }

  /** When nobody is at work: two prunes leave nothing that a third would free, and no pack that no segment lists. */
  async settle(): Promise<void> {
    for (const session of this.#open.splice(0)) await session.end()
    await this.kill()
    await (await this.writer()).close(this.op())
    await this.prune()
    await this.prune()
    const told = await prunePool(this.op(), { repository: await this.repository(), store: this.store, ...PRUNE, dryRun: true })
    assert.equal(told.freedBytes, 0)
    assert.equal(told.packsWaiting, 0)
    assert.deepEqual(await namesIn(this.op(), this.store, 'trash/'), [])
    if (this.#points.size === 0) assert.deepEqual(await namesIn(this.op(), this.store, 'packs/'), [])
  }

  clear(): void {
    rmSync(this.#folder, { recursive: true })
  }
}

test('whatever sessions do beside each other, what was not expired is whole, and the rest is gone', { timeout: 900_000 }, async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 15, maxLength: 50 }), async (acts) => {
      const history = new History(temporaryFolder(t))
      await aPool(history.op(), { store: history.store, packBytes: 32_768 })
      for (const [n, one] of acts.entries()) {
        await history.play(one)
        if (one.kind === 'prune' || one.kind === 'kill' || n === acts.length - 1) await history.check()
      }
      await history.settle()
      await history.check()
      history.clear()
    }),
    runs(RUNS),
  )
})
