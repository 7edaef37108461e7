/**
 * Compares a page of the previous tree with the file system: is every entry of it as it was, and held? And which folders may have got names that
 * the tree does not know? A folder whose times did not move has the same names, so it is not read.
 */
import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat, PosixError, StatProbe } from '../../../platform/index.ts'
import type { KnownChunks } from '../../../repository/index.ts'
import { KIND_NUMBER, PageCursor } from '../../tree/page-cursor.ts'
import type { Exclusion } from '../exclusion.ts'
import { CACHE_TAG } from '../walk.ts'
import { CLOSED, FolderStack, type ScanLimits } from './folder-stack.ts'
import { namesIn } from './names-in.ts'

const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
const CACHE_TAG_BELOW = Buffer.concat([Buffer.from('/'), CACHE_TAG, Buffer.alloc(1)])

export interface ScanRules extends ScanLimits {
  readonly isExcluded: Exclusion
  readonly isFileExcluded: Exclusion
  readonly excludeCaches: boolean
  readonly known: KnownChunks
}

/** A folder that has to be looked at closely. */
export interface ChangedFolder {
  readonly path: Uint8Array
  /** What is in it now, sorted, without what is excluded; undefined when everything below it is to be walked. */
  readonly names: readonly Uint8Array[] | undefined
}

export interface PageFindings {
  /** Every entry is as it was, and the chunks that the page names are known. Says nothing about names that came. */
  readonly same: boolean
  /** The content of some file stands in lists, and nothing is said of the chunks in those. */
  readonly hasLists: boolean
  readonly files: number
  readonly folders: number
  readonly others: number
  /** How many entries lie directly in each folder on the way to the page's first path, by the depth of the folder (0: `/`). */
  readonly direct: readonly number[]
  readonly changed: readonly ChangedFolder[]
}

export class PageScanner {
  readonly #rules: ScanRules
  readonly #cursor = new PageCursor()
  readonly #folders: FolderStack
  readonly #probe = new StatProbe()
  readonly #cacheProbe = new StatProbe()
  #name = Buffer.alloc(512)

  constructor(rules: ScanRules) {
    this.#rules = rules
    this.#folders = new FolderStack(rules)
  }

  /** Throws TREE_DAMAGED. */
  scan(page: Buffer, devices: ReadonlySet<number>): PageFindings {
    const cursor = this.#cursor
    cursor.open(page)
    this.#folders.devices = devices
    let same = this.#rules.known.hasAll(cursor.chunkIds)
    let hasLists = false
    let files = 0
    let folders = 0
    let others = 0
    const direct: number[] = []
    const changed: ChangedFolder[] = []
    /** Bytes that all paths so far share. */
    let common = Number.POSITIVE_INFINITY
    while (cursor.next()) {
      const { depth, kind } = cursor
      if (kind === KIND_NUMBER.file) files++
      else if (kind === KIND_NUMBER.folder) folders++
      else others++
      hasLists ||= cursor.hasLists
      common = common === Number.POSITIVE_INFINITY ? cursor.pathBytes : Math.min(common, cursor.shared)
      const parentBytes = depth === 0 ? 0 : (cursor.slashes[depth - 1] as number) + 1
      if (parentBytes <= common) direct[depth] = (direct[depth] ?? 0) + 1
      if (!this.#isSame(same, changed)) same = false
    }
    for (let depth = 0; depth < direct.length; depth++) direct[depth] ??= 0
    return { same, hasLists, files, folders, others, direct, changed }
  }

  close(): void {
    this.#folders.close()
  }

  /** Once the page is to be walked, only its folders matter: the pages of what is in them may still be taken over. */
  #isSame(pageIsSame: boolean, changed: ChangedFolder[]): boolean {
    const cursor = this.#cursor
    const root = this.#folders.follow(cursor)
    if (!root || cursor.ancestor) return false
    const isFolder = cursor.kind === KIND_NUMBER.folder
    if (cursor.pathBytes === root.path.length) {
      if (isFolder) this.#lookAtRoot(changed)
      return false // left to the walk, which has things to say about a root
    }
    if (!pageIsSame && !isFolder) return false
    const parent = this.#folders.parentOf(cursor)
    if (parent === CLOSED) return false
    this.#takeName()
    if (this.#probe.look(parent, this.#name) !== 0) return false
    const isSame = this.#isUnchanged(this.#folders.dev)
    if (!isFolder || this.#probe.kind !== 'folder') return isSame
    const isSkipped = this.#rules.skip.has(`${this.#dev}:${this.#probe.ino}`)
    const mayHaveChanged = !isSame || this.#hasCacheTag(parent)
    if (mayHaveChanged && !isSkipped) this.#lookInto(() => openat(parent, this.#nameText(), FOLDER), changed)
    return isSame && !isSkipped
  }

  #lookAtRoot(changed: ChangedFolder[]): void {
    const fd = this.#folders.rootFd()
    if (fd === CLOSED || this.#probe.lookFd(fd) !== 0) return
    if (!this.#isUnchanged(this.#dev) || this.#rules.excludeCaches) this.#lookInto(() => openat(fd, '.', FOLDER), changed)
  }

  get #dev(): number {
    return this.#rules.recordedDevice(this.#probe.dev)
  }

  /** As it was, on the device of its folder, and settled. */
  #isUnchanged(parentDev: number): boolean {
    const { kind, unsettled, mtimeSec, mtimeNs, ctimeSec, ctimeNs, dev, ino, sizeBytes } = this.#cursor
    const probe = this.#probe
    return (
      !unsettled &&
      probe.ctimeNs === ctimeNs &&
      probe.ctimeSec === ctimeSec &&
      probe.mtimeNs === mtimeNs &&
      probe.mtimeSec === mtimeSec &&
      probe.ino === ino &&
      this.#dev === dev &&
      dev === parentDev &&
      KIND_NUMBER[probe.kind] === kind &&
      (kind !== KIND_NUMBER.file || probe.sizeBytes === sizeBytes)
    )
  }

  #hasCacheTag(parent: number): boolean {
    if (!this.#rules.excludeCaches) return false
    return this.#cacheProbe.look(parent, Buffer.concat([this.#nameText(), CACHE_TAG_BELOW])) === 0
  }

  #lookInto(open: () => number, changed: ChangedFolder[]): void {
    const { path, pathBytes } = this.#cursor
    const folder = Buffer.from(path.subarray(0, pathBytes))
    let fd: number | undefined
    try {
      fd = open()
      const { wanted, hasCacheTag } = namesIn(fd, folder, this.#rules)
      changed.push({ path: folder, names: this.#rules.excludeCaches && hasCacheTag ? undefined : wanted })
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      changed.push({ path: folder, names: undefined }) // the walk will see why, and tell
    } finally {
      if (fd !== undefined) close(fd)
    }
  }

  /** The name of the cursor's entry, with a zero behind it. */
  #takeName(): void {
    const { path, pathBytes, depth, slashes } = this.#cursor
    const start = depth === 0 ? 0 : (slashes[depth - 1] as number) + 1
    if (pathBytes - start >= this.#name.length) this.#name = Buffer.alloc((pathBytes - start) * 2)
    for (let from = start, to = 0; from <= pathBytes; from++, to++) this.#name[to] = path[from] as number
  }

  #nameText(): Buffer {
    return this.#name.subarray(0, this.#name.indexOf(0))
  }
}
