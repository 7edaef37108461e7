/** Ranges of open files: shared with another file, given back as holes, sent to the disk early. */
import { errnoOf, lastErrno, libc, PosixError } from './posix.ts'

const FICLONERANGE = 0x4020940d
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const SYNC_FILE_RANGE_WRITE = 2

const cloneScratch = Buffer.alloc(32)

/** Makes `to`, an empty file, share all content of `from`. False where the file system has no such thing, or not between these two. */
export function cloneFd(from: number, to: number): boolean {
  cloneScratch.fill(0)
  // struct file_clone_range: descriptor, offset, length (0: to the end), offset in the destination.
  cloneScratch.writeBigInt64LE(BigInt(from), 0)
  if (libc.ioctl(to, FICLONERANGE, cloneScratch) === 0) return true
  const errno = lastErrno()
  // Each file system has its own way to say no; full and broken disks are something else.
  if (errno === errnoOf.ENOSPC || errno === errnoOf.EDQUOT || errno === errnoOf.EIO) throw new PosixError('ioctl', errno)
  return false
}

/** The range reads as zeros and takes no room. False where the file system has no holes. */
export function punchHole(fd: number, offset: number, length: number): boolean {
  if (libc.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) === 0) return true
  const errno = lastErrno()
  if (errno === errnoOf.ENOTSUP || errno === errnoOf.ENOSYS) return false
  throw new PosixError('fallocate', errno)
}

/** Starts to write what is dirty, and does not wait: only so that less is left for the sync that counts, which also tells of failures. */
export function startWriteback(fd: number, offset: number, length: number): void {
  libc.sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE)
}
