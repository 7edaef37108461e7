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
import { comparePaths, isWithin, joinPath, nameOf, parentOf } from '../entry.ts'
import { displayPath } from '../tree/tree-reader.ts'
import type { Exclusion } from './exclusion.ts'
import { FolderHandle } from './folder-handle.ts'
import { sourceWarning } from './source-warning.ts'

export interface WalkOptions {
  /** Absolute, without their first slash; a slash at the end means: follow it if it is a link. */
  readonly roots: readonly Buffer[]
  readonly isExcluded: Exclusion
  readonly excludeCaches: boolean
  readonly oneFileSystem: boolean
  /** `dev:ino` of folders that are never entered: the pool itself. */
  readonly skip: ReadonlySet<string>
  readonly warn: (warning: Warning) => void
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
}

const CACHE_TAG = Buffer.from('CACHEDIR.TAG')
const CACHE_SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55')
/** Ancestors farther away than this are closed meanwhile. */
const OPEN_ANCESTORS = 128
/** proc, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs, securityfs, bpf, mqueue, pstore, configfs, binfmt_misc: what is there is no data. */
const PSEUDO = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x19800202, 0x6165676c, 0x62656570,
  0x42494e4d,
])

export function* walk(options: WalkOptions): Generator<WalkItem> {
  const roots = topmost(options.roots)
  let lastRoot: Buffer | undefined
  for (const root of roots) {
    yield* ancestorsOf(root.path, lastRoot)
    lastRoot = root.path
    yield* walkRoot(options, root)
  }
}

interface Root {
  readonly path: Buffer
  readonly follow: boolean
}

/** Sorted; roots that lie in other roots are left out. */
function topmost(roots: readonly Buffer[]): Root[] {
  const all = roots.map((raw) => ({ path: trimSlashes(raw), follow: raw.length > 0 && raw[raw.length - 1] === 0x2f }))
  all.sort((a, b) => comparePaths(a.path, b.path))
  const kept: Root[] = []
  for (const root of all) {
    const last = kept[kept.length - 1]
    if (!last || !isWithin(root.path, last.path)) kept.push(root)
  }
  return kept
}

function trimSlashes(path: Buffer): Buffer {
  let end = path.length
  while (end > 0 && path[end - 1] === 0x2f) end--
  return path.subarray(0, end)
}

/** Folders on the way to a root that the root before did not pass already. They are what the path reaches, links followed. */
function* ancestorsOf(root: Buffer, before: Buffer | undefined): Generator<WalkItem> {
  const chain: Buffer[] = []
  for (let path = parentOf(root); path.length > 0; path = parentOf(path)) chain.unshift(path)
  for (const path of chain) {
    if (before && isWithin(before, path)) continue
    const folder = FolderHandle.open(absolute(parentOf(path)))
    try {
      const opened = FolderHandle.openBelow(folder, nameOf(path), true)
      try {
        yield { path, name: nameOf(path), stat: statFd(opened.fd), folder, opened, ancestor: true }
      } finally {
        opened.release()
      }
    } finally {
      folder.release()
    }
  }
}

function absolute(path: Buffer): Buffer {
  return path.length === 0 ? path : Buffer.concat([Buffer.from('/'), path])
}

function* walkRoot(options: WalkOptions, root: Root): Generator<WalkItem> {
  if (root.path.length === 0) {
    const handle = FolderHandle.open(Buffer.alloc(0))
    yield* walkFolder(options, frameOf(options, handle, root.path, statFd(handle.fd).dev))
    return
  }
  const name = nameOf(root.path)
  const folder = FolderHandle.open(absolute(parentOf(root.path)))
  try {
    const stat = statAt(folder.fd, name, { follow: root.follow })
    if (stat.kind === 'symlink') {
      options.warn({
        code: 'SOURCE_IS_LINK',
        message: `${displayPath(root.path)} is a symbolic link; the link alone is protected`,
        item: displayPath(root.path),
      })
    }
    yield* visit(options, { folder, path: root.path, name, stat, follow: root.follow, dev: stat.dev })
  } finally {
    folder.release()
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
function* visit(options: WalkOptions, visited: Visited): Generator<WalkItem> {
  const { folder, path, name, stat } = visited
  if (stat.kind !== 'folder') {
    yield { path, name, stat, folder, opened: undefined, ancestor: false }
    return
  }
  const opened = openFolder(options, visited)
  yield { path, name, stat: opened ? statFd(opened.fd) : stat, folder, opened, ancestor: false }
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
    options.warn(sourceWarning(path, error))
    return undefined
  }
}

function isSkipped(options: WalkOptions, stat: FileStat): boolean {
  return options.skip.has(`${stat.dev}:${stat.ino}`)
}

function isPseudo({ stat, dev }: Visited, opened: FolderHandle): boolean {
  return stat.dev !== dev && PSEUDO.has(statfsSync(`/proc/self/fd/${opened.fd}`).type)
}

function frameOf(options: WalkOptions, handle: FolderHandle, path: Buffer, dev: number): Frame {
  let names: Buffer[] = []
  try {
    names = readFolder(handle.fd).map((entry) => entry.name)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    options.warn(sourceWarning(path, error))
  }
  names.sort(Buffer.compare)
  if (options.excludeCaches && names.some((name) => name.equals(CACHE_TAG)) && isCache(handle)) names = [CACHE_TAG]
  return { handle, path, names, next: 0, dev }
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
function* walkFolder(options: WalkOptions, first: Frame): Generator<WalkItem> {
  const stack: Frame[] = [first]
  try {
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const name = frame.names[frame.next++]
      if (!name) {
        stack.pop()
        frame.handle.release()
        continue
      }
      const path = joinPath(frame.path, name)
      if (options.isExcluded(path)) continue
      const stat = statOf(options, frame.handle, name, path)
      if (!stat) continue
      if (stat.kind !== 'folder') {
        yield { path, name, stat, folder: frame.handle, opened: undefined, ancestor: false }
        continue
      }
      const visited: Visited = { folder: frame.handle, path, name, stat, follow: false, dev: frame.dev }
      if (isSkipped(options, stat)) continue
      const opened = openFolder(options, visited)
      yield { path, name, stat: opened ? statFd(opened.fd) : stat, folder: frame.handle, opened, ancestor: false }
      if (!opened) continue
      if ((options.oneFileSystem && stat.dev !== frame.dev) || isPseudo(visited, opened)) {
        opened.release()
        continue
      }
      stack.push(frameOf(options, opened, path, options.oneFileSystem ? frame.dev : stat.dev))
      stack.at(-OPEN_ANCESTORS)?.handle.rest()
    }
  } finally {
    for (const frame of stack) frame.handle.release()
  }
}

/** Undefined when it vanished since the folder was read, which is no fault, or can't be looked at, which is a warning. */
function statOf(options: WalkOptions, folder: FolderHandle, name: Buffer, path: Buffer): FileStat | undefined {
  try {
    return findStatAt(folder.fd, name)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    options.warn(sourceWarning(path, error))
    return undefined
  }
}

/** Follows links on the way, not at the end. Undefined when there is nothing. */
export function findRoot(path: Buffer): FileStat | undefined {
  try {
    return statAt(AT_FDCWD, absolute(trimSlashes(path)).length === 0 ? Buffer.from('/') : absolute(trimSlashes(path)))
  } catch (error) {
    if (error instanceof PosixError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    throw error
  }
}
