/**
 * A process that does what a server does with a pool: it holds the writer's lock, backs up several sources at once, gives some of these up, expires and prunes
 * beside them. Until it is killed. What it did it tells on standard output, a line each: `ready`, `point ID`, `expires ID`, `failed WHAT CODE`.
 *
 * A point's host is the turn in which it was made, so that whoever reads it knows what its files were: `filesOfTurn`.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { backUp, expirePoints, prunePool } from '../../src/archive/index.ts'
import { TerpError } from '../../src/base/errors.ts'
import { type Operation, startOperation } from '../../src/base/operation.ts'
import { seededRandom } from '../../src/base/random.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { CHUNK_TYPE, openPoolWriter, PACK_CLASS, type PoolWriter, Repository } from '../../src/repository/index.ts'
import { LocalDiskStore } from '../../src/storage/index.ts'
import { KEY_FILE, noise } from './pool.ts'

const CONTENTS = 14
const SOURCES = 5
const MOST_POINTS = 4

/** What the files of a source are in a turn: few contents, which many share. */
export function filesOfTurn(source: string, turn: string): Map<string, Buffer> {
  const draw = Buffer.from(seededRandom(`${source} ${turn}`).bytes(16))
  const files = new Map<string, Buffer>()
  for (let n = 0; n < 6; n++) {
    const content = (draw[n] as number) % CONTENTS
    if ((draw[n + 6] as number) < 200) files.set(`file-${n}`, noise(`content ${content}`, 4000 + content * 3500))
  }
  files.set('always', Buffer.from(`${source} ${turn}`))
  return files
}

class Server {
  readonly #pool: string
  readonly #sources: string
  readonly #run: string
  readonly #writer: PoolWriter
  #turns = 0

  constructor(pool: string, sources: string, run: string, writer: PoolWriter) {
    this.#pool = pool
    this.#sources = sources
    this.#run = run
    this.#writer = writer
  }

  async backUps(number: number): Promise<never> {
    const source = `source-${number}`
    const folder = join(this.#sources, source)
    for (;;) {
      const turn = `${this.#run}-${this.#turns++}`
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
      for (const [name, content] of filesOfTurn(source, turn)) writeFileSync(join(folder, name), content)
      const kind = Buffer.from(startOperation().random.bytes(1))[0] as number
      if (kind < 50) await attempt('abandon', () => this.#abandon(source, turn))
      else await attempt('backup', () => this.#backUp(source, turn, folder, kind))
    }
  }

  async #backUp(source: string, turn: string, folder: string, kind: number): Promise<void> {
    const isCutOff = kind < 80
    const abort = new AbortController()
    const op: Operation = startOperation(isCutOff ? { signal: abort.signal } : {})
    if (isCutOff) void op.clock.sleep(kind - 50).then(() => abort.abort())
    const session = await this.#writer.begin(op)
    const { point } = await backUp(op, {
      session,
      source,
      host: turn,
      paths: [Buffer.from(folder)],
      excludes: [],
      excludeCaches: false,
      oneFileSystem: false,
      forceRead: kind % 2 === 0,
      skipFolders: [],
      program: 'test',
      // Threads of their own take a while to start: some.
      ...(kind > 230 ? { workerStore: { kind: 'local' as const, path: this.#pool }, lanes: 2 } : {}),
    })
    say(`point ${point.id}`)
  }

  /** Stores something that others need too, and comes to nothing; some of it was published already. */
  async #abandon(source: string, turn: string): Promise<void> {
    const op = startOperation()
    const session = await this.#writer.begin(op)
    try {
      const chunks = session.chunkWriter(PACK_CLASS.data)
      for (const content of filesOfTurn(source, turn).values()) await chunks.write(op, CHUNK_TYPE.data, content.subarray(0, 4096))
      await chunks.flush(op)
      if (turn.length % 2 === 0) await session.publishIndex(op)
    } finally {
      await session.end()
    }
  }

  /** As other processes would: with a store of its own. */
  async deletions(): Promise<never> {
    for (;;) {
      await attempt('expire', () => this.#expire())
      await attempt('prune', () => this.#prune())
      await startOperation().clock.sleep(20)
    }
  }

  async #expire(): Promise<void> {
    const op = startOperation()
    const store = new LocalDiskStore(systemDisk(), this.#pool)
    const repository = await Repository.open(op, store, KEY_FILE, 'write')
    const { points } = await repository.listPoints(op)
    const bySource = Map.groupBy(points, ({ source }) => source)
    const old = [...bySource.values()].flatMap((of) => of.slice(0, -MOST_POINTS)).map(({ id }) => id)
    if (old.length === 0) return
    for (const id of old) say(`expires ${id}`)
    await expirePoints(op, { repository, store, points: old, allowLast: false, dryRun: false })
  }

  async #prune(): Promise<void> {
    const op = startOperation()
    const store = new LocalDiskStore(systemDisk(), this.#pool)
    const repository = await Repository.open(op, store, KEY_FILE, 'write')
    await prunePool(op, { repository, store, dryRun: false, keepTrashMs: 0, waitMs: 300, acceptUnexplained: true })
  }
}

async function attempt(what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (error instanceof TerpError && error.kind === 'cancelled') return
    say(
      `failed ${what} ${error instanceof TerpError ? error.code : error instanceof Error ? error.stack : String(error)}`.replaceAll(
        '\n',
        ' ',
      ),
    )
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<void> {
  const [pool, sources, run] = process.argv.slice(2) as [string, string, string]
  const op = startOperation()
  const store = new LocalDiskStore(systemDisk(), pool)
  const lock = await store.lock(op)
  if (!lock) throw new Error('the pool is locked')
  const pruneLock = await store.lockPrune(op)
  if (!pruneLock) throw new Error('the pool is being pruned')
  const writer = await openPoolWriter(op, await Repository.open(op, store, KEY_FILE, 'write'), lock, store)
  const server = new Server(pool, sources, run, writer)
  say('ready')
  await Promise.all([...Array.from({ length: SOURCES }, (_, n) => server.backUps(n)), server.deletions()])
}

if (!parentPort && process.argv[1] === import.meta.filename) await main()
