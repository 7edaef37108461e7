/** After all content: further names of inodes become links; what can't be linked gets the content itself. Inode flags that forbid links come last. */
import type { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { close, FS_RESTORABLE_FLAGS, statFd } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import type { Folders } from './folders.ts'
import { type Leader, type LinkGroup, makeLink, type PendingLink } from './hard-links.ts'
import { applyFlags } from './metadata.ts'
import { openSame, Skipped } from './placing.ts'
import type { RunParts } from './run-parts.ts'
import { itemError } from './target-errors.ts'

export class LinkPhase {
  readonly #parts: Pick<RunParts, 'tally' | 'overwrite' | 'dryRun'>
  readonly #folders: Folders
  readonly #restoreContent: (op: Operation, pending: PendingLink) => Promise<void>
  #pending: PendingLink[] = []
  readonly #flagsLater: { readonly leader: Leader; readonly flags: number }[] = []
  /** Every folder that is held for this phase, once for each hold. */
  readonly #held: Leader['folder'][] = []

  constructor(parts: RunParts, folders: Folders, restoreContent: (op: Operation, pending: PendingLink) => Promise<void>) {
    this.#parts = parts
    this.#folders = folders
    this.#restoreContent = restoreContent
  }

  /** Puts a further name aside until everything else is done. */
  add(pending: PendingLink): void {
    this.#hold(pending.folder)
    this.#pending.push(pending)
  }

  lead(group: LinkGroup, entry: Entry, leader: Leader): void {
    this.#hold(leader.folder)
    group.leader = leader
    const flags = entry.inodeFlags
    if (entry.kind === 'file' && flags !== undefined && ((flags & FS_RESTORABLE_FLAGS) !== 0 || leader.folder.inherits)) {
      this.#flagsLater.push({ leader, flags })
    }
  }

  #hold(folder: Leader['folder']): void {
    this.#folders.hold(folder)
    this.#held.push(folder)
  }

  /** Each turn gives every group that needs one a new leader; nearly always there is one turn. */
  async run(op: Operation, drain: () => Promise<void>): Promise<void> {
    while (this.#pending.length > 0) {
      const turn = this.#pending
      this.#pending = []
      const waiting = new Set<LinkGroup>()
      for (const pending of turn) {
        op.check()
        if (waiting.has(pending.group)) this.#pending.push(pending)
        else if (!this.#link(op, pending)) {
          pending.group.leader = undefined
          waiting.add(pending.group)
          await this.#restoreContent(op, pending)
        }
      }
      await drain()
    }
    for (const later of this.#flagsLater) this.#setFlags(later)
    for (const folder of this.#held) this.#folders.release(folder)
  }

  /** False when its content has to be restored. */
  #link(op: Operation, { group, entry, folder }: PendingLink): boolean {
    const { tally, overwrite, dryRun } = this.#parts
    const { leader } = group
    if (dryRun || !leader) return false
    try {
      const from = { fd: this.#folders.fd(leader.folder), inode: leader.inode }
      const to = { fd: this.#folders.fd(folder), isNew: folder.isNew, inherits: folder.inherits }
      const made = makeLink(op, entry, to, from, overwrite)
      if (made === 'impossible') return false
      tally[made](entry)
    } catch (error) {
      if (error instanceof Skipped) tally.skipped(entry, error.reason as TerpError)
      else tally.failed(entry, itemError(error))
    }
    return true
  }

  #setFlags({ leader, flags }: { leader: Leader; flags: number }): void {
    const { folder, inode } = leader
    const { misses } = this.#parts.tally
    let fd: number | undefined
    try {
      fd = openSame(this.#folders.fd(folder), Buffer.from(inode.name, 'latin1'), inode, statFd)
      if (fd === undefined) misses.flags++
      else applyFlags(fd, flags, misses)
    } catch (error) {
      itemError(error) // throws what ends the job; otherwise only the flags of this file are missing
      misses.flags++
    } finally {
      if (fd !== undefined) close(fd)
    }
  }
}
