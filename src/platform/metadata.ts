/** What a file is besides its content: kind, owner, mode, times, inode flags. Symbolic links are never followed unless asked. */
import { close, openat } from './handles.ts'
import type { Name } from './posix.ts'
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  check,
  cstring,
  errnoOf,
  lastErrno,
  libc,
  O_NOFOLLOW,
  O_PATH,
  PosixError,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from './posix.ts'

export type FileKind = 'file' | 'folder' | 'symlink' | 'fifo' | 'character-device' | 'block-device' | 'socket'

export interface FileStat {
  readonly kind: FileKind
  /** The lower 12 bits: permissions, set-user-id, set-group-id, sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  /** In units of 512 bytes; less than the size says that the file is sparse, or compressed by the file system. */
  readonly blocks512: number
  readonly mtimeSec: number
  readonly mtimeNs: number
  readonly ctimeSec: number
  readonly ctimeNs: number
  /** Undefined where the file system keeps no birth time. */
  readonly bornSec: number | undefined
  readonly bornNs: number
  /** major × 2^20 + minor: Linux has 12 and 20 bits, so no two devices share a number. */
  readonly dev: number
  readonly ino: number
  readonly links: number
  readonly rdevMajor: number
  readonly rdevMinor: number
  /** Undefined before Linux 5.8. */
  readonly mountId: number | undefined
}

const STATX_BASIC_STATS = 0x7ff
const STATX_BTIME = 0x800
const STATX_MNT_ID = 0x1000
const STATX_WANTED = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID

const statScratch = Buffer.allocUnsafeSlow(256)
const view = new DataView(statScratch.buffer, statScratch.byteOffset, 256)
const EMPTY = Buffer.from([0])

export function statAt(dirfd: number, name: Name, options: { readonly follow?: boolean } = {}): FileStat {
  check('statx', libc.statx(dirfd, cstring(0, name), options.follow ? 0 : AT_SYMLINK_NOFOLLOW, STATX_WANTED, statScratch))
  return decodeStat()
}

/** Undefined when there is nothing of that name. */
export function findStatAt(dirfd: number, name: Name): FileStat | undefined {
  if (libc.statx(dirfd, cstring(0, name), AT_SYMLINK_NOFOLLOW, STATX_WANTED, statScratch) === 0) return decodeStat()
  const errno = lastErrno()
  if (errno === errnoOf.ENOENT) return undefined
  throw new PosixError('statx', errno)
}

/** Also for O_PATH descriptors. */
export function statFd(fd: number): FileStat {
  check('statx', libc.statx(fd, EMPTY, AT_EMPTY_PATH, STATX_WANTED, statScratch))
  return decodeStat()
}

function decodeStat(): FileStat {
  const mask = view.getUint32(0, true)
  const type = view.getUint16(28, true)
  const hasBirth = (mask & STATX_BTIME) !== 0
  return {
    kind: kindOfMode(type),
    mode: type & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    sizeBytes: uint64(40),
    blocks512: uint64(48),
    mtimeSec: int64(112),
    mtimeNs: view.getUint32(120, true),
    ctimeSec: int64(96),
    ctimeNs: view.getUint32(104, true),
    bornSec: hasBirth ? int64(80) : undefined,
    bornNs: hasBirth ? view.getUint32(88, true) : 0,
    dev: view.getUint32(136, true) * 0x100000 + view.getUint32(140, true),
    ino: inodeNumberOf(view.getUint32(36, true), view.getUint32(32, true)),
    links: view.getUint32(16, true),
    rdevMajor: view.getUint32(128, true),
    rdevMinor: view.getUint32(132, true),
    mountId: (mask & STATX_MNT_ID) !== 0 ? uint64(144) : undefined,
  }
}

export function kindOfMode(mode: number): FileKind {
  const type = mode & S_IFMT
  if (type === S_IFREG) return 'file'
  if (type === S_IFDIR) return 'folder'
  if (type === S_IFLNK) return 'symlink'
  if (type === S_IFIFO) return 'fifo'
  if (type === S_IFCHR) return 'character-device'
  return type === S_IFBLK ? 'block-device' : 'socket'
}

function uint64(at: number): number {
  return view.getUint32(at + 4, true) * 0x100000000 + view.getUint32(at, true)
}

function int64(at: number): number {
  return view.getInt32(at + 4, true) * 0x100000000 + view.getUint32(at, true)
}

/**
 * Some file systems (network, FUSE) use all 64 bits. Rounding would make neighbours equal, and two files that look like one inode look
 * like hard links of each other; so a number that does not fit is spread by a multiplication and its upper 53 bits are taken.
 */
export function inodeNumberOf(high: number, low: number): number {
  if (high < 0x200000) return high * 0x100000000 + low
  const number = (BigInt(high) << 32n) | BigInt(low)
  return Number(((number * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn) >> 11n)
}

export function chownAt(dirfd: number, name: Name, uid: number, gid: number): void {
  check('fchownat', libc.fchownat(dirfd, cstring(0, name), uid, gid, AT_SYMLINK_NOFOLLOW))
}

export function chownFd(fd: number, uid: number, gid: number): void {
  check('fchown', libc.fchown(fd, uid, gid))
}

/**
 * Not for symbolic links (ENOTSUP, on old kernels EPERM or no effect). fchmodat follows links, and its flag against that needs Linux 6.6; a
 * descriptor of the entry itself cannot be swapped for a link, and opens no device and no FIFO.
 */
export function chmodAt(dirfd: number, name: Name, mode: number): void {
  const fd = openat(dirfd, name, O_PATH | O_NOFOLLOW)
  try {
    if (statFd(fd).kind === 'symlink') throw new PosixError('chmod', errnoOf.ENOTSUP)
    check('chmod', libc.chmod(cstring(0, `/proc/self/fd/${fd}`), mode))
  } finally {
    close(fd)
  }
}

export function chmodFd(fd: number, mode: number): void {
  check('fchmod', libc.fchmod(fd, mode))
}

const UTIME_OMIT = 0x3ffffffe
const timesScratch = Buffer.alloc(32)

/** struct timespec[2]: access, then modification. */
function encodeTimes(mtimeSec: number, mtimeNs: number): Buffer {
  timesScratch.writeBigInt64LE(BigInt(UTIME_OMIT), 8)
  timesScratch.writeBigInt64LE(BigInt(mtimeSec), 16)
  timesScratch.writeBigInt64LE(BigInt(mtimeNs), 24)
  return timesScratch
}

/** Sets the modification time, leaves the access time. */
export function setTimesAt(dirfd: number, name: Name, mtimeSec: number, mtimeNs: number): void {
  check('utimensat', libc.utimensat(dirfd, cstring(0, name), encodeTimes(mtimeSec, mtimeNs), AT_SYMLINK_NOFOLLOW))
}

export function setTimesFd(fd: number, mtimeSec: number, mtimeNs: number): void {
  check('futimens', libc.futimens(fd, encodeTimes(mtimeSec, mtimeNs)))
}

export function effectiveUserId(): number {
  return process.geteuid?.() ?? -1
}
