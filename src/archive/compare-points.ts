/**
 * The difference of two recovery points. Pages that both share are skipped unread, so it costs what differs:
 * both trees are walked side by side, and where both stand at the beginning of the same page, both pass it.
 */
import type { Operation } from '../base/operation.ts'
import type { OpenedPoint } from './browse.ts'
import { comparePaths, type Entry, type Extent } from './entry.ts'
import type { Difference } from './reports.ts'
import { isLeaf, type PageChild } from './tree/page-codec.ts'
import { displayPath, type TreeReader } from './tree/tree-reader.ts'

/** In the order of paths. */
export async function* comparePoints(op: Operation, before: OpenedPoint, after: OpenedPoint): AsyncGenerator<Difference> {
  const a = await TreeCursor.open(op, before.tree)
  const b = await TreeCursor.open(op, after.tree)
  for (;;) {
    op.check()
    await skipShared(op, a, b)
    const left = await a.entry(op)
    const right = await b.entry(op)
    if (!left && !right) return
    const order = !left ? 1 : !right ? -1 : comparePaths(left.path, right.path)
    if (order < 0 && left) {
      yield { path: displayPath(left.path), change: 'removed', before: left, after: undefined }
      a.next()
    } else if (order > 0 && right) {
      yield { path: displayPath(right.path), change: 'added', before: undefined, after: right }
      b.next()
    } else if (left && right) {
      const change = changeOf(left, right)
      if (change) yield { path: displayPath(left.path), change, before: left, after: right }
      a.next()
      b.next()
    }
  }
}

async function skipShared(op: Operation, a: TreeCursor, b: TreeCursor): Promise<void> {
  for (;;) {
    const left = a.page()
    const right = b.page()
    if (!left || !right) return
    const order = comparePaths(left.firstPath, right.firstPath)
    if (order === 0 && left.id.equals(right.id)) {
      a.skipPage()
      b.skipPage()
    } else if (left.level > right.level || (left.level === right.level && left.level > 0 && order === 0)) {
      await a.descend(op)
      if (left.level === right.level) await b.descend(op)
    } else if (right.level > left.level) await b.descend(op)
    else return
  }
}

interface PageAt {
  readonly id: Buffer
  readonly firstPath: Buffer
  readonly level: number
}

/** A place in a tree: before a page that was not read yet, or in a leaf. */
class TreeCursor {
  readonly #tree: TreeReader
  /** From the root down: children that are still to come. */
  readonly #ahead: { level: number; children: readonly PageChild[]; at: number }[] = []
  #leaf: readonly Entry[] = []
  #at = 0

  private constructor(tree: TreeReader) {
    this.#tree = tree
  }

  static async open(op: Operation, tree: TreeReader): Promise<TreeCursor> {
    const cursor = new TreeCursor(tree)
    const page = await tree.page(op, tree.root)
    if (isLeaf(page)) cursor.#leaf = page.entries
    else {
      const firstPath = page.children[0]?.firstPath ?? Buffer.alloc(0)
      cursor.#ahead.push({ level: tree.level, children: [{ firstPath, id: tree.root, entries: 0, contentBytes: 0 }], at: 0 })
    }
    return cursor
  }

  /** The page that comes next, if the cursor stands at the beginning of one. */
  page(): PageAt | undefined {
    if (this.#at < this.#leaf.length) return undefined
    const top = this.#top()
    const child = top?.children[top.at]
    return top && child ? { id: child.id, firstPath: child.firstPath, level: top.level } : undefined
  }

  #top() {
    for (;;) {
      const top = this.#ahead.at(-1)
      if (!top || top.at < top.children.length) return top
      this.#ahead.pop()
    }
  }

  skipPage(): void {
    const top = this.#top()
    if (top) top.at++
  }

  async descend(op: Operation): Promise<void> {
    const top = this.#top()
    const child = top?.children[top.at]
    if (!top || !child) return
    top.at++
    const page = await this.#tree.page(op, child.id)
    if (isLeaf(page)) {
      this.#leaf = page.entries
      this.#at = 0
    } else this.#ahead.push({ level: page.level - 1, children: page.children, at: 0 })
  }

  async entry(op: Operation): Promise<Entry | undefined> {
    while (this.#at >= this.#leaf.length) {
      if (!this.page()) return undefined
      await this.descend(op)
    }
    return this.#leaf[this.#at]
  }

  next(): void {
    this.#at++
  }
}

/** Change times, inodes and devices are the file system's own business and no difference. */
function changeOf(a: Entry, b: Entry): Difference['change'] | undefined {
  if (a.kind !== b.kind) return 'type'
  if (a.sizeBytes !== b.sizeBytes || !sameExtents(a.extents, b.extents)) return 'content'
  const isSame =
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNs === b.mtimeNs &&
    a.inodeFlags === b.inodeFlags &&
    a.major === b.major &&
    a.minor === b.minor &&
    (a.target ?? Buffer.alloc(0)).equals(b.target ?? Buffer.alloc(0)) &&
    a.xattrs.length === b.xattrs.length &&
    a.xattrs.every((x, i) => b.xattrs[i]?.name.equals(x.name) && b.xattrs[i]?.value.equals(x.value))
  return isSame ? undefined : 'metadata'
}

/** A file that was read again may lie at another place of another bundle with the same bytes; then it differs here only by its times. */
function sameExtents(a: readonly Extent[], b: readonly Extent[]): boolean {
  if (a.length !== b.length) return false
  return a.every((x, i) => {
    const y = b[i]
    if (!y || x.kind !== y.kind || x.length !== y.length) return false
    if (x.kind === 'hole' || y.kind === 'hole') return true
    if (!x.chunk.equals(y.chunk)) return false
    return x.kind !== 'data' || y.kind !== 'data' || x.offset === y.offset
  })
}
