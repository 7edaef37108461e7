/** Names and numbers of users and groups, as the system's own sources (files, LDAP, …) give them. */
import { addressOf, cstring, errnoOf, libc, PosixError } from './posix.ts'

export interface Accounts {
  userName(uid: number): string | undefined
  groupName(gid: number): string | undefined
  userId(name: string): number | undefined
  groupId(name: string): number | undefined
}

type Lookup = (record: Uint8Array, text: Uint8Array, length: number, found: Uint8Array) => number

/** struct passwd and struct group both begin with the name's pointer and have their number after two pointers. */
const record = Buffer.alloc(64)
const found = Buffer.alloc(8)
const NUMBER_AT = 16
let text = Buffer.allocUnsafeSlow(16 * 1024)
const TEXT_LIMIT_BYTES = 16 * 1024 * 1024

/** True when the record was filled. These functions return the error instead of setting errno. */
function look(syscall: string, lookup: Lookup): boolean {
  for (;;) {
    const errno = lookup(record, text, text.length, found)
    if (errno === 0) return found.readBigUInt64LE(0) !== 0n
    // A group with many members needs more room.
    if (errno === errnoOf.ERANGE && text.length < TEXT_LIMIT_BYTES) text = Buffer.allocUnsafeSlow(text.length * 4)
    // POSIX leaves open how "unknown" is reported; glibc's modules use these besides success without a record.
    else if (errno === errnoOf.ENOENT || errno === errnoOf.ESRCH || errno === errnoOf.EPERM) return false
    else if (errno !== errnoOf.EINTR) throw new PosixError(syscall, errno)
  }
}

function nameOfRecord(): string | undefined {
  const start = Number(record.readBigUInt64LE(0) - addressOf(text))
  if (start < 0 || start >= text.length) return undefined
  return text.toString('utf8', start, text.indexOf(0, start))
}

function remembering<K, V>(lookup: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>()
  return (key) => {
    const before = known.get(key)
    if (before !== undefined || known.has(key)) return before as V
    const value = lookup(key)
    known.set(key, value)
    return value
  }
}

/** Every answer is asked for once and kept: make a new one for each run, because accounts change. */
export function systemAccounts(): Accounts {
  return {
    userName: remembering((uid) => (look('getpwuid_r', (...out) => libc.getpwuid_r(uid, ...out)) ? nameOfRecord() : undefined)),
    groupName: remembering((gid) => (look('getgrgid_r', (...out) => libc.getgrgid_r(gid, ...out)) ? nameOfRecord() : undefined)),
    userId: remembering((name) =>
      look('getpwnam_r', (...out) => libc.getpwnam_r(cstring(0, name), ...out)) ? record.readUInt32LE(NUMBER_AT) : undefined,
    ),
    groupId: remembering((name) =>
      look('getgrnam_r', (...out) => libc.getgrnam_r(cstring(0, name), ...out)) ? record.readUInt32LE(NUMBER_AT) : undefined,
    ),
  }
}
