/** Whether a folder may become a pool volume. What is refused here would lose data sooner or later, or has data of somebody else. */
import { lstat, readdir, readFile, realpath, stat, statfs } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { refusalError, refuse } from '../../protection/index.ts'
import { repositoryError } from '../../repository/index.ts'
import { hasErrno } from '../data-folder.ts'
import { poolError } from './errors.ts'

/** What a crashed attempt leaves, and what a fresh file system has. `LOCK` is made before FORMAT. */
const OWN_NAMES = new Set(['LOCK', 'tmp', 'quarantine', 'packs', 'index', 'points', 'keys', 'epoch', 'conf'])
const OF_FILE_SYSTEM = new Set(['lost+found'])
/** proc, sysfs, devpts, cgroup, cgroup2, securityfs, debugfs, tracefs, bpf, configfs: nothing that is written there is kept. */
const PSEUDO_FILE_SYSTEMS = new Set([
  0x9fa0, 0x62656572, 0x1cd1, 0x27e0eb, 0x63677270, 0x73636673, 0x64626720, 0x74726163, 0xcafe4a11, 0x62656570,
])
/** nfs, smb, cifs, smb2: whose locks and syncs this machine does not know of. */
const NETWORK_FILE_SYSTEMS = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42])
/** Of the system volume: a pool in them would grow over what the machine needs to start. */
const SYSTEM_FOLDERS = new Set(['/', '/bin', '/boot', '/dev', '/etc', '/lib', '/lib64', '/proc', '/run', '/sbin', '/sys', '/usr'])

export interface OtherPlaces {
  /** Folders of pool volumes that the server knows. */
  readonly pools: readonly string[]
  /** Of the server itself. */
  readonly dataFolder: string
}

/**
 * The folder as the pool will know it. It need not exist, but what holds it must. POOL_FOLDER_INVALID, POOL_VOLUME_NOT_ALLOWED, POOL_FOLDER_USED, REPOSITORY_EXISTS,
 * REPOSITORY_FOLDER_NOT_EMPTY.
 */
export async function checkPlace(folder: string, others: OtherPlaces): Promise<string> {
  const context = { folder }
  if (!isAbsolute(folder) || folder.includes('\0')) throw poolError('POOL_FOLDER_INVALID', `${folder} is no absolute path`, { context })
  const wanted = resolve(folder)
  // Through links, so that one folder is not two pools.
  const place = await realPlace(wanted)
  if (SYSTEM_FOLDERS.has(place)) throw notAllowed(`${folder} belongs to the system`)
  for (const other of [...others.pools, others.dataFolder]) {
    const there = await realPlace(resolve(other))
    if (isWithin(place, there) || isWithin(there, place)) {
      const what = other === others.dataFolder ? 'the data folder of the server' : 'a pool volume'
      throw poolError('POOL_FOLDER_USED', `${folder} lies in the same place as ${other}, which is ${what}`, {
        context: { ...context, domain_code: 40012 },
      })
    }
  }
  const there = await nearest(place)
  const { type } = await statfs(there)
  if (PSEUDO_FILE_SYSTEMS.has(type)) throw notAllowed(`what is written to ${folder} is not kept`)
  if (NETWORK_FILE_SYSTEMS.has(type)) throw notAllowed(`${folder} is a network share`)
  if (await isRemovable(there)) throw notAllowed(`${folder} is on a removable disk`)
  await checkEmpty(place)
  return place
}

function notAllowed(message: string) {
  return refusalError(refuse('POOL_VOLUME_NOT_ALLOWED', message))
}

/** As the kernel says of the disk, or of that of which this is a partition. */
async function isRemovable(path: string): Promise<boolean> {
  const { dev } = await stat(path)
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)]
  for (const file of ['removable', '../removable']) {
    const text = await readFile(`/sys/dev/block/${major}:${minor}/${file}`, 'utf8').catch(() => '')
    if (text.trim() !== '') return text.trim() === '1'
  }
  return false
}

async function checkEmpty(folder: string): Promise<void> {
  const context = { folder }
  const names = (await namesIn(folder)).filter((name) => !OF_FILE_SYSTEM.has(name))
  if (names.includes('FORMAT') || names.includes('FORMAT.copy')) {
    throw repositoryError('REPOSITORY_EXISTS', `there is a pool in ${folder} already`, { context })
  }
  for (const name of names) {
    if (OWN_NAMES.has(name) && (name === 'LOCK' || !(await holdsFiles(join(folder, name))))) continue
    throw repositoryError('REPOSITORY_FOLDER_NOT_EMPTY', `${folder} is not empty: it holds ${name}`, { context })
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []
    const context = { folder }
    if (hasErrno(error, 'ENOTDIR')) throw poolError('POOL_FOLDER_INVALID', `${folder} is not a folder`, { cause: error, context })
    throw poolError('POOL_FOLDER_UNWRITABLE', `${folder} can not be read`, { cause: error, context })
  }
}

async function holdsFiles(path: string): Promise<boolean> {
  if (!(await lstat(path)).isDirectory()) return true
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isDirectory() || (await holdsFiles(join(path, entry.name)))) return true
  }
  return false
}

/** With what exists of the path as it really is. */
async function realPlace(path: string): Promise<string> {
  const there = await nearest(path)
  return join(await realpath(there), relative(there, path))
}

/** The path itself, or the first folder above it that exists. */
async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = resolve(at, '..')) {
    try {
      await stat(at)
      return at
    } catch (error) {
      if (hasErrno(error, 'ENOENT') && at !== '/') continue
      throw poolError('POOL_FOLDER_INVALID', `${path} can not be looked at`, { cause: error, context: { folder: path } })
    }
  }
}

export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || !(way === '..' || way.startsWith('../'))
}
