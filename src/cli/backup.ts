/** One backup into an open pool, for `pool backup` and the quickstart. */
import { realpathSync } from 'node:fs'
import { hostname } from 'node:os'
import { type BackupReport, backUp } from '../archive/index.ts'
import type { LoopDelay } from '../base/clock.ts'
import { AT_FDCWD, findStatAt, realPath } from '../platform/index.ts'
import { openWriteSession } from '../repository/index.ts'
import { bytesOf, resolvePath } from './arguments.ts'
import { cliError } from './errors.ts'
import { lockPool, type OpenPool } from './pool.ts'
import type { Run } from './run.ts'

export interface BackupOptions {
  readonly paths: readonly Buffer[]
  readonly source?: string
  readonly excludes?: readonly string[]
  readonly excludeCaches?: boolean
  readonly oneFileSystem?: boolean
  readonly forceRead?: boolean
  readonly rereadPercent?: number
  /** Besides the pool. */
  readonly skipFolders?: readonly string[]
}

/** A backup, and how free it left the main thread. */
export interface MeasuredBackup extends BackupReport {
  readonly loopDelay: LoopDelay
}

export async function runBackup(run: Run, pool: OpenPool, options: BackupOptions): Promise<MeasuredBackup> {
  const meter = run.measureLoopDelay()
  let loopDelay: LoopDelay | undefined
  try {
    const report = await backUpInto(run, pool, options)
    loopDelay = await meter.stop()
    return { ...report, loopDelay }
  } finally {
    if (!loopDelay) await meter.stop()
  }
}

async function backUpInto(run: Run, pool: OpenPool, options: BackupOptions): Promise<BackupReport> {
  const { op } = run
  const lock = await lockPool(run, pool)
  try {
    const session = await openWriteSession(op, pool.repository, lock, pool.store)
    const host = hostname()
    return await backUp(op, {
      session,
      paths: options.paths,
      source: options.source ?? host,
      host,
      excludes: options.excludes ?? [],
      excludeCaches: options.excludeCaches ?? false,
      oneFileSystem: options.oneFileSystem ?? false,
      forceRead: options.forceRead ?? false,
      rereadPercent: options.rereadPercent ?? 0,
      skipFolders: [pool.folder, ...(options.skipFolders ?? [])].map((folder) => realpathSync(folder, { encoding: 'buffer' })),
      workerStore: pool.descriptor,
      countFirst: run.output.streams.isErrTerminal,
      program: `terp ${run.programs.version}`,
    })
  } finally {
    await lock.release()
  }
}

/** Against the working folder, whose name may be any bytes. A closing slash stays where it means something: behind a symbolic link. */
export function sourcePath(argument: string): Buffer {
  const bytes = bytesOf(argument)
  if (bytes.length === 0) throw cliError('USAGE_INVALID', 'a path to protect is empty')
  const path = resolvePath(realPath('.'), bytes)
  if (path.length === 0) return Buffer.from('/')
  return bytes.at(-1) === 0x2f && isSymlink(path) ? Buffer.concat([path, Buffer.from('/')]) : path
}

function isSymlink(path: Buffer): boolean {
  try {
    return findStatAt(AT_FDCWD, path)?.kind === 'symlink'
  } catch {
    return false // whatever is wrong with it, the walk will tell
  }
}
