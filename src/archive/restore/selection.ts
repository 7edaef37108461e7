/** Which entries of a recovery point are restored: all, or some paths with everything below them and the folders on the way. */
import type { Operation } from '../../base/operation.ts'
import { comparePaths, type Entry, isWithin, parentOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { displayPath, type TreeReader } from '../tree/tree-reader.ts'

const SLASH = 0x2f

export interface Selection {
  readonly isEverything: boolean
  /** In the order of the tree; folders that are only on the way are marked as ancestors. */
  entries(op: Operation): AsyncGenerator<Entry>
  /** Names that will stand in the target itself. */
  topNames(op: Operation): Promise<Buffer[]>
}

/** Undefined is everything; no path at all is nothing. PATH_NOT_IN_POINT for a path that is not there. */
export async function select(op: Operation, tree: TreeReader, paths: readonly Buffer[] | undefined): Promise<Selection> {
  if (paths === undefined) return everything(tree)
  const wanted = withoutNested(paths.map(withoutSlashes))
  if (wanted.some((path) => path.length === 0)) return everything(tree)
  for (const path of wanted) {
    if (!(await tree.find(op, path))) throw archiveError('PATH_NOT_IN_POINT', `${displayPath(path)} is not in this recovery point`)
  }
  return {
    isEverything: false,
    entries: (operation) => someEntries(operation, tree, wanted),
    topNames: async () => wanted.map((path) => (path.includes(SLASH) ? path.subarray(0, path.indexOf(SLASH)) : path)),
  }
}

function everything(tree: TreeReader): Selection {
  return {
    isEverything: true,
    entries: (op) => tree.entries(op),
    async topNames(op) {
      const names: Buffer[] = []
      for await (const { path } of tree.children(op, Buffer.alloc(0))) names.push(path)
      return names
    },
  }
}

async function* someEntries(op: Operation, tree: TreeReader, wanted: readonly Buffer[]): AsyncGenerator<Entry> {
  let last: Buffer = Buffer.alloc(0)
  for (const path of wanted) {
    for (const ancestor of ancestorsOf(path)) {
      // Given already, on the way to the path before.
      if (last.length > 0 && isWithin(last, ancestor)) continue
      const entry = await tree.find(op, ancestor)
      if (entry) yield { ...entry, ancestor: true }
    }
    yield* tree.within(op, path)
    last = path
  }
}

function ancestorsOf(path: Buffer): Buffer[] {
  const ancestors: Buffer[] = []
  for (let at = parentOf(path); at.length > 0; at = parentOf(at)) ancestors.unshift(at)
  return ancestors
}

/** Sorted as the tree is; a path inside another chosen one adds nothing. */
function withoutNested(paths: readonly Buffer[]): Buffer[] {
  const kept: Buffer[] = []
  for (const path of [...paths].sort(comparePaths)) {
    const last = kept.at(-1)
    if (!last || !isWithin(path, last)) kept.push(path)
  }
  return kept
}

function withoutSlashes(path: Buffer): Buffer {
  let start = 0
  let end = path.length
  while (start < end && path[start] === SLASH) start++
  while (end > start && path[end - 1] === SLASH) end--
  return path.subarray(start, end)
}
