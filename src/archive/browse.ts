/** Looking into recovery points: a folder's content, one file's bytes, the difference of two points. Reads only the pages that it must. */
import type { Operation } from '../base/operation.ts'
import { type ChunkIndex, ChunkReader, locate, type RecoveryPoint, type Repository } from '../repository/index.ts'
import type { Entry } from './entry.ts'
import { archiveError } from './errors.ts'
import { displayPath, TreeReader } from './tree/tree-reader.ts'

export interface OpenedPoint {
  readonly point: RecoveryPoint
  readonly tree: TreeReader
  readonly index: ChunkIndex
  readonly repository: Repository
  /** Lets go of all that it holds open. An index that was handed in stays its owner's. */
  close(): void
}

export async function openPoint(op: Operation, repository: Repository, point: RecoveryPoint, loaded?: ChunkIndex): Promise<OpenedPoint> {
  const index = loaded ?? (await repository.loadIndex(op)).index
  const tree = new TreeReader(repository, index, { root: Buffer.from(point.root, 'hex'), level: point.level })
  const close = () => {
    tree.close()
    if (!loaded) index.close()
  }
  return { point, tree, index, repository, close }
}

/** Without its first slash and those at its end. */
export function treePath(path: Buffer): Buffer {
  let start = 0
  let end = path.length
  while (start < end && path[start] === 0x2f) start++
  while (end > start && path[end - 1] === 0x2f) end--
  return path.subarray(start, end)
}

/** What lies directly in a folder; for anything else the entry itself. PATH_NOT_IN_POINT. */
export async function browseFolder(op: Operation, opened: OpenedPoint, path: Buffer): Promise<Entry[]> {
  const wanted = treePath(path)
  if (wanted.length > 0) {
    const entry = await opened.tree.find(op, wanted)
    if (!entry)
      throw archiveError('PATH_NOT_IN_POINT', `there is no ${displayPath(wanted)} in recovery point ${opened.point.id.slice(0, 8)}`)
    if (entry.kind !== 'folder') return [entry]
  }
  const entries: Entry[] = []
  for await (const entry of opened.tree.children(op, wanted)) entries.push(entry)
  return entries
}

/** The entry of a path. PATH_NOT_IN_POINT. */
export async function findEntry(op: Operation, opened: OpenedPoint, path: Buffer): Promise<Entry> {
  const wanted = treePath(path)
  const entry = await opened.tree.find(op, wanted)
  if (!entry) throw archiveError('PATH_NOT_IN_POINT', `there is no ${displayPath(wanted)} in recovery point ${opened.point.id.slice(0, 8)}`)
  return entry
}

/** The bytes of a file, in order, checked. Holes come as zeros, in pieces of at most 1 MiB. */
export async function* readFileContent(op: Operation, opened: OpenedPoint, entry: Entry): AsyncGenerator<Buffer> {
  const reader = new ChunkReader(opened.repository.store, opened.repository.keys)
  const zeros = Buffer.alloc(1_048_576)
  let last: { id: Buffer; content: Buffer } | undefined
  try {
    for await (const extent of opened.tree.content(op, entry.extents)) {
      if (extent.kind === 'hole') {
        for (let left = extent.length; left > 0; left -= zeros.length) yield zeros.subarray(0, Math.min(left, zeros.length))
        continue
      }
      if (!last?.id.equals(extent.chunk)) last = { id: extent.chunk, content: await reader.read(op, locate(opened.index, extent.chunk)) }
      yield last.content.subarray(extent.offset, extent.offset + extent.length)
    }
  } finally {
    reader.close()
  }
}
