/** Files and folders, and volumes as the folders on which they are mounted. */
import type { StatsFs } from 'node:fs'
import { lstat, opendir, readFile, statfs } from 'node:fs/promises'
import { archiveError, backUp, restorePoint } from '../../archive/index.ts'
import { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { workloadError } from '../errors.ts'
import type { BrowsedItem, Discovered, Workload } from '../workload.ts'
import { openFilesView, removeLeftSnapshots } from './files-view.ts'
import { mountsIn } from './mounts.ts'

const SLASH = Buffer.from('/')
/** With a disk that may be asleep. */
const PATIENCE_MS = 10_000

/** Without a folder for snapshots it reads the live tree. */
export const filesWorkload: Workload = {
  kind: 'files',

  async discover(op) {
    const found: Discovered[] = []
    for (const mount of mountsIn(await readFile('/proc/self/mounts', 'latin1'))) {
      op.check()
      const size = await sizeOf(op, mount.path)
      if (!size) continue
      const [totalBytes, freeBytes] = [size.blocks * size.bsize, size.bfree * size.bsize]
      found.push({
        workload: 'files',
        name: mount.path.toString('utf8'),
        path: mount.path,
        sizeBytes: totalBytes - freeBytes,
        detail: {
          file_system: mount.type,
          device: mount.device,
          total_bytes: totalBytes,
          free_bytes: freeBytes,
          read_only: mount.isReadOnly,
        },
      })
    }
    return found
  },

  async browse(op, path, limit) {
    const stat = await lstat(path).catch((error: unknown) => {
      throw asSourceError(error, path)
    })
    if (!stat.isDirectory()) throw workloadError('SOURCE_NOT_A_FOLDER', `${path.toString('utf8')} is not a folder`)
    const items: BrowsedItem[] = []
    const folder = await opendir(path, { encoding: 'buffer' as BufferEncoding }).catch((error: unknown) => {
      throw asSourceError(error, path)
    })
    let isComplete = true
    try {
      for await (const { name } of folder) {
        op.check()
        if (items.length === limit) {
          isComplete = false
          break
        }
        const item = await itemAt(joined(path, name as unknown as Buffer))
        if (item) items.push(item)
      }
    } catch (error) {
      throw asSourceError(error, path)
    }
    items.sort((a, b) => Buffer.compare(a.path, b.path))
    return { items, isComplete }
  },

  openView: (op, task) => openFilesView(op, task, undefined),

  async recover() {},

  backUp(op, { task, view, session, workerStore, host, program }) {
    return backUp(op, {
      session,
      paths: task.paths.map((path) => Buffer.from(path, 'base64')),
      readAt: view.readAt,
      beforeCommit: (again) => view.check(again),
      source: task.source,
      host,
      excludes: [...task.excludes, ...view.excludes],
      excludeCaches: task.excludeCaches,
      oneFileSystem: task.oneFileSystem,
      forceRead: task.forceRead,
      rereadPercent: task.rereadPercent,
      skipFolders: [],
      program,
      ...(workerStore ? { workerStore } : {}),
    })
  },

  async restore(op, { task, repository, point, workerStore }) {
    return restorePoint(op, {
      repository,
      point: await repository.findPoint(op, point),
      target: Buffer.from(task.target, 'base64'),
      overwrite: task.overwrite,
      ...(task.security ? { security: task.security } : {}),
      dryRun: task.dryRun,
      ...(task.paths ? { select: task.paths.map((path) => Buffer.from(path, 'base64')) } : {}),
      ...(workerStore ? { workerStore } : {}),
    })
  },
}

/** One that makes snapshots, mounts them in that folder, and remembers there what it made. Nobody else uses the folder at the same time. */
export function filesWorkloadIn(folder: string): Workload {
  return {
    ...filesWorkload,
    openView: (op, task) => openFilesView(op, task, folder),
    recover: (op) => removeLeftSnapshots(op, folder),
  }
}

/** Undefined for a volume that does not answer: it is none that could be read. */
async function sizeOf(op: Operation, path: Buffer): Promise<StatsFs | undefined> {
  const over = new AbortController()
  const late = op.clock.sleep(PATIENCE_MS, AbortSignal.any([over.signal, op.signal])).catch(() => undefined)
  try {
    return (await Promise.race([statfs(path).catch(() => undefined), late])) ?? undefined
  } finally {
    over.abort()
  }
}

async function itemAt(path: Buffer): Promise<BrowsedItem | undefined> {
  const stat = await lstat(path).catch(() => undefined) // gone since it was listed
  if (!stat) return undefined
  const kind = stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : stat.isSymbolicLink() ? 'symlink' : 'other'
  return { path, kind, sizeBytes: stat.isFile() ? stat.size : 0, modifiedMs: stat.mtimeMs }
}

function joined(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === 0x2f ? Buffer.concat([folder, name]) : Buffer.concat([folder, SLASH, name])
}

/** Whatever the system says of a path is about the path: it is no fault of the program. */
function asSourceError(error: unknown, path: Buffer): unknown {
  if (error instanceof TerpError) return error
  const code = (error as NodeJS.ErrnoException).code
  const text = path.toString('utf8')
  if (code === 'ENOENT' || code === 'ENOTDIR') return archiveError('SOURCE_NOT_FOUND', `there is nothing at ${text}`)
  if (code === 'EACCES' || code === 'EPERM') return archiveError('SOURCE_UNREADABLE', `${text} can not be read`)
  if (code === undefined) return error
  return code === 'ERR_INVALID_ARG_VALUE'
    ? archiveError('SOURCE_NOT_FOUND', 'a path has no zero bytes')
    : archiveError('SOURCE_UNREADABLE', `${text} can not be read (${code})`)
}
