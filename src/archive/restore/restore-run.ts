/** One restore on the main thread: walks the entries, makes folders, deals out files, then links names and lets everything become durable. */
import { fromPlainError, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { findStatAt } from '../../platform/index.ts'
import { type Entry, isWithin, nameOf, parentOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { Dispatcher } from './dispatcher.ts'
import { existingOutcome } from './existing.ts'
import { enterFolder, finishFolder, prepareExisting } from './folder-making.ts'
import { type Folder, Folders } from './folders.ts'
import type { LinkGroup, PendingLink } from './hard-links.ts'
import { LinkGroups } from './hard-links.ts'
import { LinkPhase } from './link-phase.ts'
import { hostility } from './naming.ts'
import { Skipped } from './placing.ts'
import { noMisses } from './plan.ts'
import type { RunParts } from './run-parts.ts'
import type { Selection } from './selection.ts'
import { existingSpecial, restoreSpecial } from './special.ts'
import { takesSomething } from './target.ts'
import { itemError } from './target-errors.ts'

export class RestoreRun {
  readonly #parts: RunParts
  readonly #folders: Folders
  readonly #dispatcher: Dispatcher
  readonly #groups = new LinkGroups()
  readonly #links: LinkPhase
  /** Where the walk is, below the target. */
  readonly #stack: Folder[] = []
  #last: Buffer | undefined

  constructor(parts: RunParts) {
    this.#parts = parts
    this.#folders = new Folders(parts.targetFd, (folder) => this.#finishFolder(folder))
    this.#links = new LinkPhase(parts, this.#folders, (op, pending) => this.#restoreContent(op, pending))
    this.#dispatcher = new Dispatcher(parts, this.#folders, (file, inode) => {
      const known = this.#groups.of(file.entry)
      if (known) this.#links.lead(known.group, file.entry, { folder: file.folder, inode })
    })
  }

  /** A target in which nothing can be made will do as long as all that would stand in it is there already. */
  async mayBegin(op: Operation, selection: Selection): Promise<boolean> {
    const { targetFd, dryRun } = this.#parts
    if (targetFd === undefined || dryRun) return true
    prepareExisting(this.#folders, this.#folders.root, targetFd, dryRun)
    if (takesSomething(op, targetFd)) return true
    const names = await selection.topNames(op)
    return names.every((name) => hostility(name, undefined) !== undefined || findStatAt(targetFd, name)?.kind === 'folder')
  }

  async restore(op: Operation, selection: Selection): Promise<void> {
    for await (const entry of selection.entries(op)) {
      op.check()
      await this.#visit(op, entry)
    }
    this.#leaveUntil(() => false)
    await this.#dispatcher.drain(op)
    await this.#links.run(op, () => this.#dispatcher.drain(op))
    this.#folders.release(this.#folders.root)
    if (!this.#parts.dryRun) this.#sync()
    this.#parts.tally.progress(op)
  }

  async close(): Promise<void> {
    await this.#dispatcher.close()
    this.#folders.close((folder, fd) => finishFolder(folder, fd, undefined, this.#parts.overwrite, noMisses()))
  }

  #sync(): void {
    try {
      this.#folders.sync()
    } catch (error) {
      throw itemError(error)
    }
  }

  async #visit(op: Operation, entry: Entry): Promise<void> {
    const { root } = this.#folders
    if (entry.path.length === 0 && entry.kind === 'folder') {
      if (!entry.ancestor) root.entry = entry
      return
    }
    const why = hostility(entry.path, this.#last)
    if (why !== undefined) {
      this.#hostile(entry, why)
      return
    }
    this.#last = entry.path
    this.#leaveUntil((folder) => isWithin(entry.path, pathOf(folder)))
    const parent = this.#stack.at(-1) ?? root
    if (parent.refusal) this.#countBelow(entry, parent)
    else if (!pathOf(parent).equals(parentOf(entry.path))) this.#hostile(entry, 'what it lies in is no folder')
    else if (entry.kind === 'folder') this.#visitFolder(entry, parent)
    else await this.#visitOther(op, entry, parent)
  }

  #hostile(entry: Entry, why: string): void {
    this.#parts.tally.failed(entry, archiveError('NAME_HOSTILE', `this path was not restored: ${why}`))
  }

  #countBelow(entry: Entry, { refusal }: Folder): void {
    // The folder itself was told; a line for each file in it would say nothing more.
    if (refusal) this.#parts.tally[refusal.kind](entry, refusal.error, false)
  }

  #leaveUntil(isInside: (folder: Folder) => boolean): void {
    for (let top = this.#stack.at(-1); top && !isInside(top); top = this.#stack.at(-1)) {
      this.#stack.pop()
      this.#folders.release(top)
    }
  }

  #visitFolder(entry: Entry, parent: Folder): void {
    const folder = this.#folders.begin(parent, entry, nameOf(entry.path))
    this.#stack.push(folder)
    // One that is only on the way is made when there is something to put into it.
    if (!entry.ancestor) this.#enter(folder)
  }

  /** Afterwards it is there, refused, or (in a dry run) absent; so are the folders above it. */
  #enter(folder: Folder): void {
    const { parent, entry } = folder
    if (folder.state !== 'waiting' || !parent || !entry) return
    this.#enter(parent)
    if (parent.refusal) {
      folder.state = 'refused'
      folder.refusal = parent.refusal
      this.#countBelow(entry, parent)
      return
    }
    const { overwrite, dryRun, tally } = this.#parts
    try {
      const isThere = enterFolder(this.#folders, folder, parent, overwrite, dryRun)
      if (!isThere) folder.state = 'absent'
      if (!isThere || folder.isNew) tally.restored(entry)
    } catch (error) {
      const kind = error instanceof Skipped ? 'skipped' : 'failed'
      folder.refusal = { kind, error: error instanceof Skipped ? (error.reason as TerpError) : itemError(error) }
      folder.state = 'refused'
      tally[kind](entry, folder.refusal.error)
    }
  }

  async #visitOther(op: Operation, entry: Entry, parent: Folder): Promise<void> {
    const { tally } = this.#parts
    if (entry.kind === 'socket') {
      tally.skipped(entry, archiveError('KIND_SKIPPED', 'a socket is not restored'))
      return
    }
    this.#enter(parent)
    if (parent.refusal) {
      this.#countBelow(entry, parent)
      return
    }
    const known = this.#groups.of(entry)
    if (known && !known.isFirst) this.#links.add({ group: known.group, entry, folder: parent })
    else await this.#restoreOther(op, entry, parent, known?.group)
  }

  /** A name that could not become a link gets the content itself, and leads the rest of its group. */
  async #restoreContent(op: Operation, { entry, folder, group }: PendingLink): Promise<void> {
    if (this.#parts.dryRun) this.#wouldRestore(entry, folder, 'linked')
    else await this.#restoreOther(op, entry, folder, group)
  }

  async #restoreOther(op: Operation, entry: Entry, folder: Folder, group: LinkGroup | undefined): Promise<void> {
    if (this.#parts.dryRun) this.#wouldRestore(entry, folder, 'restored')
    else if (entry.kind !== 'file') this.#restoreSpecial(op, entry, folder, group)
    else {
      const file = { entry, folder }
      await this.#dispatcher.makeRoomFor(op, file)
      try {
        this.#dispatcher.add(op, file, group !== undefined)
      } catch (error) {
        this.#parts.tally.failed(entry, itemError(error))
      }
    }
  }

  #restoreSpecial(op: Operation, entry: Entry, folder: Folder, group: LinkGroup | undefined): void {
    const { metadataOf, overwrite, tally } = this.#parts
    this.#attempt(entry, () => {
      const handle = { fd: this.#folders.fd(folder), isNew: folder.isNew, inherits: folder.inherits }
      const order = { folder: handle, name: nameOf(entry.path), entry, metadata: metadataOf(entry, this.#folders, folder), overwrite }
      const { kind, inode } = restoreSpecial(op, order, tally.misses)
      tally[kind](entry)
      if (group) this.#links.lead(group, entry, { folder, inode })
    })
  }

  #wouldRestore(entry: Entry, folder: Folder, as: 'restored' | 'linked'): void {
    const { metadataOf, overwrite, tally } = this.#parts
    this.#attempt(entry, () => {
      if (folder.state === 'absent') {
        tally[as](entry)
        return
      }
      const handle = { fd: this.#folders.fd(folder), isNew: false, inherits: false }
      const name = nameOf(entry.path)
      if (entry.kind !== 'file') {
        const there = existingSpecial({ folder: handle, name, entry, overwrite })
        tally[there ? 'unchanged' : as](entry)
        return
      }
      const { sizeBytes, links } = entry
      const order = {
        folder: 0,
        name: name.toString('latin1'),
        metadata: metadataOf(entry, this.#folders, folder),
        sizeBytes,
        links,
        leads: false,
      }
      const outcome = existingOutcome(handle, order, overwrite, noMisses(), false)
      if (outcome?.kind === 'skipped') tally.skipped(entry, fromPlainError(outcome.error))
      else tally[outcome ? 'unchanged' : as](entry)
    })
  }

  #attempt(entry: Entry, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (error instanceof Skipped) this.#parts.tally.skipped(entry, error.reason as TerpError)
      else this.#parts.tally.failed(entry, itemError(error))
    }
  }

  #finishFolder(folder: Folder): void {
    const { metadataOf, security, overwrite, tally, dryRun } = this.#parts
    if (dryRun) return
    try {
      const isKept = security === 'destination' && !folder.isNew
      const metadata = folder.entry && !isKept ? metadataOf(folder.entry, this.#folders, folder.parent) : undefined
      finishFolder(folder, this.#folders.fd(folder), metadata, overwrite, tally.misses)
    } catch (error) {
      const reason = itemError(error)
      if (folder.entry) tally.failed(folder.entry, reason)
      else throw reason
    }
  }
}

const EMPTY = Buffer.alloc(0)

function pathOf(folder: Folder): Buffer {
  return folder.entry?.path ?? EMPTY
}
