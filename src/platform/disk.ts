/**
 * What a local store needs of a disk, and nothing else: a parameter, so that tests can put a disk in its place that loses power
 * (test/support/simulated-disk.ts). Errors carry Node's `code` (`ENOENT`, `ENOSPC`, …). Paths are absolute or relative to the process.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { link, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLock } from './handles.ts'

export interface DiskFile {
  /** All of it, after what was written before. */
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface DiskEntry {
  readonly name: string
  readonly isFolder: boolean
}

export interface DiskLock {
  release(): Promise<void>
}

/** A file held open: it reads on as it was when its name is gone. It is closed when nobody refers to it any more, at the latest. */
export interface DiskReader {
  readonly sizeBytes: number
  /** By it, other threads of this process read through the same open file. */
  readonly handle: number
  /** What there is of the range: fewer bytes if the file ends before. In the memory that is given, if it is long enough. */
  read(offset: number, length: number, into?: Buffer): Buffer
  close(): void
}

export interface Disk {
  /** Fine when it exists already; its parent must. */
  makeFolder(path: string): Promise<void>
  /** A new file, EEXIST if there is one. */
  createFile(path: string): Promise<DiskFile>
  /** EEXIST if `to` exists. */
  link(from: string, to: string): Promise<void>
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes the folder's entries durable, not what they hold. */
  syncFolder(path: string): Promise<void>
  readFolder(path: string): Promise<DiskEntry[]>
  /** The whole file, or what there is of the range: fewer bytes if the file ends before. */
  read(path: string, range?: { readonly offset: number; readonly length: number }): Promise<Buffer>
  /** In bytes; undefined when there is no such file. */
  size(path: string): Promise<number | undefined>
  /** Those that end in `Sync` hold up their thread until the disk has answered. */
  openSync(path: string): DiskReader
  /** The reader of another thread. Closing it is left to that one. */
  adopt(handle: number, sizeBytes: number): DiskReader
  sizeSync(path: string): number | undefined
  readFolderSync(path: string): DiskEntry[]
  freeBytes(path: string): Promise<number>
  /** Undefined when another process or handle holds it. The file is made if needed; the kernel releases the lock of a killed process. */
  lock(path: string): Promise<DiskLock | undefined>
}

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** Work runs on libuv's threads: several syncs overlap with each other and with computing. */
export function systemDisk(): Disk {
  return {
    async makeFolder(path) {
      try {
        await mkdir(path, { mode: FOLDER_MODE })
      } catch (error) {
        // EEXIST is fine only for a folder (or a link to one); a file in its place is an error.
        if (codeOf(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
      }
    },
    async createFile(path) {
      return new SystemFile(await open(path, 'wx', FILE_MODE))
    },
    link,
    rename,
    unlink,
    async syncFolder(path) {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    async readFolder(path) {
      const entries = await readdir(path, { withFileTypes: true })
      return Promise.all(
        entries.map(async (entry) => {
          // A pool's folder may be a link to another disk. (Node itself asks again where the file system leaves the type open.)
          const isFolder = entry.isSymbolicLink() ? await isFolderBehindLink(join(path, entry.name)) : entry.isDirectory()
          return { name: entry.name, isFolder }
        }),
      )
    },
    async read(path, range) {
      const handle = await open(path, 'r')
      try {
        if (!range) return await handle.readFile()
        return await readRange(handle, range.offset, range.length)
      } finally {
        await handle.close()
      }
    },
    async size(path) {
      try {
        const info = await stat(path)
        return info.isFile() ? info.size : undefined
      } catch (error) {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
        throw error
      }
    },
    openSync(path) {
      const handle = openSync(path, 'r')
      const info = fstatSync(handle)
      if (info.isFile()) return new SystemReader(handle, info.size, true)
      closeSync(handle)
      throw Object.assign(new Error(`EISDIR: ${path} is no file`), { code: 'EISDIR' })
    },
    adopt(handle, sizeBytes) {
      return new SystemReader(handle, sizeBytes, false)
    },
    sizeSync(path) {
      const info = statSync(path, { throwIfNoEntry: false })
      return info?.isFile() ? info.size : undefined
    },
    readFolderSync(path) {
      return readdirSync(path, { withFileTypes: true }).map((entry) => {
        const isLink = entry.isSymbolicLink()
        const isFolder = isLink ? statSync(join(path, entry.name), { throwIfNoEntry: false })?.isDirectory() : entry.isDirectory()
        return { name: entry.name, isFolder: isFolder ?? false }
      })
    },
    async freeBytes(path) {
      const info = await statfs(path)
      return info.bavail * info.bsize
    },
    async lock(path) {
      const handle = await open(path, 'a', FILE_MODE)
      let taken = false
      try {
        taken = tryLock(handle.fd)
      } finally {
        if (!taken) await handle.close()
      }
      return taken ? { release: () => handle.close() } : undefined
    },
  }
}

async function isFolderBehindLink(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

class SystemFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done)
      if (bytesWritten === 0) throw Object.assign(new Error('write: nothing was taken'), { code: 'EIO' })
      done += bytesWritten
    }
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Closes what its reader did not: an index is simply forgotten by those who read with it. */
const forgotten = new FinalizationRegistry<number>((handle) => closeSync(handle))

class SystemReader implements DiskReader {
  readonly handle: number
  readonly sizeBytes: number
  #isOpen: boolean

  constructor(handle: number, sizeBytes: number, isOwner: boolean) {
    this.handle = handle
    this.sizeBytes = sizeBytes
    this.#isOpen = isOwner
    if (isOwner) forgotten.register(this, handle, this)
  }

  read(offset: number, length: number, into?: Buffer): Buffer {
    const most = Math.max(0, Math.min(length, this.sizeBytes - offset))
    const buffer = into && into.length >= most ? into.subarray(0, most) : Buffer.allocUnsafeSlow(most)
    let done = 0
    while (done < buffer.length) {
      const count = readSync(this.handle, buffer, done, buffer.length - done, offset + done)
      if (count === 0) break
      done += count
    }
    return buffer.subarray(0, done)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    forgotten.unregister(this)
    closeSync(this.handle)
  }
}

async function readRange(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  // A range of a hostile or mistaken length must not allocate more than the file holds.
  const { size } = await handle.stat()
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)))
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
