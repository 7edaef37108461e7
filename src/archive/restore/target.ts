/** The folder into which everything goes: made with its parents if needed, opened once, and proven to take something. */
import type { Operation } from '../../base/operation.ts'
import { AT_FDCWD, close, isPosixError, makeFolderAt, O_DIRECTORY, O_PATH, O_RDONLY, openat, openPath } from '../../platform/index.ts'
import { archiveError } from '../errors.ts'
import { createFile } from './placing.ts'
import { isFatalTargetError, itemError, jobError } from './target-errors.ts'

const FOLDER = O_RDONLY | O_DIRECTORY
/** Restored data may be private, and who may see it is only known once its folders have their modes. */
const MADE_MODE = 0o700

/** A descriptor; undefined when a dry run finds nothing there. Symbolic links in the path itself are the user's own and are followed. */
export function openTarget(path: Buffer, makes: boolean): number | undefined {
  try {
    return openPath(path, FOLDER)
  } catch (error) {
    if (!isPosixError(error, 'ENOENT')) throw targetError(error, path)
  }
  if (!makes) return undefined
  try {
    return makePath(path)
  } catch (error) {
    throw targetError(error, path)
  }
}

function makePath(path: Buffer): number {
  let at = openat(AT_FDCWD, '/', O_PATH | O_DIRECTORY)
  try {
    for (const part of partsOf(path)) {
      const next = openOrMake(at, part)
      close(at)
      at = next
    }
    return openat(at, '.', FOLDER)
  } finally {
    close(at)
  }
}

function openOrMake(at: number, part: Buffer): number {
  try {
    return openat(at, part, O_PATH | O_DIRECTORY)
  } catch (error) {
    if (!isPosixError(error, 'ENOENT')) throw error
  }
  try {
    makeFolderAt(at, part, MADE_MODE)
  } catch (error) {
    if (!isPosixError(error, 'EEXIST')) throw error // somebody else was quicker
  }
  return openat(at, part, O_PATH | O_DIRECTORY)
}

function partsOf(path: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== 0x2f) continue
    if (at > start) parts.push(path.subarray(start, at))
    start = at + 1
  }
  return parts
}

function targetError(error: unknown, path: Buffer): unknown {
  const text = path.toString('utf8')
  if (isPosixError(error, 'ENOTDIR', 'EEXIST')) return archiveError('TARGET_NOT_A_FOLDER', `${text} is not a folder`, { cause: error })
  if (isPosixError(error, 'EACCES', 'EPERM', 'EROFS')) {
    return archiveError('TARGET_FORBIDDEN', `${text} can not be opened or made: ${error.code}`, { cause: error })
  }
  return jobError(error)
}

/** False when nothing may be made in it; throws when it can take nothing at all (full, read-only, broken). Leaves nothing behind. */
export function takesSomething(op: Operation, fd: number): boolean {
  try {
    const { fd: file, unnamed } = createFile(op, fd)
    try {
      unnamed.discard()
    } finally {
      close(file)
    }
    return true
  } catch (error) {
    if (isPosixError(error) && !isFatalTargetError(error)) return false
    itemError(error)
    throw error
  }
}
