/**
 * The moving parts of one backup: what the walk brings, what lanes owe, and the tree that takes entries in order. 400 lines: one queue of places in that order, and
 * everybody who puts something into it or waits for it.
 */
import { invariant } from '../../base/errors.ts'
import type { Operation, Warning } from '../../base/operation.ts'
import { BUNDLED_BELOW_BYTES } from '../../chunking/index.ts'
import { type Accounts, PosixError } from '../../platform/index.ts'
import type { ChunkWriter, ManifestStatistics } from '../../repository/index.ts'
import type { Entry } from '../entry.ts'
import { archiveError } from '../errors.ts'
import type { PageChild } from '../tree/page-codec.ts'
import { isPageEnd, type TreeRoot, type TreeWriter } from '../tree/tree-writer.ts'
import type { Checkpoints } from './checkpoints.ts'
import { ContentBefore } from './content-before.ts'
import type { Devices } from './devices.ts'
import { entryOfLink, entryOfNode, isSameWay, isUnchanged, sameTimes } from './entries.ts'
import { KeptPages, type PagePlace } from './kept-pages.ts'
import { BATCH_BYTES, type LaneFile, type LaneResult } from './lane.ts'
import type { Lanes } from './lanes.ts'
import { type PartSizes, readLargeParts } from './large-parts.ts'
import type { PreviousTree } from './previous.ts'
import { entryOfAnswer, knownOf, sameAsBefore } from './reading-again.ts'
import type { PageFindings } from './scan/page-scanner.ts'
import { sourceWarning } from './source-warning.ts'
import type { WalkItem } from './walk.ts'

export interface BackupRunParts {
  readonly lanes: Lanes
  readonly tree: TreeWriter
  readonly previous: PreviousTree
  readonly accounts: Accounts
  readonly devices: Devices
  /** Of the tree's pages: docs/format.md §9.1. */
  readonly pageSeed: number
  /** Whether files are read although they look unchanged, by where their page of the previous tree begins. */
  readonly mustRead: (pagePath: Buffer | undefined) => boolean
  readonly warn: (warning: Warning, path: Buffer) => void
  /** Of the recovery point before, or counted: for progress only. */
  readonly totals: Pick<ManifestStatistics, 'files' | 'total_bytes'> | undefined
  readonly onBatch: () => Promise<void>
  /** For content lists of files that are read in parts. */
  readonly lists: ChunkWriter
  readonly checkpoints: Checkpoints
  readonly partSizes: PartSizes
}

/** A page of the previous tree in its place in the order. */
interface PageSlot {
  readonly page: PageChild
  readonly found: PageFindings
}

/** A place in the order of the tree. `entry` is undefined while a lane owes it, and null when the file could not be stored. */
interface Slot {
  readonly item: WalkItem
  readonly before: Entry | undefined
  /** Of `before`. */
  readonly place: PagePlace | undefined
  entry: Entry | null | undefined
  /** Resolves once `entry` is there; rejects when the job has failed. */
  owed: Promise<void> | undefined
}

const BATCH_FILES = 512
const LEAST_BUNDLE_FILES = 64
const LEAST_BUNDLE_BYTES = 262_144
/** Each batch keeps its folders open. */
const BATCH_FOLDERS = 64
const MOST_SLOTS = 16_384
const MOST_FOLLOWERS = 256
/** So many files are read in parts at a time; each keeps its folder open. */
const MOST_IN_PARTS = 4
const PROGRESS_EVERY = 256
/** A file of this size is progress by itself. */
const LARGE_BYTES = 16_777_216

export class BackupRun {
  readonly #op: Operation
  readonly #parts: BackupRunParts
  readonly #pages: KeptPages
  #slots: (Slot | PageSlot)[] = []
  #head = 0
  #batch: Slot[] = []
  #batchBytes = 0
  #batchFolders = new Set<WalkItem['folder']>()
  /** First slot of each inode with several names that was read in this run. */
  readonly #inodes = new Map<string, { readonly slot: Slot; left: number }>()
  /** Those whose folder is held open for a lane. */
  readonly #reading = new Set<Slot>()
  /** Further names of inodes that wait for the first. */
  #followers = 0
  #taken = 0
  #stored = 0
  readonly counts = {
    files: 0,
    folders: 0,
    others: 0,
    bytes: 0,
    added: 0,
    packed: 0,
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    foldersNew: 0,
    foldersChanged: 0,
    foldersUnmodified: 0,
  }

  constructor(op: Operation, parts: BackupRunParts) {
    this.#op = op
    this.#parts = parts
    const { tree, pageSeed, previous } = parts
    this.#pages = new KeptPages({ tree, pageSeed, isPageHeld: (page) => previous.isPageHeld(page) })
  }

  async take(item: WalkItem): Promise<void> {
    if (++this.#taken % PROGRESS_EVERY === 0) this.#report()
    const { previous } = this.#parts
    const before = await previous.find(item.path)
    const place = before && previous.page && { page: previous.page, number: previous.number }
    const slot: Slot = { item, before, place, entry: undefined, owed: undefined }
    this.#slots.push(slot)
    const { stat } = item
    if (!this.#parts.devices.has(stat.dev)) this.#parts.devices.writeOut(this.#op, stat.dev, (item.opened ?? item.folder).fd)
    // To read again is about content: metadata is known by its change time all the same.
    const mustRead = stat.kind === 'file' && before !== undefined && this.#parts.mustRead(previous.page?.firstPath)
    const isKept = isUnchanged(before, stat) && before.ancestor === item.ancestor && !mustRead && (await previous.isHeld(before))
    if (isKept) slot.entry = before.dev === stat.dev ? before : { ...before, dev: stat.dev }
    else if (stat.kind !== 'file') slot.entry = this.#readNode(item, before)
    else await this.#owe(slot)
    if (this.#endsBundle(item.path)) await this.#sendBatch()
    await this.#drain(this.#slots.length - this.#head > MOST_SLOTS)
  }

  /** Takes over a page of the previous tree that is as it was. */
  async adopt(page: PageChild, found: PageFindings): Promise<void> {
    this.#slots.push({ page, found })
    await this.#drain(this.#slots.length - this.#head > MOST_SLOTS)
  }

  #syncedAt({ stat }: WalkItem): number {
    return this.#parts.devices.writtenOutMs(stat.dev)
  }

  #readNode(item: WalkItem, before: Entry | undefined): Entry | null {
    try {
      const now = entryOfNode(item, this.#parts.accounts, this.#syncedAt(item))
      return isSameWay(before, now) ? before : now
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      this.#parts.warn(sourceWarning(item.path, error), item.path)
      return null
    }
  }

  async #owe(slot: Slot): Promise<void> {
    const { stat, folder } = slot.item
    folder.retain()
    this.#reading.add(slot)
    const first = stat.links > 1 ? this.#firstOfInode(slot) : undefined
    if (first) {
      slot.owed = this.#followLink(slot, first)
      slot.owed.catch(() => {}) // awaited in order, by #drain
      // It keeps its folder open until then, like a file of the batch.
      this.#batchFolders.add(folder)
      if (this.#batchFolders.size >= BATCH_FOLDERS) await this.#sendBatch()
      while (this.#followers > MOST_FOLLOWERS) await this.#drain(true)
      return
    }
    if (stat.sizeBytes >= 2 * this.#parts.partSizes.partBytes) {
      slot.owed = this.#readParts(slot)
      slot.owed.catch(() => {}) // awaited in order, by #drain
      while (this.#inParts >= MOST_IN_PARTS) await this.#drain(true)
      return
    }
    if (stat.sizeBytes >= BUNDLED_BELOW_BYTES) {
      slot.owed = (await this.#submit([slot])).done
      return
    }
    // The promise is replaced by that of the batch; who waits for a slot of an open batch sends the batch off first.
    this.#batch.push(slot)
    slot.owed = this.#batchPromise()
    this.#batchBytes += stat.sizeBytes
    this.#batchFolders.add(folder)
    const isFull = this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_FILES || this.#batchFolders.size >= BATCH_FOLDERS
    if (isFull) await this.#sendBatch()
  }

  /**
   * Where a page of the tree ends, a bundle does, unless it would be tiny: so the same files make the same bundles when they are read again, whatever
   * came or went before them.
   */
  #endsBundle(path: Buffer): boolean {
    const isTiny = this.#batch.length < LEAST_BUNDLE_FILES && this.#batchBytes < LEAST_BUNDLE_BYTES
    return !isTiny && isPageEnd(path, this.#parts.pageSeed)
  }

  /** The slot under which this inode is read in this run, if another name of it came before. Forgotten after its last name. */
  #firstOfInode(slot: Slot): Slot | undefined {
    const { stat } = slot.item
    const key = `${stat.dev}:${stat.ino}`
    const known = this.#inodes.get(key)
    if (!known) {
      this.#inodes.set(key, { slot, left: stat.links - 1 })
      return undefined
    }
    if (--known.left <= 0) this.#inodes.delete(key)
    return known.slot
  }

  /** Takes over what was read under the first name, if that was the very inode that this name had; else it is read by itself. */
  async #followLink(slot: Slot, first: Slot): Promise<void> {
    this.#followers++
    await first.owed
    this.#followers--
    if (first.entry && isUnchanged(first.entry, slot.item.stat, 'read now')) {
      slot.entry = sameAsBefore(slot.before, entryOfLink(slot.item, first.entry))
      this.#release(slot)
    } else await (await this.#submit([slot])).done
  }

  #deferred: { promise: Promise<void>; resolve: (owed: Promise<void>) => void } | undefined

  #batchPromise(): Promise<void> {
    if (!this.#deferred) {
      const { promise, resolve } = Promise.withResolvers<void>()
      promise.catch(() => {}) // awaited in order, by #drain
      this.#deferred = { promise, resolve }
    }
    return this.#deferred.promise
  }

  async #sendBatch(): Promise<void> {
    const batch = this.#batch
    const deferred = this.#deferred
    if (batch.length === 0 || !deferred) {
      this.#batchFolders = new Set()
      return
    }
    this.#batch = []
    this.#batchBytes = 0
    this.#batchFolders = new Set()
    this.#deferred = undefined
    deferred.resolve((await this.#submit(batch)).done)
  }

  /** Resolves once a lane took it; `done` once it answered. */
  async #submit(slots: readonly Slot[]): Promise<{ done: Promise<void> }> {
    const { previous, accounts } = this.#parts
    const files: LaneFile[] = []
    for (const { item, before } of slots) {
      const known = await knownOf(item, before, previous, accounts)
      files.push({ folderFd: item.folder.fd, name: item.name, path: item.path, settledMs: this.#syncedAt(item), ...known })
    }
    const { answer } = await this.#parts.lanes.submit(this.#op, files)
    const done = answer.then(({ results, addedBytes, packedBytes }) => {
      this.counts.added += addedBytes
      this.counts.packed += packedBytes
      slots.forEach((slot, i) => {
        const result = results[i]
        invariant(result, 'a lane answers for every file')
        slot.entry = entryOfAnswer(slot, result, accounts)
        if (!result.isKept && result.warning) this.#parts.warn(result.warning, slot.item.path)
        this.#release(slot)
      })
    })
    done.catch(() => {}) // awaited in order, by #drain
    await this.#parts.onBatch()
    return { done }
  }

  #inParts = 0
  /** What was read of files that are not whole yet: for progress. */
  #partBytes = 0

  async #readParts(slot: Slot): Promise<void> {
    const { folder, name, path, stat } = slot.item
    const { lists, checkpoints, partSizes, lanes, onBatch, accounts, warn, previous } = this.#parts
    this.#inParts++
    const content = slot.before && new ContentBefore(previous.contentOf(slot.before))
    const submit = async (part: { from: number; to: number }) => {
      const before = content ? { before: await content.within(part) } : {}
      const file: LaneFile = { folderFd: folder.fd, name, path, settledMs: this.#syncedAt(slot.item), part, ...before }
      const { answer } = await lanes.submit(this.#op, [file])
      await onBatch()
      const one = answer.then(({ results, addedBytes, packedBytes }): LaneResult => {
        this.counts.added += addedBytes
        this.counts.packed += packedBytes
        const [result] = results
        invariant(result && !result.isKept, 'a lane answers for every part as it is now')
        if (result.ok) this.#partBytes += result.sizeBytes
        this.#report()
        return result
      })
      return { answer: one }
    }
    const result = await readLargeParts(this.#op, { path, stat, sizes: partSizes, lists, checkpoints, submit })
    await content?.close()
    this.#inParts--
    if (this.#inParts === 0) this.#partBytes = 0
    slot.entry = entryOfAnswer(slot, result, accounts)
    if (result.warning) warn(result.warning, path)
    this.#release(slot)
  }

  #release(slot: Slot): void {
    if (this.#reading.delete(slot)) slot.item.folder.release()
  }

  /** Lets go of what lanes did not answer for: after the end of a job, whatever it was. */
  close(): void {
    for (const slot of this.#reading) this.#release(slot)
  }

  /** Moves what is ready into the tree. With `wait`, at least the first that is owed. */
  async #drain(wait: boolean): Promise<void> {
    let mayWait = wait
    for (; this.#head < this.#slots.length; this.#head++) {
      const slot = this.#slots[this.#head] as Slot | PageSlot
      if ('page' in slot) {
        await this.#storePage(slot)
        continue
      }
      if (slot.entry === undefined) {
        if (!mayWait) break
        if (this.#deferred && slot.owed === this.#deferred.promise) await this.#sendBatch()
        await slot.owed
        mayWait = false
      }
      if (slot.entry) await this.#store(slot, slot.entry)
    }
    if (this.#head > 4096) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
  }

  async #store(slot: Slot, entry: Entry): Promise<void> {
    this.#count(slot, entry)
    if (++this.#stored % PROGRESS_EVERY === 0 || entry.sizeBytes >= LARGE_BYTES) this.#report()
    await this.#pages.add(this.#op, entry, entry === slot.before ? slot.place : undefined)
  }

  async #storePage({ page, found }: PageSlot): Promise<void> {
    const { tree, previous } = this.#parts
    const { counts } = this
    counts.files += found.files
    counts.filesUnmodified += found.files
    counts.folders += found.folders
    counts.foldersUnmodified += found.folders
    counts.others += found.others
    counts.bytes += page.contentBytes
    await this.#pages.end(this.#op)
    if (tree.isBetweenPages) await tree.adopt(this.#op, page)
    else {
      const entries = await previous.entriesOf(page)
      // It was read and compared a moment ago.
      if (!entries) throw archiveError('TREE_DAMAGED', 'a page of the previous recovery point can no longer be read')
      for (const entry of entries) await tree.add(this.#op, entry)
    }
    this.#report()
  }

  #count({ before }: Slot, entry: Entry): void {
    const { counts } = this
    const isSame = before !== undefined && (before === entry || sameTimes(before, entry))
    if (entry.kind === 'file') {
      counts.files++
      counts.bytes += entry.sizeBytes
      if (before?.kind !== 'file') counts.filesNew++
      else if (isSame) counts.filesUnmodified++
      else counts.filesChanged++
    } else if (entry.kind === 'folder') {
      counts.folders++
      if (before?.kind !== 'folder') counts.foldersNew++
      else if (isSame) counts.foldersUnmodified++
      else counts.foldersChanged++
    } else counts.others++
  }

  async finish(): Promise<TreeRoot> {
    await this.#sendBatch()
    while (this.#head < this.#slots.length) await this.#drain(true)
    await this.#pages.end(this.#op)
    const root = await this.#parts.tree.finish(this.#op)
    this.counts.added += this.#parts.tree.addedBytes
    this.counts.packed += this.#parts.tree.packedBytes
    this.#report()
    return root
  }

  #report(): void {
    this.#op.check()
    const { files, bytes } = this.counts
    const { totals } = this.#parts
    this.#op.progress({
      phase: 'backup',
      filesDone: files,
      bytesDone: bytes + this.#partBytes,
      ...(totals ? { filesTotal: Math.max(totals.files, files), bytesTotal: Math.max(totals.total_bytes, bytes) } : {}),
    })
  }
}
