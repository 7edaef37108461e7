/**
 * A disk in memory that can lose power. It keeps apart what was written and what was synced: for a file, how many of its bytes; for a folder, which changes
 * of its entries. `crash` returns another disk in a state that a real one may legally be in after power loss: all that was synced, any subset of the
 * changes that were not, and anything between nothing and all of the bytes that were not (docs/format.md §13).
 */
import type { Disk, DiskEntry, DiskFile, DiskLock, DiskReader } from '../../src/platform/index.ts'

/** What became of the unsynced bytes of a file: none of them, some, zeros in their place, all. */
export type ContentFate = 'lost' | 'torn' | 'zeros' | 'whole'

export interface CrashChoice {
  /** Whether the change number `n` of `total` unsynced ones reached the disk. */
  keepChange(n: number, total: number): boolean
  content(): ContentFate
  /** How much of the unsynced bytes is left of a torn file: from 0 to 1. */
  tornShare(): number
}

class File {
  readonly kind = 'file'
  bytes = Buffer.alloc(0)
  syncedBytes = 0
  /** After a failed sync the system has dropped the bytes: a later sync reports success and saves nothing. */
  isLost = false
}

class Folder {
  readonly kind = 'folder'
  readonly entries = new Map<string, Node>()
  /** The entries as they are on the medium. */
  readonly durable = new Map<string, Node>()
}

type Node = File | Folder

/** One act on entries; a rename is one act on two. */
interface Change {
  readonly edits: readonly { readonly folder: Folder; readonly name: string; readonly node: Node | undefined }[]
}

function fail(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

export class SimulatedDisk implements Disk {
  #root = new Folder()
  #changes: Change[] = []
  readonly #locks = new Set<string>()
  readonly #opened: File[] = []
  readonly #failures = new Map<number, string>()
  #operations = 0
  #listener: ((n: number, description: string) => void) | undefined

  /** How many operations that change or sync something were begun. */
  get operations(): number {
    return this.#operations
  }

  /** Called before each such operation, with its number, from 1. */
  onOperation(listener: (n: number, description: string) => void): void {
    this.#listener = listener
  }

  /** Operation number `n` fails with `code` and does nothing; a failed sync also loses what was to be synced. */
  failAt(n: number, code: string): void {
    this.#failures.set(n, code)
  }

  async makeFolder(path: string): Promise<void> {
    this.#begin(`makeFolder ${path}`)
    const { folder, name } = this.#place(path)
    const there = folder.entries.get(name)
    if (there?.kind === 'file') throw fail('EEXIST', path)
    if (!there) this.#change([{ folder, name, node: new Folder() }])
  }

  async createFile(path: string): Promise<DiskFile> {
    this.#begin(`createFile ${path}`)
    const { folder, name } = this.#place(path)
    if (folder.entries.has(name)) throw fail('EEXIST', path)
    const file = new File()
    this.#change([{ folder, name, node: file }])
    return {
      write: async (bytes) => {
        this.#begin(`write ${path}`)
        file.bytes = Buffer.concat([file.bytes, bytes])
      },
      sync: async () => {
        this.#begin(`sync ${path}`, () => {
          file.isLost = true
        })
        if (!file.isLost) file.syncedBytes = file.bytes.length
      },
      close: async () => this.#begin(`close ${path}`),
    }
  }

  async link(from: string, to: string): Promise<void> {
    this.#begin(`link ${from} ${to}`)
    const node = this.#file(from)
    const { folder, name } = this.#place(to)
    if (folder.entries.has(name)) throw fail('EEXIST', to)
    this.#change([{ folder, name, node }])
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin(`rename ${from} ${to}`)
    const node = this.#file(from)
    const source = this.#place(from)
    const target = this.#place(to)
    this.#change([
      { folder: source.folder, name: source.name, node: undefined },
      { folder: target.folder, name: target.name, node },
    ])
  }

  async unlink(path: string): Promise<void> {
    this.#begin(`unlink ${path}`)
    this.#file(path)
    const { folder, name } = this.#place(path)
    this.#change([{ folder, name, node: undefined }])
  }

  async syncFolder(path: string): Promise<void> {
    this.#begin(`syncFolder ${path}`)
    const folder = this.#folder(path)
    const touches = (change: Change) => change.edits.some((edit) => edit.folder === folder)
    for (const change of this.#changes.filter(touches)) applyDurably(change)
    this.#changes = this.#changes.filter((change) => !touches(change))
  }

  async readFolder(path: string): Promise<DiskEntry[]> {
    return [...this.#folder(path).entries].map(([name, node]) => ({ name, isFolder: node.kind === 'folder' }))
  }

  async read(path: string, range?: { readonly offset: number; readonly length: number }): Promise<Buffer> {
    const { bytes } = this.#file(path)
    return Buffer.from(range ? bytes.subarray(range.offset, range.offset + range.length) : bytes)
  }

  async size(path: string): Promise<number | undefined> {
    const node = this.#find(path)
    return node?.kind === 'file' ? node.bytes.length : undefined
  }

  openSync(path: string): DiskReader {
    return reader(this.#file(path), this.#opened.push(this.#file(path)) - 1)
  }

  adopt(handle: number): DiskReader {
    return reader(this.#opened[handle] as File, handle)
  }

  sizeSync(path: string): number | undefined {
    const node = this.#find(path)
    return node?.kind === 'file' ? node.bytes.length : undefined
  }

  readFolderSync(path: string): DiskEntry[] {
    return [...this.#folder(path).entries].map(([name, node]) => ({ name, isFolder: node.kind === 'folder' }))
  }

  async freeBytes(): Promise<number> {
    return 1e12
  }

  async lock(path: string): Promise<DiskLock | undefined> {
    if (this.#locks.has(path)) return undefined
    const { folder, name } = this.#place(path)
    if (!folder.entries.has(name)) this.#change([{ folder, name, node: new File() }])
    this.#locks.add(path)
    return {
      release: async () => {
        this.#locks.delete(path)
      },
    }
  }

  /** How many changes of entries a crash now could lose. */
  get unsyncedChanges(): number {
    return this.#changes.length
  }

  /** A disk as it may be after power loss now: everything on it durable, nothing locked. This one goes on unharmed. */
  crash(choice: CrashChoice): SimulatedDisk {
    const kept = this.#changes.filter((_, n) => choice.keepChange(n, this.#changes.length))
    // Both names of a hard link must show one file, with one fate.
    const copies = new Map<Node, Node>()
    const copy = (node: Node): Node => {
      const before = copies.get(node)
      if (before) return before
      const after = node.kind === 'file' ? crashedFile(node, choice) : new Folder()
      copies.set(node, after)
      if (node.kind === 'file' || after.kind === 'file') return after
      const entries = new Map(node.durable)
      for (const edit of kept.flatMap((change) => change.edits)) if (edit.folder === node) set(entries, edit.name, edit.node)
      for (const [name, child] of entries) {
        after.entries.set(name, copy(child))
        after.durable.set(name, copy(child))
      }
      return after
    }
    const disk = new SimulatedDisk()
    const root = copy(this.#root)
    if (root.kind === 'folder') disk.#root = root
    return disk
  }

  #begin(description: string, onFailure?: () => void): void {
    const n = ++this.#operations
    this.#listener?.(n, description)
    const code = this.#failures.get(n)
    if (code === undefined) return
    onFailure?.()
    throw fail(code, description)
  }

  #change(edits: Change['edits']): void {
    for (const { folder, name, node } of edits) set(folder.entries, name, node)
    this.#changes.push({ edits })
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const part of path.split('/').filter((p) => p !== '')) {
      if (node?.kind !== 'folder') return undefined
      node = node.entries.get(part)
    }
    return node
  }

  #folder(path: string): Folder {
    const node = this.#find(path)
    if (!node) throw fail('ENOENT', path)
    if (node.kind !== 'folder') throw fail('ENOTDIR', path)
    return node
  }

  #file(path: string): File {
    const node = this.#find(path)
    if (!node) throw fail('ENOENT', path)
    if (node.kind !== 'file') throw fail('EISDIR', path)
    return node
  }

  #place(path: string): { folder: Folder; name: string } {
    const slash = path.lastIndexOf('/')
    return { folder: this.#folder(path.slice(0, slash)), name: path.slice(slash + 1) }
  }
}

function reader(file: File, handle: number): DiskReader {
  return {
    handle,
    sizeBytes: file.bytes.length,
    read: (offset, length, into) => {
      const there = file.bytes.subarray(offset, offset + length)
      if (!into || into.length < there.length) return Buffer.from(there)
      into.set(there)
      return into.subarray(0, there.length)
    },
    close: () => {},
  }
}

function set(entries: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node) entries.set(name, node)
  else entries.delete(name)
}

function applyDurably(change: Change): void {
  for (const { folder, name, node } of change.edits) set(folder.durable, name, node)
}

function crashedFile(file: File, choice: CrashChoice): File {
  const after = new File()
  const unsynced = file.bytes.length - file.syncedBytes
  const fate = unsynced === 0 ? 'whole' : choice.content()
  after.bytes = Buffer.from(file.bytes)
  if (fate === 'lost') after.bytes = after.bytes.subarray(0, file.syncedBytes)
  // At least one byte is missing: a torn file that is whole would be another fate.
  if (fate === 'torn') after.bytes = after.bytes.subarray(0, file.syncedBytes + Math.floor(choice.tornShare() * unsynced))
  if (fate === 'zeros') after.bytes.fill(0, file.syncedBytes)
  after.syncedBytes = after.bytes.length
  return after
}
