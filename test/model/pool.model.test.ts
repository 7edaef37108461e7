/**
 * Random histories of a pool and its copy in a vault against a model of maps: files change, backups run, disks lose power, uploads are cut off; whatever
 * was acknowledged gives back what the files were then. TERP_TEST_SEED replays a run, TERP_MODEL_RUNS makes it longer.
 */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { uploadPoint } from '../../src/archive/index.ts'
import { type RecoveryPoint, Repository } from '../../src/repository/index.ts'
import { createLocalDiskStore, FaultyStore, LocalDiskStore, MemoryStore } from '../../src/storage/index.ts'
import { damage, ROOT, watched } from '../support/crash-scenario.ts'
import { anOperation, aPool, assertSameBytes, backUpPaths, filesOf, KEY_FILE, NO_LOCK, noise, runs } from '../support/pool.ts'
import type { ContentFate } from '../support/simulated-disk.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type Contents = ReadonlyMap<string, Buffer>

interface Model {
  files: Map<string, Buffer>
  readonly points: Map<string, Contents>
  readonly uploaded: Map<string, Contents>
}

class Real {
  disk = new SimulatedDisk()
  readonly folder: string
  readonly vaultStore = new MemoryStore('vault')
  #number = 0

  constructor(folder: string) {
    this.folder = folder
  }

  operation() {
    return anOperation(`${this.folder} ${this.#number++}`)
  }

  async make(): Promise<void> {
    const store = await createLocalDiskStore(this.operation(), this.disk, ROOT)
    const pool = await aPool(this.operation(), { store, packBytes: 16_384 })
    await aPool(this.operation(), { store: this.vaultStore, kind: 'vault', packBytes: 16_384, shared: pool })
  }

  get store(): LocalDiskStore {
    return new LocalDiskStore(this.disk, ROOT)
  }

  pool(): Promise<Repository> {
    return Repository.open(this.operation(), this.store, KEY_FILE, 'write')
  }
}

type Command = fc.AsyncCommand<Model, Real>

function command(text: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => text }
}

const changeFile = (name: string, size: number, seed: number): Command =>
  command(`change ${name} to ${size} bytes of ${seed}`, async (model, { folder }) => {
    const content = noise(String(seed), size)
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
    model.files.set(name, content)
  })

const removeFile = (name: string): Command =>
  command(`remove ${name}`, async (model, { folder }) => {
    rmSync(join(folder, name), { force: true })
    model.files.delete(name)
  })

const backUp = (): Command =>
  command('back up', async (model, real) => {
    const { point } = await backUpPaths(real.operation(), real.store, [real.folder])
    model.points.set(point.id, new Map(model.files))
  })

/** The machine loses power in the middle of a backup, and comes back with one of the states that it may then be in. */
const crash = (after: number, keep: number, fate: ContentFate): Command =>
  command(`lose power at operation ${after}, keeping ${keep}, ${fate}`, async (model, real) => {
    let operations = 0
    const dying = watched(real.disk, async () => {
      if (++operations > after) throw Object.assign(new Error('no power'), { code: 'EIO' })
    })
    const point = await backUpPaths(real.operation(), new LocalDiskStore(dying, ROOT), [real.folder]).then(
      (report) => report.point,
      () => undefined,
    )
    if (point) model.points.set(point.id, new Map(model.files))
    real.disk = real.disk.crash({ keepChange: (n) => ((keep >> (n % 8)) & 1) === 1, content: () => fate, tornShare: () => 0.3 })
  })

/** The process is killed, and what it wrote stays visible. */
const kill = (after: number): Command =>
  command(`kill at operation ${after}`, async (_, real) => {
    let operations = 0
    const dying = watched(real.disk, async () => {
      if (++operations > after) throw Object.assign(new Error('killed'), { code: 'EIO' })
    })
    await backUpPaths(real.operation(), new LocalDiskStore(dying, ROOT), [real.folder]).catch(() => undefined)
  })

async function newest(real: Real): Promise<RecoveryPoint | undefined> {
  return (await (await real.pool()).listPoints(real.operation())).points.at(-1)
}

const upload = (cut: number | undefined): Command =>
  command(cut === undefined ? 'upload' : `upload, cut off at put ${cut}`, async (model, real) => {
    const point = await newest(real)
    if (!point) return
    const op = real.operation()
    const store = new FaultyStore(real.vaultStore, cut === undefined ? [] : [{ verb: 'put', kind: 'error', skip: cut }])
    const vault = await Repository.open(op, store, KEY_FILE, 'write')
    const isDone = await uploadPoint(op, { pool: await real.pool(), vault, point, lock: NO_LOCK }).then(
      () => true,
      (error: unknown) => {
        if (cut === undefined) throw error
        return false
      },
    )
    const content = model.points.get(point.id)
    // A point whose backup was cut off after its manifest is whole, but nobody knows it.
    if (isDone && content) model.uploaded.set(point.id, content)
  })

async function assertHolds(repository: Repository, folder: string, points: ReadonlyMap<string, Contents>): Promise<void> {
  const op = anOperation('reading back')
  for (const [id, files] of points) {
    const stored = await filesOf(op, repository, await repository.findPoint(op, id), folder)
    assert.deepEqual([...stored.keys()].sort(), [...files.keys()].sort())
    for (const [name, content] of files) assertSameBytes(stored.get(name), content, `${name} of ${id}`)
  }
}

const verify = (): Command =>
  command('verify', async (_, real) => {
    assert.deepEqual(await damage(real.store), [])
    assert.deepEqual(await damage(real.vaultStore), [])
  })

const readBack = (): Command =>
  command('read back', async ({ points, uploaded }, real) => {
    await assertHolds(await real.pool(), real.folder, points)
    await assertHolds(await Repository.open(real.operation(), real.vaultStore, KEY_FILE), real.folder, uploaded)
  })

const name = fc.constantFrom('a', 'b', 'd/c', 'd/e', 'd/f/g')
const operations = fc.integer({ min: 0, max: 60 })
const commands = fc.commands(
  [
    fc.tuple(name, fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 5 })).map((given) => changeFile(...given)),
    fc.tuple(name, fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 5 })).map((given) => changeFile(...given)),
    name.map(removeFile),
    fc.constant(backUp()),
    fc
      .tuple(operations, fc.integer({ min: 0, max: 255 }), fc.constantFrom<ContentFate>('lost', 'torn', 'zeros', 'whole'))
      .map((given) => crash(...given)),
    operations.map(kill),
    fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }).map(upload),
    fc.constant(verify()),
    fc.constant(readBack()),
  ],
  { maxCommands: 30 },
)

test('whatever happens, what was acknowledged is there and nothing is damaged', { timeout: 600_000 }, async (t) => {
  const numRuns = Number(process.env.TERP_MODEL_RUNS ?? 60)
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      const folder = join(temporaryFolder(t), 'source')
      mkdirSync(folder)
      const real = new Real(folder)
      await real.make()
      const setup = () => ({ model: { files: new Map(), points: new Map(), uploaded: new Map() }, real })
      await fc.asyncModelRun(setup, [...history, verify(), backUp(), readBack(), verify()])
    }),
    runs(numRuns),
  )
})
