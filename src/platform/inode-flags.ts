/** Flags that `lsattr` shows. Only for files and folders: on a device the same ioctl number would reach its driver. */
import { errnoOf, lastErrno, libc, PosixError } from './posix.ts'

const FS_IOC_GETFLAGS = 0x80086601
const FS_IOC_SETFLAGS = 0x40086602

export const FS_SYNC_FL = 0x8
export const FS_IMMUTABLE_FL = 0x10
export const FS_APPEND_FL = 0x20
export const FS_NODUMP_FL = 0x40
export const FS_NOATIME_FL = 0x80
export const FS_DIRSYNC_FL = 0x10000
export const FS_TOPDIR_FL = 0x20000

/** While one of these is set, nothing else about the file can be changed: set last, cleared first. */
export const FS_FREEZING_FLAGS = FS_IMMUTABLE_FL | FS_APPEND_FL

/**
 * What a person sets and wants back. The others say how the file system stores the file (extents, inline data, index, compression, no copy on write) or
 * need keys and data of their own (encryption, verity, case folding).
 */
export const FS_RESTORABLE_FLAGS = FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL

/** The number is encoded for a long, but the kernel reads and writes an int; the rest stays zero. */
const flagScratch = Buffer.alloc(8)

function isUnsupported(errno: number): boolean {
  return errno === errnoOf.ENOTTY || errno === errnoOf.ENOTSUP || errno === errnoOf.ENOSYS || errno === errnoOf.EINVAL
}

/** All flags, as FS_IOC_GETFLAGS gives them; undefined where the file system has none. */
export function getInodeFlags(fd: number): number | undefined {
  flagScratch.fill(0)
  if (libc.ioctl(fd, FS_IOC_GETFLAGS, flagScratch) === 0) return flagScratch.readUInt32LE(0)
  const errno = lastErrno()
  if (isUnsupported(errno)) return undefined
  throw new PosixError('ioctl', errno)
}

/**
 * Makes the restorable flags be those of `flags` and leaves the others as they are: to write a foreign set of them could make ext4 convert the file.
 * Undefined where the file system has no flags. EPERM without CAP_LINUX_IMMUTABLE when immutable or append changes.
 */
export function setInodeFlags(fd: number, flags: number): true | undefined {
  const now = getInodeFlags(fd)
  if (now === undefined) return undefined
  const wanted = ((now & ~FS_RESTORABLE_FLAGS) | (flags & FS_RESTORABLE_FLAGS)) >>> 0
  if (wanted === now) return true
  flagScratch.fill(0)
  flagScratch.writeUInt32LE(wanted, 0)
  if (libc.ioctl(fd, FS_IOC_SETFLAGS, flagScratch) === 0) return true
  const errno = lastErrno()
  if (errno === errnoOf.ENOTTY || errno === errnoOf.ENOTSUP || errno === errnoOf.ENOSYS) return undefined
  throw new PosixError('ioctl', errno)
}
