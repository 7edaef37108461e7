/** Trees of made-up entries, without a source behind them. */
import fc from 'fast-check'
import { comparePaths, type Entry } from '../../src/archive/entry.ts'
import { TreeReader } from '../../src/archive/tree/tree-reader.ts'
import { TreeWriter } from '../../src/archive/tree/tree-writer.ts'
import type { Operation } from '../../src/base/operation.ts'
import { PACK_CLASS, pageSeed, type WriteSession } from '../../src/repository/index.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { anOperation, aPool, aSession } from './pool.ts'

export function anEntry(path: string | Buffer, given: Partial<Entry> = {}): Entry {
  return {
    path: Buffer.from(path),
    kind: 'file',
    unsettled: false,
    sparse: false,
    ancestor: false,
    mode: 0o644,
    uid: 0,
    gid: 0,
    userName: 'root',
    groupName: 'root',
    mtimeSec: 1_700_000_000,
    mtimeNs: 5,
    ctimeSec: 1_700_000_001,
    ctimeNs: 6,
    bornSec: 1_600_000_000,
    bornNs: 7,
    dev: 1,
    ino: 2,
    links: 1,
    sizeBytes: 0,
    inodeFlags: undefined,
    xattrs: [],
    extents: [],
    target: undefined,
    major: 0,
    minor: 0,
    ...given,
  }
}

/** What a reader gives back of an entry that a writer got. */
export function plain(entry: Entry): Entry {
  return { ...entry, path: Buffer.from(entry.path) }
}

export function byPath(entries: Iterable<Entry>): Entry[] {
  return [...entries].sort((a, b) => comparePaths(a.path, b.path))
}

const part = fc.oneof(
  fc.constantFrom('a', 'b', 'a-b', 'a.b', 'ab', 'ü', 'A', '\u0001', '~'),
  fc.string({ minLength: 1, maxLength: 4, unit: 'grapheme-ascii' }).map((text) => text.replaceAll('/', '_')),
)
const name = fc.oneof(
  part.map((text) => Buffer.from(text)),
  fc
    .uint8Array({ minLength: 1, maxLength: 4 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte)))),
)

/** Sorted entries with distinct paths, every parent there as a folder; not all of them UTF-8. */
export const someTree: fc.Arbitrary<Entry[]> = fc.array(fc.array(name, { minLength: 1, maxLength: 5 }), { maxLength: 60 }).map((paths) => {
  const entries = new Map<string, Entry>()
  for (const parts of paths) {
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = Buffer.concat(parts.slice(0, depth).flatMap((one, i) => (i === 0 ? [one] : [Buffer.from('/'), one])))
      const key = path.toString('latin1')
      const isFolder = depth < parts.length || entries.get(key)?.kind === 'folder'
      entries.set(key, anEntry(path, { kind: isFolder ? 'folder' : 'file', ino: entries.size }))
    }
  }
  return byPath(entries.values())
})

export interface TreePlace {
  readonly op: Operation
  readonly store: MemoryStore
  readonly session: WriteSession
}

export async function aTreePlace(seed: string): Promise<TreePlace> {
  const op = anOperation(seed)
  const store = new MemoryStore()
  await aPool(op, { store, packBytes: 4_194_304 })
  return { op, store, session: await aSession(op, store) }
}

export interface StoredTree {
  readonly tree: TreeReader
  readonly root: Buffer
  readonly level: number
  readonly entries: number
  readonly contentBytes: number
  readonly addedBytes: number
}

export async function storeTree({ op, session }: TreePlace, entries: readonly Entry[]): Promise<StoredTree> {
  const chunks = session.chunkWriter(PACK_CLASS.tree)
  const writer = new TreeWriter(chunks, pageSeed(session.repository.keys))
  for (const entry of entries) await writer.add(op, entry)
  const root = await writer.finish(op)
  await chunks.flush(op)
  const tree = new TreeReader(session.repository, session.index, { root: root.id, level: root.level })
  return { ...root, root: root.id, tree, addedBytes: writer.addedBytes }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
