/** Builders for tests of the engine: valid by default, small where size would cost time. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BackupOptions, BackupReport } from '../../src/archive/index.ts'
import { backUp, openPoint, readFileContent, verifyRepository } from '../../src/archive/index.ts'
import type { Clock } from '../../src/base/clock.ts'
import { ManualClock } from '../../src/base/clock.ts'
import { type Operation, startOperation, type Warning } from '../../src/base/operation.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { ChunkingParameters } from '../../src/chunking/index.ts'
import type { RecoveryPoint } from '../../src/repository/index.ts'
import { openWriteSession, parseKeyFile, Repository, type WriteSession } from '../../src/repository/index.ts'
import { MemoryStore, type ObjectStore, type PruningStore } from '../../src/storage/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

export const KEY_FILE = parseKeyFile(Buffer.alloc(32, 7))
export const NO_LOCK = { release: async () => {} }
/** Cuts small, so that a few kilobytes make several chunks. */
export const SMALL_CHUNKS: ChunkingParameters = { algorithm: 'sieve', minBytes: 1024, targetBytes: 4096, maxBytes: 16_384 }
export const SMALL_PACK_BYTES = 65_536
/** The year 2100: every file was changed long ago, so nothing is unsettled. */
export const LATER_MS = 4_102_444_800_000

export interface TestOperation extends Operation {
  readonly warnings: Warning[]
}

/** Repeatable; one per actor, since two of one seed would draw the same salts and names. */
export function anOperation(seed: string, options: { clock?: Clock; random?: Random; signal?: AbortSignal } = {}): TestOperation {
  const warnings: Warning[] = []
  const operation = startOperation({
    clock: options.clock ?? new ManualClock(LATER_MS),
    random: options.random ?? seededRandom(seed),
    onWarning: (warning) => warnings.push(warning),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  return { ...operation, warnings }
}

export interface PoolOptions {
  readonly store?: ObjectStore
  readonly kind?: 'pool' | 'vault'
  readonly chunking?: ChunkingParameters
  readonly packBytes?: number
  /** The pool of which this is the vault's copy. */
  readonly shared?: Repository
}

export function aPool(op: Operation, options: PoolOptions = {}): Promise<Repository> {
  return Repository.create(op, options.store ?? new MemoryStore('a pool'), {
    kind: options.kind ?? 'pool',
    chunking: options.chunking ?? SMALL_CHUNKS,
    packBytes: options.packBytes ?? SMALL_PACK_BYTES,
    secrets: [{ secret: KEY_FILE, label: 'test' }],
    ...(options.shared ? { shared: options.shared } : {}),
  })
}

export async function aSession(op: Operation, store: PruningStore): Promise<WriteSession> {
  const repository = await Repository.open(op, store, KEY_FILE, 'write')
  return openWriteSession(op, repository, NO_LOCK, store)
}

export type BackupSettings = Partial<Omit<BackupOptions, 'session' | 'paths'>>

/** What the command line does for one backup: opens the pool, begins a session, backs up the paths. */
export async function backUpPaths(
  op: Operation,
  store: PruningStore,
  paths: readonly (string | Buffer)[],
  settings: BackupSettings = {},
): Promise<BackupReport> {
  const session = await aSession(op, store)
  return backUp(op, {
    source: 'src',
    host: 'host',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    skipFolders: [],
    program: 'test',
    ...settings,
    session,
    paths: paths.map((path) => Buffer.from(path)),
  })
}

export type Files = Readonly<Record<string, string | Buffer>>

export function writeFiles(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

/** A folder with a few files: some share content, one does not compress, one is empty. */
export function aSourceTree(t: TestContext, files: Files = someFiles('source')): string {
  const folder = temporaryFolder(t)
  writeFiles(folder, files)
  return folder
}

export function noise(seed: string, length: number): Buffer {
  return Buffer.from(seededRandom(seed).bytes(length))
}

export function someFiles(seed: string): Files {
  return {
    'a.txt': 'text of a\n'.repeat(50),
    empty: '',
    'folder/one.bin': noise(`${seed} one`, 30_000),
    'folder/two.bin': noise(`${seed} two`, 45_000),
    'folder/sub/copy.txt': 'text of a\n'.repeat(50),
    'zz.bin': noise(`${seed} zz`, 70_000),
  }
}

/** Every file below a folder with its bytes, by its path from there as latin1. */
export async function filesOf(op: Operation, repository: Repository, point: RecoveryPoint, folder: string): Promise<Map<string, Buffer>> {
  const opened = await openPoint(op, repository, point)
  const found = new Map<string, Buffer>()
  for await (const entry of opened.tree.within(op, Buffer.from(folder.slice(1)))) {
    if (entry.kind !== 'file') continue
    const pieces: Buffer[] = []
    for await (const piece of readFileContent(op, opened, entry)) pieces.push(Buffer.from(piece))
    found.set(entry.path.toString('latin1').slice(folder.length), Buffer.concat(pieces))
  }
  return found
}

/** Findings of a full verify, as `code object`; hints apart. */
export async function damageIn(op: Operation, store: ObjectStore): Promise<string[]> {
  const repository = await Repository.open(op, store, KEY_FILE)
  const { findings } = await verifyRepository(op, repository, { readData: true })
  return findings.filter(({ severity }) => severity === 'damage').map(({ code, object }) => `${code} ${object}`)
}

export async function namesIn(op: Operation, store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(op, prefix)) names.push(name)
  return names
}

/** For a seeded property: the seed is in the message that fast-check prints when one fails. */
export function runs(numRuns: number): { seed: number; numRuns: number } {
  const given = process.env.TERP_TEST_SEED
  return { seed: given === undefined ? 20_260_801 : Number(given), numRuns }
}

/** Like equal for content. (To print the difference of two large buffers takes minutes.) */
export function assertSameBytes(actual: Buffer | undefined, expected: string | Buffer, what: string): void {
  const wanted = Buffer.from(expected)
  if (actual?.equals(wanted)) return
  const first = actual?.findIndex((byte, n) => byte !== wanted[n])
  assert.fail(`${what}: ${actual === undefined ? 'is not there' : `${actual.length} bytes for ${wanted.length}, they differ at ${first}`}`)
}
