/**
 * Handles of the folders on the way to the entry that is being looked at, below one of the roots. Opened one below the other and never through a symbolic
 * link, so what is looked at lies where its path says. A folder that can't be opened, is to be skipped, or lies on a device where nothing may be
 * taken over unseen is closed to everything below it.
 */

import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat, openPath, PosixError, StatProbe } from '../../../platform/index.ts'
import { isWithin } from '../../entry.ts'
import type { PageCursor } from '../../tree/page-cursor.ts'
import type { Root } from '../roots.ts'

const FOLDER = O_RDONLY | O_DIRECTORY
/** Deeper folders are left to the walk, which lets go of distant ones. */
const MOST_OPEN = 128
export const CLOSED = -1
const NOT_OPENED = -2

export interface ScanLimits {
  /** Sorted. */
  readonly roots: readonly Root[]
  /** `dev:ino` of folders that are never entered. */
  readonly skip: ReadonlySet<string>
  readonly oneFileSystem: boolean
  /** The number that stands in the tree for the one that is read. */
  readonly recordedDevice: (dev: number) => number
}

export class FolderStack {
  readonly #limits: ScanLimits
  readonly #hasInner: boolean
  readonly #probe = new StatProbe()
  /** Devices on which folders tell by their times that a name came or went. */
  devices: ReadonlySet<number> = new Set()
  #root: Root | undefined
  #rootFd = NOT_OPENED
  #rootDev = 0
  /** By number of the slash at which the folder's path ends. */
  readonly #fds: number[] = []
  readonly #devs: number[] = []
  /** Slashes of the path that the stack is at. */
  #depth = 0
  #firstDepth = 0
  /** Device of the folder that `parentOf` answered last. */
  dev = 0

  constructor(limits: ScanLimits) {
    this.#limits = limits
    this.#hasInner = limits.roots.some(({ isInner }) => isInner)
  }

  /** The root in which the cursor's path lies, if any. To be asked at every step, since it lets go of folders that are behind. */
  follow(cursor: PageCursor): Root | undefined {
    this.#closeFrom(Math.max(keptDepth(cursor), this.#firstDepth))
    const isBelow = this.#root !== undefined && cursor.shared > this.#root.path.length
    if (isBelow && !this.#hasInner) return this.#root
    const path = cursor.path.subarray(0, cursor.pathBytes)
    // The deepest: it may be read elsewhere.
    const root = this.#limits.roots.findLast((candidate) => isWithin(path, candidate.path))
    if (isBelow && root === this.#root) return root
    this.close()
    this.#root = root
    if (this.#root) this.#firstDepth = this.#root.path.length === 0 ? 0 : slashesIn(this.#root.path) + 1
    this.#depth = this.#firstDepth
    return this.#root
  }

  /** Handle of the folder that holds the cursor's entry, which is not the root itself; CLOSED when there is no way to it. */
  parentOf(cursor: PageCursor): number {
    let fd = this.rootFd()
    this.dev = this.#rootDev
    const first = this.#firstDepth
    const { depth, slashes, path } = cursor
    if (depth - first > MOST_OPEN) return CLOSED
    for (let at = first; at < depth && fd !== CLOSED; at++) {
      if (at >= this.#depth) {
        const start = at === 0 ? 0 : (slashes[at - 1] as number) + 1
        this.#fds[at] = this.#enter(fd, path.subarray(start, slashes[at]))
        this.#devs[at] = this.#dev
        this.#depth = at + 1
      }
      fd = this.#fds[at] as number
      this.dev = this.#devs[at] as number
    }
    return fd
  }

  /** Handle of the root that `follow` answered. */
  rootFd(): number {
    if (this.#rootFd !== NOT_OPENED || !this.#root) return this.#rootFd
    const { at, follow } = this.#root
    this.#rootFd = this.#check(() => openPath(at.length === 0 ? '/' : at, follow ? FOLDER : FOLDER | O_NOFOLLOW), true)
    this.#rootDev = this.#dev
    return this.#rootFd
  }

  get #dev(): number {
    return this.#limits.recordedDevice(this.#probe.dev)
  }

  #enter(parent: number, name: Buffer): number {
    return this.#check(() => openat(parent, name, FOLDER | O_NOFOLLOW), false)
  }

  #check(open: () => number, isRoot: boolean): number {
    let fd: number
    try {
      fd = open()
    } catch (error) {
      if (error instanceof PosixError) return CLOSED // the walk will see why, and tell
      throw error
    }
    const errno = this.#probe.lookFd(fd)
    const { ino } = this.#probe
    const dev = this.#dev
    const isElsewhere = this.#limits.oneFileSystem && !isRoot && dev !== this.#rootDev
    if (errno === 0 && !isElsewhere && this.devices.has(dev) && !this.#limits.skip.has(`${dev}:${ino}`)) return fd
    close(fd)
    return CLOSED
  }

  #closeFrom(depth: number): void {
    while (this.#depth > depth) {
      const fd = this.#fds[--this.#depth] as number
      if (fd >= 0) close(fd)
    }
  }

  close(): void {
    this.#closeFrom(this.#firstDepth)
    if (this.#rootFd >= 0) close(this.#rootFd)
    this.#rootFd = NOT_OPENED
    this.#root = undefined
    this.#firstDepth = 0
    this.#depth = 0
  }
}

/** How many slashes of the path are those of the one before. */
function keptDepth({ slashes, depth, shared }: PageCursor): number {
  let kept = depth
  while (kept > 0 && (slashes[kept - 1] as number) >= shared) kept--
  return kept
}

function slashesIn(path: Buffer): number {
  let count = 0
  for (const byte of path) if (byte === 0x2f) count++
  return count
}
