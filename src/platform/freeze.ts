/** Holding a file system still: whoever writes to it waits, in a state that no signal ends, until it is thawed. */
import { errnoOf, lastErrno, libc, PosixError } from './posix.ts'

const FIFREEZE = 0xc0045877
const FITHAW = 0xc0045878
const argument = Buffer.alloc(4)

/** The file system of the folder. Waits for writes under way. EBUSY when it is frozen already. */
export function freezeFileSystem(fd: number): void {
  if (libc.ioctl(fd, FIFREEZE, argument) !== 0) throw new PosixError('ioctl', lastErrno())
}

/** False when it was not frozen. */
export function thawFileSystem(fd: number): boolean {
  if (libc.ioctl(fd, FITHAW, argument) === 0) return true
  const errno = lastErrno()
  if (errno === errnoOf.EINVAL) return false
  throw new PosixError('ioctl', errno)
}
