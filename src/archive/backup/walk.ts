/**
 * Walks the chosen paths in the order of trees (docs/format.md §9), below folder handles, never through a symbolic link on the way.
 * Synchronous: a directory entry costs a system call or two, and waiting for each would cost more than the call.
 */
import { statfsSync } from 'node:fs'
import type { Warning } from '../../base/operation.ts'
import {
  AT_FDCWD,
  close,
  type FileStat,
  findStatAt,
  O_NOFOLLOW,
  O_RDONLY,
  openat,
  PosixError,
  readFolder,
  readFully,
  statAt,
  statFd,
} from '../../platform/index.ts'
import { absolutePath, comparePaths, isWithin, joinPath, nameOf, parentOf } from '../entry.ts'
import { displayPath } from '../tree/tree-reader.ts'
import type { Exclusion } from './exclusion.ts'
import { FolderHandle } from './folder-handle.ts'
import { type Places, READ_IN_PLACE } from './places.ts'
import { isWay, type Root, rootsOf, trimSlashes } from './roots.ts'
import { sourceWarning } from './source-warning.ts'

export interface WalkOptions {
  /** Absolute, without their first slash; a slash at the end means: follow it if it is a link. */
  readonly roots: readonly Buffer[]
  readonly isExcluded: Exclusion
  /** Of what is no folder. */
  readonly isFileExcluded: Exclusion
  readonly excludeCaches: boolean
  readonly oneFileSystem: boolean
  /** `dev:ino` of folders that are never entered: the pool itself. */
  readonly skip: ReadonlySet<string>
  /** With the path that it is about. */
  readonly warn: (warning: Warning, path: Buffer) => void
  /** Where it is read, if that is not where it is recorded. */
  readonly places?: Places
}

/** The part of the tree that is walked next: from the first path on, up to the second (exclusive) or the end. */
export interface WalkRange {
  from: Buffer
  to: Buffer | undefined
}

export interface WalkItem {
  readonly path: Buffer
  readonly name: Buffer
  readonly stat: FileStat
  /** Where `name` lies. Retain it to use it after the next step of the walk. */
  readonly folder: FolderHandle
  /** The folder itself, open, when it is one and could be opened. */
  readonly opened: FolderHandle | undefined
  readonly ancestor: boolean
}

interface Frame {
  readonly handle: FolderHandle
  readonly path: Buffer
  readonly names: readonly Buffer[]
  next: number
  readonly dev: number
  /** It does not belong to the source, and is only on the way to roots in it. */
  readonly isWay: boolean
  /** Of which only the tag is kept. */
  readonly isCache: boolean
}

export const CACHE_TAG = Buffer.from('CACHEDIR.TAG')
const HERE = Buffer.from('.')
const CACHE_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55')
/** Ancestors farther away than this are closed meanwhile. */
const OPEN_ANCESTORS = 128
/** proc, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs, securityfs, bpf, mqueue, pstore, configfs, binfmt_misc: what is there is no data. */
const PSEUDO = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x19800202, 0x6165676c, 0x62656570,
  0x42494e4d,
])

/** Everything. */
export function* walk(options: WalkOptions): Generator<WalkItem> {
  for (const item of walkRanges(options, { from: Buffer.alloc(0), to: undefined })) if (item) yield item
}

/**
 * The entries of a range, then undefined: whoever takes them moves the range on before asking for more. Ranges come in order. What lies before a
 * range is passed without being looked at, and a folder that it begins in is entered without being told.
 */
export function* walkRanges(options: WalkOptions, range: WalkRange): Generator<WalkItem | undefined> {
  const { places = READ_IN_PLACE } = options
  const roots = rootsOf(options.roots, places)
  const ranged: RangedOptions = { ...options, range, places, inner: roots.filter(({ isInner }) => isInner) }
  let lastRoot: Buffer | undefined
  for (const root of roots) {
    if (root.isInner) continue
    yield* ancestorsOf(ranged, root.path, lastRoot)
    lastRoot = root.path
    yield* walkRoot(ranged, root)
  }
}

interface RangedOptions extends WalkOptions {
  readonly range: WalkRange
  readonly places: Places
  /** Roots that lie in other roots. */
  readonly inner: readonly Root[]
}

/** What is to be done about a path: tell it, only enter it, or neither. */
function* admit(range: WalkRange, path: Buffer): Generator<undefined, 'tell' | 'enter' | 'pass'> {
  while (range.to && comparePaths(path, range.to) >= 0) yield undefined
  if (range.from.length === 0 || comparePaths(path, range.from) >= 0) return 'tell'
  return isWithin(range.from, path) ? 'enter' : 'pass'
}

/** Folders on the way to a root that the root before did not pass already. They are what the path reaches, links followed; or another folder stands for them. */
function* ancestorsOf({ range, places }: RangedOptions, root: Buffer, before: Buffer | undefined): Generator<WalkItem | undefined> {
  const chain: Buffer[] = []
  for (let path = parentOf(root); path.length > 0; path = parentOf(path)) chain.unshift(path)
  for (const path of chain) {
    if (before && isWithin(before, path)) continue
    if ((yield* admit(range, path)) !== 'tell') continue
    const other = places.above(root)
    const folder = FolderHandle.open(other ?? absolutePath(parentOf(path)))
    try {
      const opened = FolderHandle.openBelow(folder, other ? HERE : nameOf(path), true)
      try {
        yield { path, name: nameOf(path), stat: places.recorded(statFd(opened.fd)), folder, opened, ancestor: true }
      } finally {
        opened.release()
      }
    } finally {
      folder.release()
    }
  }
}

function* walkRoot(options: RangedOptions, root: Root): Generator<WalkItem | undefined> {
  if (root.path.length === 0) {
    const handle = FolderHandle.open(root.at)
    yield* walkFolder(options, frameOf(options, handle, root.path, statFd(handle.fd).dev))
    return
  }
  const admission = yield* admit(options.range, root.path)
  if (admission === 'pass') return
  // Read elsewhere, it may have another name there, or none: the top of a volume.
  const isTop = root.at.at(-1) === 0x2f || root.at.length === 0
  const name = isTop ? Buffer.from('.') : nameOf(root.at)
  let folder: FolderHandle | undefined
  try {
    folder = FolderHandle.open(isTop ? root.at : parentOf(root.at))
    const stat = statAt(folder.fd, name, { follow: root.follow })
    if (stat.kind === 'symlink') {
      const item = displayPath(root.path)
      options.warn({ code: 'SOURCE_IS_LINK', message: `${item} is a symbolic link; the link alone is protected`, item }, root.path)
    }
    yield* visit(options, { folder, path: root.path, name, stat, follow: root.follow, dev: stat.dev }, admission === 'tell')
  } catch (error) {
    // What lies in another root may vanish like everything there.
    if (!root.isInner || !(error instanceof PosixError)) throw error
    options.warn(sourceWarning(root.path, error), root.path)
  } finally {
    folder?.release()
  }
}

interface Visited {
  readonly folder: FolderHandle
  readonly path: Buffer
  readonly name: Buffer
  readonly stat: FileStat
  readonly follow: boolean
  readonly dev: number
}

/** One entry, and everything below it if it is a folder. */
function* visit(options: RangedOptions, visited: Visited, isTold: boolean): Generator<WalkItem | undefined> {
  const { folder, path, name, stat } = visited
  const { recorded } = options.places
  if (stat.kind !== 'folder') {
    if (isTold) yield { path, name, stat: recorded(stat), folder, opened: undefined, ancestor: false }
    return
  }
  const opened = openFolder(options, visited)
  if (isTold) yield { path, name, stat: recorded(opened ? statFd(opened.fd) : stat), folder, opened, ancestor: false }
  if (!opened) return
  if (isSkipped(options, stat) || (options.oneFileSystem && stat.dev !== visited.dev) || isPseudo(visited, opened)) {
    opened.release()
    return
  }
  yield* walkFolder(options, frameOf(options, opened, path, visited.dev))
}

function openFolder(options: WalkOptions, { folder, path, name, follow }: Visited): FolderHandle | undefined {
  try {
    return FolderHandle.openBelow(folder, name, follow)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    options.warn(sourceWarning(path, error), path)
    return undefined
  }
}

function isSkipped({ skip, places }: RangedOptions, stat: FileStat): boolean {
  return skip.has(`${places.recorded(stat).dev}:${stat.ino}`)
}

function isPseudo({ stat, dev }: Visited, opened: FolderHandle): boolean {
  return stat.dev !== dev && PSEUDO.has(statfsSync(`/proc/self/fd/${opened.fd}`).type)
}

function frameOf(options: RangedOptions, handle: FolderHandle, path: Buffer, dev: number, isWayOnly = false): Frame {
  let names: Buffer[] = []
  try {
    names = readFolder(handle.fd).map((entry) => entry.name)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    options.warn(sourceWarning(path, error), path)
  }
  names.sort(Buffer.compare)
  const isTagged = options.excludeCaches && names.some((name) => name.equals(CACHE_TAG)) && isCache(handle)
  // What was chosen in it is wanted all the same.
  if (isTagged && !isWay(options.inner, path)) names = [CACHE_TAG]
  return { handle, path, names, next: 0, dev, isWay: isWayOnly || isTagged, isCache: isTagged && !isWayOnly }
}

function isCache(handle: FolderHandle): boolean {
  try {
    const fd = openat(handle.fd, CACHE_TAG, O_RDONLY | O_NOFOLLOW)
    try {
      const start = Buffer.alloc(CACHE_SIGNATURE.length)
      return readFully(fd, start, 0, start.length, 0) === start.length && start.equals(CACHE_SIGNATURE)
    } finally {
      close(fd)
    }
  } catch (error) {
    if (error instanceof PosixError) return false // a tag that can't be read marks nothing
    throw error
  }
}

/** An explicit stack: trees may be deeper than the program's. */
function* walkFolder(options: RangedOptions, first: Frame): Generator<WalkItem | undefined> {
  const { range, places } = options
  const stack: Frame[] = [first]
  let { from } = range
  pass(first, from)
  try {
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const name = frame.names[frame.next++]
      if (!name) {
        stack.pop()
        frame.handle.release()
        if (stack.length > 0) pass(stack.at(-1) as Frame, from)
        continue
      }
      const path = joinPath(frame.path, name)
      const admission = yield* admit(range, path)
      if (from !== range.from) {
        from = range.from
        frame.next--
        pass(frame, from)
        continue
      }
      if (admission === 'pass') continue
      const inner = options.inner.length === 0 ? undefined : options.inner.find((root) => root.path.equals(path))
      if (inner) {
        // It may lie on another volume, be read elsewhere, or be a link that is to be followed.
        yield* walkRoot(options, inner)
        from = range.from
        pass(frame, from)
        continue
      }
      const isOnWay = frame.isWay && !(frame.isCache && name.equals(CACHE_TAG))
      if (isOnWay && !isWay(options.inner, path)) continue
      const isNameOut = options.isExcluded(path)
      if (isNameOut && !isWay(options.inner, path)) continue
      const stat = statOf(options, frame.handle, name, path)
      if (!stat) continue
      const isTold = admission === 'tell'
      const isOut = isOnWay || isNameOut || (stat.kind !== 'folder' && options.isFileExcluded(path))
      if (stat.kind !== 'folder') {
        if (isTold && !isOut) yield { path, name, stat: places.recorded(stat), folder: frame.handle, opened: undefined, ancestor: false }
        continue
      }
      const visited: Visited = { folder: frame.handle, path, name, stat, follow: false, dev: frame.dev }
      if (isSkipped(options, stat)) continue
      const opened = openFolder(options, visited)
      if (isTold) {
        const seen = places.recorded(opened ? statFd(opened.fd) : stat)
        yield { path, name, stat: seen, folder: frame.handle, opened, ancestor: isOut }
      }
      if (!opened) continue
      const isElsewhere = (options.oneFileSystem && stat.dev !== frame.dev) || isPseudo(visited, opened)
      if (isElsewhere && !isWay(options.inner, path)) {
        opened.release()
        continue
      }
      stack.push(frameOf(options, opened, path, options.oneFileSystem ? frame.dev : stat.dev, isOut || isElsewhere))
      stack.at(-OPEN_ANCESTORS)?.handle.rest()
      pass(stack.at(-1) as Frame, from)
    }
  } finally {
    for (const frame of stack) frame.handle.release()
  }
}

/** Moves on to the first name that may have to do with what begins at `from`. */
function pass(frame: Frame, from: Buffer): void {
  if (from.length === 0 || comparePaths(from, frame.path) <= 0) return
  if (!isWithin(from, frame.path)) {
    frame.next = frame.names.length
    return
  }
  const start = frame.path.length === 0 ? 0 : frame.path.length + 1
  const slash = from.indexOf(0x2f, start)
  const name = from.subarray(start, slash < 0 ? from.length : slash)
  let high = frame.names.length
  while (frame.next < high) {
    const middle = (frame.next + high) >> 1
    if (Buffer.compare(frame.names[middle] as Buffer, name) < 0) frame.next = middle + 1
    else high = middle
  }
}

/** Undefined when it vanished since the folder was read, which is no fault, or can't be looked at, which is a warning. */
function statOf(options: WalkOptions, folder: FolderHandle, name: Buffer, path: Buffer): FileStat | undefined {
  try {
    return findStatAt(folder.fd, name)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    options.warn(sourceWarning(path, error), path)
    return undefined
  }
}

/** Follows links on the way, not at the end. Undefined when there is nothing. */
export function findRoot(at: Buffer): FileStat | undefined {
  try {
    const trimmed = trimSlashes(at)
    return statAt(AT_FDCWD, trimmed.length === 0 ? Buffer.from('/') : trimmed)
  } catch (error) {
    if (error instanceof PosixError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    throw error
  }
}
