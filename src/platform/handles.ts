/** Open files and what is done to them by descriptor: reading, writing, sparse ranges, syncing, locking. */
import { readSync, writeSync } from 'node:fs'
import type { Name } from './posix.ts'
import { AT_FDCWD, check, cstring, errnoOf, lastErrno, libc, O_CLOEXEC, O_DIRECTORY, O_PATH, PosixError, retrying } from './posix.ts'

/** O_CLOEXEC is always added: no descriptor leaks into a program that Terp starts. */
export function openat(dirfd: number, name: Name, flags: number, mode = 0): number {
  const path = cstring(0, name)
  return retrying('openat', () => libc.openat(dirfd, path, flags | O_CLOEXEC, mode))
}

/** Undefined when there is nothing of that name. */
export function tryOpenat(dirfd: number, name: Name, flags: number, mode = 0): number | undefined {
  try {
    return openat(dirfd, name, flags, mode)
  } catch (error) {
    if (error instanceof PosixError && error.code === 'ENOENT') return undefined
    throw error
  }
}

const STEP_BYTES = 4000
const SLASH = 0x2f

/** Opens an absolute path of any length: one that the kernel would not take at once is walked folder by folder. */
export function openPath(path: Name, flags: number, mode = 0): number {
  let rest = typeof path === 'string' ? Buffer.from(path) : Buffer.from(path.buffer, path.byteOffset, path.byteLength)
  let at = AT_FDCWD
  try {
    while (rest.length > STEP_BYTES) {
      const cut = rest.lastIndexOf(SLASH, STEP_BYTES)
      if (cut <= 0) throw new PosixError('openat', errnoOf.ENAMETOOLONG)
      const next = openat(at, rest.subarray(0, cut), O_PATH | O_DIRECTORY)
      if (at !== AT_FDCWD) close(at)
      at = next
      let start = cut
      while (rest[start] === SLASH) start++
      rest = rest.subarray(start)
    }
    return openat(at, rest.length === 0 ? '.' : rest, flags, mode)
  } finally {
    if (at !== AT_FDCWD) close(at)
  }
}

/** EINTR is no failure here: the descriptor is gone, and closing again could hit one that another thread just opened. */
export function close(fd: number): void {
  if (libc.close(fd) === 0) return
  const errno = lastErrno()
  if (errno !== errnoOf.EINTR) throw new PosixError('close', errno)
}

function translate(error: unknown): unknown {
  const { errno, syscall } = error as NodeJS.ErrnoException
  return typeof errno === 'number' && errno < 0 ? new PosixError(syscall ?? 'io', -errno) : error
}

/** One read(2), or pread(2) with a position: how many bytes came, 0 at the end. */
export function read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
  try {
    return readSync(fd, buffer, offset, length, position)
  } catch (error) {
    throw translate(error)
  }
}

export function write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
  try {
    return writeSync(fd, buffer, offset, length, position)
  } catch (error) {
    throw translate(error)
  }
}

/** Reads until `length` bytes are there or the file ends; how many came. */
export function readFully(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
  let done = 0
  while (done < length) {
    const got = read(fd, buffer, offset + done, length - done, position === null ? null : position + done)
    if (got === 0) break
    done += got
  }
  return done
}

export function writeFully(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): void {
  let done = 0
  while (done < length) {
    const put = write(fd, buffer, offset + done, length - done, position === null ? null : position + done)
    // A device that takes nothing and reports nothing would keep us here for ever.
    if (put === 0) throw new PosixError('write', errnoOf.EIO)
    done += put
  }
}

const SEEK_DATA = 3
const SEEK_HOLE = 4

/**
 * Where the next data at or after `offset` begins; undefined when only a hole follows. Moves the descriptor's own position: read with one.
 * A file system without holes (ntfs-3g) reports the whole file as data.
 */
export function seekData(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_DATA)
}

/** Where the next hole begins; the end of the file counts as one. Undefined beyond the end. */
export function seekHole(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_HOLE)
}

function seek(fd: number, offset: number, whence: number): number | undefined {
  const result = libc.lseek(fd, offset, whence)
  if (result >= 0) return result
  const errno = lastErrno()
  if (errno === errnoOf.ENXIO) return undefined
  throw new PosixError('lseek', errno)
}

export function truncateFd(fd: number, sizeBytes: number): void {
  retrying('ftruncate', () => libc.ftruncate(fd, sizeBytes))
}

/** Reserves room, so that a full disk is noticed now. False where the file system cannot. */
export function allocateFd(fd: number, offset: number, length: number): boolean {
  for (;;) {
    if (libc.fallocate(fd, 0, offset, length) === 0) return true
    const errno = lastErrno()
    if (errno === errnoOf.ENOTSUP || errno === errnoOf.ENOSYS) return false
    if (errno !== errnoOf.EINTR) throw new PosixError('fallocate', errno)
  }
}

/** Also for a folder. A failure is final: the kernel may have dropped the dirty pages, and a second call would claim success. */
export function syncFd(fd: number): void {
  check('fsync', libc.fsync(fd))
}

/** The whole file system on which `fd` lies. */
export function syncFileSystem(fd: number): void {
  check('syncfs', libc.syncfs(fd))
}

const LOCK_EX = 2
const LOCK_NB = 4

/** flock(2): held by the open file, so it ends when the last copy of the descriptor closes, also by kill -9. */
export function tryLock(fd: number): boolean {
  for (;;) {
    if (libc.flock(fd, LOCK_EX | LOCK_NB) === 0) return true
    const errno = lastErrno()
    if (errno === errnoOf.EAGAIN) return false
    if (errno !== errnoOf.EINTR) throw new PosixError('flock', errno)
  }
}
