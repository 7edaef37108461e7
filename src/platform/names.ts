/** Names in folders: reading folders, making, linking, renaming and removing entries, always relative to a folder's descriptor. */
import type { FileKind } from './metadata.ts'
import type { Name } from './posix.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, check, cstring, errnoOf, lastErrno, libc, PosixError } from './posix.ts'

export interface FolderEntry {
  readonly name: Buffer
  /** Undefined where the file system does not say (then: statAt). */
  readonly kind: FileKind | undefined
}

const KIND_OF_DTYPE: readonly (FileKind | undefined)[] = [
  undefined,
  'fifo',
  'character-device',
  undefined,
  'folder',
  undefined,
  'block-device',
  undefined,
  'file',
  undefined,
  'symlink',
  undefined,
  'socket',
]

const DOT = 0x2e
/** One call returns some thousands of entries. */
const folderScratch = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * All entries but `.` and `..`, in the order of the disk. `fd` is a folder opened for reading (not O_PATH); its position is reset first,
 * so the same descriptor must not be read by two threads at once.
 */
export function readFolder(fd: number): FolderEntry[] {
  check('lseek', libc.lseek(fd, 0, 0))
  const entries: FolderEntry[] = []
  for (;;) {
    const length = check('getdents64', libc.getdents64(fd, folderScratch, folderScratch.length))
    if (length === 0) return entries
    // The names below are views of this one copy: cheaper than a copy each.
    const block = Buffer.from(folderScratch.subarray(0, length))
    let at = 0
    while (at < length) {
      // struct linux_dirent64: ino u64, off u64, reclen u16, type u8, name
      const next = at + block.readUInt16LE(at + 16)
      const start = at + 19
      const name = block.subarray(start, block.indexOf(0, start))
      const isDots = name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))
      if (!isDots) entries.push({ name, kind: KIND_OF_DTYPE[block[at + 18] ?? 0] })
      at = next
    }
  }
}

const targetScratch = Buffer.allocUnsafeSlow(64 * 1024)

/** The target's bytes. With name `''`, the symbolic link that `dirfd` itself is open on (O_PATH | O_NOFOLLOW). */
export function readLinkAt(dirfd: number, name: Name): Buffer {
  const length = check('readlinkat', libc.readlinkat(dirfd, cstring(0, name), targetScratch, targetScratch.length))
  return Buffer.from(targetScratch.subarray(0, length))
}

/** `mode` is cut by the process's umask, as with every call here that makes something. */
export function makeFolderAt(dirfd: number, name: Name, mode: number): void {
  check('mkdirat', libc.mkdirat(dirfd, cstring(0, name), mode))
}

export function symlinkAt(target: Name, dirfd: number, name: Name): void {
  check('symlinkat', libc.symlinkat(cstring(0, target), dirfd, cstring(1, name)))
}

/** A FIFO, socket or device; `mode` holds the type (S_IFIFO …) and the permission bits. */
export function makeNodeAt(dirfd: number, name: Name, mode: number, major = 0, minor = 0): void {
  // The kernel's 32-bit encoding: 12 bits of major between the low 8 and the high 12 bits of minor.
  const device = ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0
  check('mknodat', libc.mknodat(dirfd, cstring(0, name), mode, device))
}

/** `flags`: AT_SYMLINK_FOLLOW, or nothing to link a symbolic link itself. */
export function linkAt(oldDirfd: number, oldName: Name, newDirfd: number, newName: Name, flags = 0): void {
  check('linkat', libc.linkat(oldDirfd, cstring(0, oldName), newDirfd, cstring(1, newName), flags))
}

const EMPTY = Buffer.from([0])
let linksByDescriptor = true

/** Gives an open file a name: for O_TMPFILE. AT_EMPTY_PATH is quicker but needs a capability (it answers ENOENT without); the way through /proc needs none. */
export function linkFd(fd: number, dirfd: number, name: Name): void {
  if (linksByDescriptor) {
    if (libc.linkat(fd, EMPTY, dirfd, cstring(1, name), AT_EMPTY_PATH) === 0) return
    const errno = lastErrno()
    if (errno !== errnoOf.ENOENT) throw new PosixError('linkat', errno)
    linksByDescriptor = false
  }
  linkAt(AT_FDCWD, `/proc/self/fd/${fd}`, dirfd, name, AT_SYMLINK_FOLLOW)
}

export function unlinkAt(dirfd: number, name: Name, options: { readonly folder?: boolean } = {}): void {
  check('unlinkat', libc.unlinkat(dirfd, cstring(0, name), options.folder ? AT_REMOVEDIR : 0))
}

/** False when there was nothing of that name. */
export function tryUnlinkAt(dirfd: number, name: Name, options: { readonly folder?: boolean } = {}): boolean {
  if (libc.unlinkat(dirfd, cstring(0, name), options.folder ? AT_REMOVEDIR : 0) === 0) return true
  const errno = lastErrno()
  if (errno === errnoOf.ENOENT) return false
  throw new PosixError('unlinkat', errno)
}

const RENAME_NOREPLACE = 1

/** With `noReplace`, EEXIST instead of replacing; EINVAL on the few file systems that cannot promise it. */
export function renameAt(
  oldDirfd: number,
  oldName: Name,
  newDirfd: number,
  newName: Name,
  options: { readonly noReplace?: boolean } = {},
): void {
  const flags = options.noReplace ? RENAME_NOREPLACE : 0
  check('renameat2', libc.renameat2(oldDirfd, cstring(0, oldName), newDirfd, cstring(1, newName), flags))
}

const pathScratch = Buffer.allocUnsafeSlow(4096)

/** The path without symbolic links, `.` and `..`. */
export function realPath(path: Name): Buffer {
  if (libc.realpath(cstring(0, path), pathScratch) === null) throw new PosixError('realpath', lastErrno())
  return Buffer.from(pathScratch.subarray(0, pathScratch.indexOf(0)))
}
