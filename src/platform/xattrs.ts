/**
 * Extended attributes, and with them POSIX ACLs (`system.posix_acl_access`) and file capabilities (`security.capability`).
 * By descriptor for files and folders; by folder and name for what should not be opened: symbolic links, FIFOs, devices.
 */
import type { Name } from './posix.ts'
import { AT_FDCWD, check, cstring, errnoOf, lastErrno, libc, PosixError } from './posix.ts'

export interface Xattr {
  readonly name: Buffer
  readonly value: Buffer
}

/** The kernel's own limit, for a value and for the list of names. */
const LIMIT_BYTES = 65536
const listScratch = Buffer.allocUnsafeSlow(LIMIT_BYTES)
const valueScratch = Buffer.allocUnsafeSlow(LIMIT_BYTES)

/** There is no lgetxattrat before Linux 6.13; the folder's entry in /proc/self/fd is a jump to it, however deep it lies. */
function pathOf(dirfd: number, name: Name): Buffer {
  return dirfd === AT_FDCWD ? cstring(0, name) : cstring(0, name, `/proc/self/fd/${dirfd}/`)
}

/** Sorted by name, as bytes; empty where the file system has no attributes. One that vanishes meanwhile is left out. */
export function listXattrsFd(fd: number): Xattr[] {
  return collect(libc.flistxattr(fd, listScratch, LIMIT_BYTES), 'flistxattr', (name) => getXattrFd(fd, name))
}

export function listXattrsAt(dirfd: number, name: Name): Xattr[] {
  return collect(libc.llistxattr(pathOf(dirfd, name), listScratch, LIMIT_BYTES), 'llistxattr', (attribute) =>
    getXattrAt(dirfd, name, attribute),
  )
}

function collect(length: number, syscall: string, get: (name: Buffer) => Buffer | undefined): Xattr[] {
  if (length === 0) return []
  if (length < 0) {
    const errno = lastErrno()
    if (errno === errnoOf.ENOTSUP || errno === errnoOf.ENOSYS) return []
    throw new PosixError(syscall, errno)
  }
  const list = Buffer.from(listScratch.subarray(0, length))
  const found: Xattr[] = []
  let at = 0
  while (at < length) {
    const end = list.indexOf(0, at)
    if (end < 0) break
    const name = list.subarray(at, end)
    const value = get(name)
    if (value) found.push({ name, value })
    at = end + 1
  }
  return found.sort((a, b) => Buffer.compare(a.name, b.name))
}

/** Undefined when there is no such attribute. */
export function getXattrFd(fd: number, attribute: Name): Buffer | undefined {
  return takeValue(libc.fgetxattr(fd, cstring(1, attribute), valueScratch, LIMIT_BYTES), 'fgetxattr')
}

export function getXattrAt(dirfd: number, name: Name, attribute: Name): Buffer | undefined {
  return takeValue(libc.lgetxattr(pathOf(dirfd, name), cstring(1, attribute), valueScratch, LIMIT_BYTES), 'lgetxattr')
}

function takeValue(length: number, syscall: string): Buffer | undefined {
  if (length >= 0) return Buffer.from(valueScratch.subarray(0, length))
  const errno = lastErrno()
  if (errno === errnoOf.ENODATA || errno === errnoOf.ENOTSUP) return undefined
  throw new PosixError(syscall, errno)
}

export function setXattrFd(fd: number, attribute: Name, value: Uint8Array): void {
  check('fsetxattr', libc.fsetxattr(fd, cstring(1, attribute), value, value.length, 0))
}

export function setXattrAt(dirfd: number, name: Name, attribute: Name, value: Uint8Array): void {
  check('lsetxattr', libc.lsetxattr(pathOf(dirfd, name), cstring(1, attribute), value, value.length, 0))
}

export function removeXattrFd(fd: number, attribute: Name): void {
  check('fremovexattr', libc.fremovexattr(fd, cstring(1, attribute)))
}

export function removeXattrAt(dirfd: number, name: Name, attribute: Name): void {
  check('lremovexattr', libc.lremovexattr(pathOf(dirfd, name), cstring(1, attribute)))
}
