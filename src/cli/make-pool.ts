/**
 * Makes a pool and the files that open it. Order: files with new keys first (whole and durable), the pool next, FORMAT last of all. A crash
 * leaves at worst keys of a pool that does not exist; a failure takes them away again.
 */
import { join } from 'node:path'
import { equalBytes } from '../base/bytes.ts'
import { invariant } from '../base/errors.ts'
import { randomHex } from '../base/random.ts'
import { DEFAULT_CHUNKING } from '../chunking/index.ts'
import { makeRecoveryKey, parseKeyFile, Repository, repositoryError, type Secret } from '../repository/index.ts'
import { createLocalDiskStore } from '../storage/index.ts'
import { plainText } from './arguments.ts'
import { cliError } from './errors.ts'
import { holdsFiles, isInside, isThere, makeFolders, makePrivateFile, namesIn } from './files.ts'
import { lockPool, type OpenPool } from './pool.ts'
import { poolHash } from './pool-hash.ts'
import type { Run } from './run.ts'
import { readKeyFile } from './secrets.ts'

export interface NewPool extends Pick<OpenPool, 'folder' | 'store' | 'repository' | 'descriptor'> {
  readonly hasNewKeyFile: boolean
  /** Where no file was asked for: to be shown once, if there is anybody to see it. */
  readonly recoveryWords: string | undefined
}

export interface NewPoolOptions {
  /** Absolute. */
  readonly folder: string
  /** A passphrase that was read, or a key file that is made if it does not exist. */
  readonly secret: Secret | { readonly keyFile: string }
  /** A new file for the 24 words; `'shown'` returns them instead; `'none'` makes no second slot. */
  readonly recovery: { readonly file: string } | 'shown' | 'none'
}

/** What a crashed attempt leaves. `LOCK` is made before FORMAT. */
const OWN_NAMES = new Set(['LOCK', 'tmp', 'quarantine', 'packs', 'index', 'points', 'keys', 'epoch', 'conf'])

export async function makePool(run: Run, options: NewPoolOptions): Promise<NewPool> {
  const { op, disk } = run
  const { folder } = options
  checkEmpty(folder)
  const made: string[] = []
  try {
    const { secret, isNew } = await secretOf(run, options, made)
    const recovery = options.recovery === 'none' ? undefined : makeRecoveryKey(op.random)
    if (recovery && typeof options.recovery === 'object') {
      await saveRecoveryKey(run, options.recovery.file, folder, recovery)
      made.push(options.recovery.file)
    }
    await makeFolders(disk, folder)
    const store = await createLocalDiskStore(op, disk, folder)
    const lock = await lockPool(run, { folder, store })
    try {
      const secrets = [{ secret, label: secret.kind }, ...(recovery ? [{ secret: recovery.secret, label: 'recovery key' }] : [])]
      const repository = await Repository.create(op, store, { kind: 'pool', chunking: DEFAULT_CHUNKING, secrets, contentHash: poolHash() })
      const recoveryWords = options.recovery === 'shown' ? recovery?.words : undefined
      return { folder, store, repository, descriptor: { kind: 'local', path: folder }, hasNewKeyFile: isNew, recoveryWords }
    } finally {
      await lock.release()
    }
  } catch (error) {
    for (const path of made) await disk.unlink(path).catch(() => undefined)
    throw error
  }
}

/** REPOSITORY_EXISTS, REPOSITORY_FOLDER_NOT_EMPTY. */
function checkEmpty(folder: string): void {
  const names = namesIn(folder) ?? []
  const context = { folder }
  if (names.includes('FORMAT') || names.includes('FORMAT.copy')) {
    throw repositoryError('REPOSITORY_EXISTS', `there is a pool in ${folder} already`, { context })
  }
  const foreign = names.filter((name) => !OWN_NAMES.has(name))
  const filled = names.filter((name) => name !== 'LOCK' && OWN_NAMES.has(name) && holdsFiles(join(folder, name)))
  const [first] = [...foreign, ...filled]
  if (first !== undefined) throw repositoryError('REPOSITORY_FOLDER_NOT_EMPTY', `${folder} is not empty: it holds ${first}`, { context })
}

async function secretOf(run: Run, options: NewPoolOptions, made: string[]): Promise<{ secret: Secret; isNew: boolean }> {
  const { secret } = options
  if (!('keyFile' in secret)) return { secret, isNew: false }
  const path = plainText(secret.keyFile, 'the key file')
  if (isThere(path)) return { secret: await readKeyFile(run.disk, path), isNew: false }
  checkOutside(path, options.folder, 'a new key file')
  await makePrivateFile(run.disk, path, `${randomHex(run.op.random, 32)}\n`, 'the key file')
  made.push(path)
  return { secret: await readKeyFile(run.disk, path), isNew: true }
}

async function saveRecoveryKey(run: Run, path: string, folder: string, key: { secret: Secret; words: string }): Promise<void> {
  checkOutside(path, folder, 'the recovery key')
  const lines = [
    `# Recovery key of the Terp pool ${folder}`,
    '# Opens it when the passphrase or key file is lost: terp pool list DIR --key-file THIS_FILE. Keep it away from the pool.',
    key.words,
  ]
  await makePrivateFile(run.disk, path, `${lines.join('\n')}\n`, 'the recovery key file')
  // What counts is that the file, as it lies there, is the key.
  const back = parseKeyFile(await run.disk.read(path))
  invariant(
    back.kind === 'recovery' && key.secret.kind === 'recovery' && equalBytes(back.bytes, key.secret.bytes),
    'the recovery key reads back',
  )
}

/** A key beside the lock that it opens protects nothing. */
function checkOutside(path: string, folder: string, what: string): void {
  if (!isInside(path, folder)) return
  throw cliError('USAGE_INVALID', `${what} may not lie in the pool itself (${path})`, { hint: 'Choose a place outside the pool.' })
}
