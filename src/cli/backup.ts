/** One backup into an open pool, for `pool backup` and the quickstart. */
import { realpathSync } from 'node:fs'
import { hostname } from 'node:os'
import { archiveError, type BackupReport, backUp } from '../archive/index.ts'
import { AT_FDCWD, findStatAt, realPath } from '../platform/index.ts'
import { openWriteSession } from '../repository/index.ts'
import { bytesOf, resolvePath } from './arguments.ts'
import { cliError } from './errors.ts'
import { errnoOf } from './files.ts'
import { lockPool, type OpenPool } from './pool.ts'
import { printable } from './format.ts'
import type { Run } from './run.ts'

export interface BackupOptions {
  readonly paths: readonly Buffer[]
  readonly source?: string
  readonly excludes?: readonly string[]
  readonly excludeCaches?: boolean
  readonly oneFileSystem?: boolean
  readonly forceRead?: boolean
  /** Besides the pool. */
  readonly skipFolders?: readonly string[]
}

export async function runBackup(run: Run, pool: OpenPool, options: BackupOptions): Promise<BackupReport> {
  const { op } = run
  const paths = await presentPaths(run, options.paths)
  const lock = await lockPool(run, pool)
  try {
    const session = await openWriteSession(op, pool.repository, lock, pool.store)
    const host = hostname()
    return await backUp(op, {
      repository: pool.repository,
      session,
      paths,
      source: options.source ?? host,
      host,
      excludes: [...(options.excludes ?? [])],
      excludeCaches: options.excludeCaches ?? false,
      oneFileSystem: options.oneFileSystem ?? false,
      forceRead: options.forceRead ?? false,
      skipFolders: [pool.folder, ...(options.skipFolders ?? [])].flatMap(bothNames),
      workerStore: pool.descriptor,
      program: `terp ${run.programs.version}`,
    })
  } finally {
    await lock.release()
  }
}

/** A folder's name as it was given, and without symbolic links: the walk may meet it under either. */
function bothNames(folder: string): Buffer[] {
  const real = realpathSync(folder, { encoding: 'buffer' })
  return Buffer.from(folder).equals(real) ? [real] : [Buffer.from(folder), real]
}

/** Against the working folder, whose name may be any bytes. A closing slash stays where it means something: behind a symbolic link. */
export function sourcePath(argument: string): Buffer {
  const bytes = bytesOf(argument)
  if (bytes.length === 0) throw cliError('USAGE_INVALID', 'a path to protect is empty')
  const path = resolvePath(realPath('.'), bytes)
  if (bytes.at(-1) !== 0x2f || !isSymlink(path)) return path.length === 0 ? Buffer.from('/') : path
  return Buffer.concat([path, Buffer.from('/')])
}

/** SOURCE_NOT_FOUND when there is none of them; a warning for each that is missing otherwise. */
async function presentPaths(run: Run, paths: readonly Buffer[]): Promise<Buffer[]> {
  const missing = paths.filter((path) => isMissing(path))
  const texts = missing.map((path) => path.toString('utf8'))
  if (missing.length === paths.length) {
    const hint = paths.length === 1 ? {} : { hint: 'Check the paths; nothing was backed up.' }
    throw archiveError('SOURCE_NOT_FOUND', `${printable(texts.join(', '))} ${texts.length === 1 ? 'does' : 'do'} not exist`, { context: { paths: texts }, ...hint })
  }
  for (const text of texts) run.warn({ code: 'SOURCE_NOT_FOUND', message: `${text} does not exist`, item: text })
  return paths.filter((path) => !missing.includes(path))
}

function isSymlink(path: Buffer): boolean {
  try {
    return findStatAt(AT_FDCWD, path)?.kind === 'symlink'
  } catch {
    return false // whatever is wrong with it, the walk will tell
  }
}

function isMissing(path: Buffer): boolean {
  try {
    return findStatAt(AT_FDCWD, path) === undefined
  } catch (error) {
    // Longer than the kernel takes at once, or not for us to see: the walk will tell.
    return errnoOf(error) === 'ENOTDIR'
  }
}
