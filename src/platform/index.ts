/** The door of the room: file calls by handle, metadata, accounts, and disks as storage sees them. */
export * from './accounts.ts'
export * from './codec.ts'
export * from './cpu.ts'
export * from './decipher.ts'
export * from './disk.ts'
export * from './freeze.ts'
export * from './gcm.ts'
export * from './handles.ts'
export * from './inode-flags.ts'
export * from './metadata.ts'
export * from './names.ts'
export {
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  isPosixError,
  type Name,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  PosixError,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from './posix.ts'
export * from './ranges.ts'
export * from './stat-probe.ts'
export * from './xattrs.ts'
