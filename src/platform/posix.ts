/**
 * The C library: the only file that reaches native code (koffi). What it binds is used by the other files of this room,
 * which give it names and shapes; nothing outside `platform` sees a pointer.
 *
 * Every worker thread loads this module for itself, so the scratch buffers below are never shared. File descriptors are plain
 * integers and belong to the whole process: any thread may use what another opened.
 */
import { constants as fsConstants } from 'node:fs'
import { constants as osConstants } from 'node:os'
import koffi from 'koffi'

/** Bytes of one name or path without a terminator; on Linux they need not be UTF-8. A string stands for its UTF-8 bytes. */
export type Name = Uint8Array | string

export class PosixError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string

  constructor(syscall: string, errno: number) {
    const code = errnoName(errno)
    super(`${syscall}: ${code}`)
    this.name = 'PosixError'
    this.code = code
    this.errno = errno
    this.syscall = syscall
  }
}

export const errnoOf = osConstants.errno

const ERRNO_NAMES = new Map<number, string>()
for (const [name, number] of Object.entries(errnoOf)) ERRNO_NAMES.set(number, name)
// Two names for one number: the ones that Node's own errors use.
ERRNO_NAMES.set(errnoOf.EAGAIN, 'EAGAIN')
ERRNO_NAMES.set(errnoOf.ENOTSUP, 'ENOTSUP')

export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `E${errno}`
}

export function isPosixError(error: unknown, ...codes: string[]): error is PosixError {
  return error instanceof PosixError && (codes.length === 0 || codes.includes(error.code))
}

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_REMOVEDIR = 0x200
export const AT_EMPTY_PATH = 0x1000

// O_DIRECTORY, O_NOFOLLOW and O_DIRECT differ between x64 and arm64; Node was compiled for the machine and knows.
export const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fsConstants
export const { O_NOATIME, S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK } = fsConstants
export const O_CLOEXEC = 0x80000
export const O_PATH = 0x200000
export const O_TMPFILE = 0x400000 | O_DIRECTORY

type Pointer = Uint8Array | null
type Int = (...args: (number | bigint | Pointer)[]) => number

function bind() {
  const library = koffi.load('libc.so.6')
  // Variadic functions are bound with the arguments that are passed: on x64 and arm64 Linux the two ways of calling are the same.
  const int = (definition: string) => library.func(definition) as unknown as Int
  return {
    openat: int('int openat(int, void*, int, unsigned int)'),
    close: int('int close(int)'),
    statx: int('int statx(int, void*, int, unsigned int, void*)'),
    readlinkat: int('int64_t readlinkat(int, void*, void*, size_t)'),
    mkdirat: int('int mkdirat(int, void*, unsigned int)'),
    symlinkat: int('int symlinkat(void*, int, void*)'),
    linkat: int('int linkat(int, void*, int, void*, int)'),
    unlinkat: int('int unlinkat(int, void*, int)'),
    renameat2: int('int renameat2(int, void*, int, void*, unsigned int)'),
    fchownat: int('int fchownat(int, void*, unsigned int, unsigned int, int)'),
    fchown: int('int fchown(int, unsigned int, unsigned int)'),
    chmod: int('int chmod(void*, unsigned int)'),
    fchmod: int('int fchmod(int, unsigned int)'),
    utimensat: int('int utimensat(int, void*, void*, int)'),
    futimens: int('int futimens(int, void*)'),
    flistxattr: int('int64_t flistxattr(int, void*, size_t)'),
    fgetxattr: int('int64_t fgetxattr(int, void*, void*, size_t)'),
    fsetxattr: int('int fsetxattr(int, void*, void*, size_t, int)'),
    fremovexattr: int('int fremovexattr(int, void*)'),
    llistxattr: int('int64_t llistxattr(void*, void*, size_t)'),
    lgetxattr: int('int64_t lgetxattr(void*, void*, void*, size_t)'),
    lsetxattr: int('int lsetxattr(void*, void*, void*, size_t, int)'),
    lremovexattr: int('int lremovexattr(void*, void*)'),
    ioctl: int('int ioctl(int, unsigned long, void*)'),
    lseek: int('int64_t lseek(int, int64_t, int)'),
    ftruncate: int('int ftruncate(int, int64_t)'),
    fallocate: int('int fallocate(int, int, int64_t, int64_t)'),
    sync_file_range: int('int sync_file_range(int, int64_t, int64_t, unsigned int)'),
    fsync: int('int fsync(int)'),
    syncfs: int('int syncfs(int)'),
    flock: int('int flock(int, int)'),
    getpwuid_r: int('int getpwuid_r(unsigned int, void*, void*, size_t, void*)'),
    getgrgid_r: int('int getgrgid_r(unsigned int, void*, void*, size_t, void*)'),
    getpwnam_r: int('int getpwnam_r(void*, void*, void*, size_t, void*)'),
    getgrnam_r: int('int getgrnam_r(void*, void*, void*, size_t, void*)'),
    /** A pointer, or null. */
    realpath: library.func('void* realpath(void*, void*)') as unknown as (path: Uint8Array, out: Uint8Array) => bigint | null,
    // By number, because glibc before 2.30 has no getdents64 and before 2.33 no mknodat.
    getdents64: int('int64_t syscall(long, long, void*, size_t)').bind(null, process.arch === 'arm64' ? 61 : 217),
    mknodat: int('int64_t syscall(long, long, void*, unsigned long, unsigned long)').bind(null, process.arch === 'arm64' ? 33 : 259),
  }
}

/** A zstd error is a number near 2^64, which comes as a bigint. */
type Size = number | bigint

/** Zstandard as Node's own binary carries and exports it. Contexts are pointers; whoever creates one frees it. */
export interface ZstdSymbols {
  readonly createCompressor: () => unknown
  readonly freeCompressor: (context: unknown) => Size
  readonly createDecompressor: () => unknown
  readonly freeDecompressor: (context: unknown) => Size
  readonly setParameter: (context: unknown, parameter: number, value: number) => Size
  readonly compress: (context: unknown, into: Uint8Array, room: number, from: Uint8Array, length: number) => Size
  readonly decompress: (context: unknown, into: Uint8Array, room: number, from: Uint8Array, length: number) => Size
}

/** Undefined where the program exports no such symbols: a Node that was built otherwise. */
export function bindZstd(): ZstdSymbols | undefined {
  try {
    const program = koffi.load(null)
    const bound = (definition: string) => program.func(definition) as unknown
    return {
      createCompressor: bound('void* ZSTD_createCCtx()'),
      freeCompressor: bound('size_t ZSTD_freeCCtx(void*)'),
      createDecompressor: bound('void* ZSTD_createDCtx()'),
      freeDecompressor: bound('size_t ZSTD_freeDCtx(void*)'),
      setParameter: bound('size_t ZSTD_CCtx_setParameter(void*, int, int)'),
      compress: bound('size_t ZSTD_compress2(void*, void*, size_t, void*, size_t)'),
      decompress: bound('size_t ZSTD_decompressDCtx(void*, void*, size_t, void*, size_t)'),
    } as ZstdSymbols
  } catch {
    return undefined // then node:zlib does the same work, with copies
  }
}

/** AES-GCM as Node's own binary carries and exports it. All but the first two answer 1 when it went well. */
export interface GcmSymbols {
  readonly createContext: () => unknown
  readonly aes256: () => unknown
  readonly freeContext: (context: unknown) => void
  readonly begin: (context: unknown, cipher: unknown, engine: null, key: Uint8Array | null, nonce: Uint8Array | null) => number
  readonly update: (context: unknown, into: Uint8Array | null, written: Uint8Array, from: Uint8Array, length: number) => number
  readonly end: (context: unknown, into: Uint8Array, written: Uint8Array) => number
  readonly control: (context: unknown, command: number, length: number, into: Uint8Array) => number
}

/** Undefined where the program exports no such symbols. */
export function bindGcm(direction: 'Encrypt' | 'Decrypt'): GcmSymbols | undefined {
  try {
    const program = koffi.load(null)
    const bound = (definition: string) => program.func(definition) as unknown
    return {
      createContext: bound('void* EVP_CIPHER_CTX_new()'),
      aes256: bound('void* EVP_aes_256_gcm()'),
      freeContext: bound('void EVP_CIPHER_CTX_free(void*)'),
      begin: bound(`int EVP_${direction}Init_ex(void*, void*, void*, void*, void*)`),
      update: bound(`int EVP_${direction}Update(void*, void*, void*, void*, int)`),
      end: bound(`int EVP_${direction}Final_ex(void*, void*, void*)`),
      control: bound('int EVP_CIPHER_CTX_ctrl(void*, int, int, void*)'),
    } as GcmSymbols
  } catch {
    return undefined // then node:crypto does the same work, with copies
  }
}

function unsupported(): ReturnType<typeof bind> {
  const get = (_: object, syscall: string | symbol) => () => {
    throw new PosixError(String(syscall), errnoOf.ENOSYS)
  }
  return new Proxy({}, { get }) as ReturnType<typeof bind>
}

/** Elsewhere than on Linux importing this file does no harm; calling it throws ENOSYS. */
export const libc = process.platform === 'linux' ? bind() : unsupported()

/** The errno of the call just made on this thread: to be asked before anything else happens. */
export function lastErrno(): number {
  return koffi.errno() || errnoOf.EIO
}

/** Throws unless the call succeeded; returns its result. */
export function check(syscall: string, result: number): number {
  if (result < 0) throw new PosixError(syscall, lastErrno())
  return result
}

/** Calls again while a signal interrupts. Not for close: Linux has freed the descriptor by then. */
export function retrying(syscall: string, call: () => number): number {
  for (;;) {
    const result = call()
    if (result >= 0) return result
    const errno = lastErrno()
    if (errno !== errnoOf.EINTR) throw new PosixError(syscall, errno)
  }
}

/** Room for the longest path that the kernel takes, and its terminator. */
const PATH_MAX = 4096
const scratch = [Buffer.alloc(PATH_MAX), Buffer.alloc(PATH_MAX)] as const

/**
 * `prefix` and `name` with a terminator, in a buffer that the next call with the same slot overwrites.
 * A NUL inside a name is refused: the kernel would see a shorter, other name.
 */
export function cstring(slot: 0 | 1, name: Name, prefix = ''): Buffer {
  const buffer = scratch[slot]
  const start = prefix === '' ? 0 : buffer.write(prefix, 0, 'latin1')
  const bytes = typeof name === 'string' ? Buffer.from(name) : name
  const end = start + bytes.length
  if (end >= PATH_MAX) throw new PosixError('path', errnoOf.ENAMETOOLONG)
  if (bytes.indexOf(0) >= 0) throw new PosixError('path', errnoOf.EINVAL)
  buffer.set(bytes, start)
  buffer[end] = 0
  return buffer
}

export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer)
}
