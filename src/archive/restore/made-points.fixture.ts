/** Recovery points made by hand, for the tests of this folder. */
import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { ManualClock } from '../../base/clock.ts'
import { type Operation, type OperationOptions, startOperation } from '../../base/operation.ts'
import { seededRandom } from '../../base/random.ts'
import { CHUNK_TYPE, openWriteSession, PACK_CLASS, pageSeed, type RecoveryPoint, Repository } from '../../repository/index.ts'
import { MemoryStore, type PruningStore } from '../../storage/index.ts'
import { comparePaths, type Entry, type Extent } from '../entry.ts'
import { LeafEncoder } from '../tree/page-codec.ts'
import { TreeWriter } from '../tree/tree-writer.ts'
import { type RestoreOptions, restorePoint } from './restore.ts'

export interface Made extends Partial<Omit<Entry, 'path'>> {
  readonly content?: string | Buffer
}
export type MadeTree = Readonly<Record<string, Made>> | readonly (readonly [Buffer, Made])[]

export interface MadePoint {
  readonly repository: Repository
  readonly point: RecoveryPoint
  readonly entries: readonly Entry[]
}

export const FOLDER: Made = { kind: 'folder' }
export const file = (content: string | Buffer, more: Made = {}): Made => ({ ...more, content })

export function operation(name: string, options: OperationOptions = {}): Operation {
  return startOperation({ clock: new ManualClock(), random: seededRandom(name), ...options })
}

const PIECE_BYTES = 1_048_576
/** Keys are paths in latin1, so any byte can stand in one. `asGiven`: neither sorted nor checked, as only an attacker would write it. */
export async function makePoint(
  op: Operation,
  tree: MadeTree,
  options: { store?: PruningStore; asGiven?: boolean; packBytes?: number } = {},
): Promise<MadePoint> {
  const store = options.store ?? new MemoryStore()
  const chunking = { algorithm: 'sieve', minBytes: 262_144, targetBytes: 1_048_576, maxBytes: 4_194_304 } as const
  const { packBytes } = options
  const repository = await Repository.create(op, store, { kind: 'pool', chunking, secrets: [], ...(packBytes ? { packBytes } : {}) })
  return makeTree(op, repository, list(tree), options.asGiven)
}

function list(tree: MadeTree): readonly (readonly [Buffer, Made])[] {
  if (Array.isArray(tree)) return tree as readonly (readonly [Buffer, Made])[]
  return Object.entries(tree as Readonly<Record<string, Made>>).map(([path, made]) => [Buffer.from(path, 'latin1'), made] as const)
}

/** A further point in a repository that is there already. */
export async function makeTree(
  op: Operation,
  repository: Repository,
  tree: readonly (readonly [Buffer, Made])[],
  asGiven = false,
): Promise<MadePoint> {
  const session = await openWriteSession(op, repository, { release: async () => {} })
  const data = session.chunkWriter(PACK_CLASS.data)
  const trees = session.chunkWriter(PACK_CLASS.tree)
  const entries: Entry[] = []
  for (const [path, { content, ...more }] of tree) {
    const bytes = Buffer.from(content ?? '')
    const extents: Extent[] = []
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES)
      extents.push({ kind: 'data', chunk: (await data.write(op, CHUNK_TYPE.data, piece)).id, offset: 0, length: piece.length })
    }
    entries.push({ ...plainEntry(path), sizeBytes: bytes.length, extents, ...more })
  }
  let root: { id: Buffer; level: number }
  if (asGiven) {
    const leaf = new LeafEncoder()
    for (const entry of entries) leaf.add(entry)
    root = { id: (await trees.write(op, CHUNK_TYPE.page, leaf.finish())).id, level: 0 }
  } else {
    entries.sort((a, b) => comparePaths(a.path, b.path))
    const writer = new TreeWriter(trees, pageSeed(repository.keys))
    for (const entry of entries) await writer.add(op, entry)
    root = await writer.finish(op)
  }
  await data.flush(op)
  await trees.flush(op)
  const statistics = { files: 0, folders: 0, others: 0, total_bytes: 0, data_added: 0, data_added_packed: 0 }
  const point = await session.commit(op, {
    source: 'test',
    started: '2026-01-01T00:00:00.000Z',
    host: 'test',
    paths: [],
    excludes: [],
    root: root.id,
    level: root.level,
    program: 'test',
    statistics,
    warnings: 0,
    previousPoint: null,
  })
  return { repository, point, entries }
}

function plainEntry(path: Buffer): Entry {
  return {
    path,
    kind: 'file',
    unsettled: false,
    sparse: false,
    ancestor: false,
    mode: 0o755,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    userName: undefined,
    groupName: undefined,
    mtimeSec: 1_600_000_000,
    mtimeNs: 123_456_789,
    ctimeSec: 0,
    ctimeNs: 0,
    bornSec: undefined,
    bornNs: 0,
    dev: 1,
    ino: 1,
    links: 1,
    sizeBytes: 0,
    inodeFlags: undefined,
    xattrs: [],
    extents: [],
    target: undefined,
    major: 0,
    minor: 0,
  }
}

export async function restore(op: Operation, made: MadePoint, target: string | Buffer, options: Partial<RestoreOptions> = {}) {
  const { repository, point } = made
  return restorePoint(op, { repository, point, target: Buffer.from(target), overwrite: 'if-changed', ...options })
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(length: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** What find sees: not our own walk. Path, kind, mode, size (of folders: *), modification time in nanoseconds, target of a link. */
export function listing(path: string): string[] {
  const text = execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P|%y|%m|%s|%T@|%l\\n'], { cwd: path, encoding: 'latin1' })
  const withoutSize = (line: string) => line.replace(/\|d\|(\d+)\|\d*\|/, '|d|$1|*|')
  return text.split('\n').filter(Boolean).map(withoutSize).sort()
}

/** Path and kind only. */
export function names(path: string): string[] {
  const text = execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P|%y\\n'], { cwd: path, encoding: 'latin1' })
  return text.split('\n').filter(Boolean).sort()
}
