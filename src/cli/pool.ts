/** Opening pools: what every command on one begins with. */
import { resolve } from 'node:path'
import type { Operation } from '../base/operation.ts'
import type { DiskLock } from '../platform/index.ts'
import { pruneError, Repository, repositoryError, type Secret } from '../repository/index.ts'
import { LocalDiskStore, type StoreDescriptor } from '../storage/index.ts'
import { plainText } from './arguments.ts'
import { cliError } from './errors.ts'
import type { Run } from './run.ts'
import { getSecret, type SecretOptions } from './secrets.ts'

export interface OpenPool {
  /** Absolute. */
  readonly folder: string
  readonly store: LocalDiskStore
  readonly repository: Repository
  /** For workers, which open the store again. */
  readonly descriptor: StoreDescriptor
}

export function poolFolder(argument: string): string {
  return resolve(plainText(argument, 'the pool'))
}

/** REPOSITORY_NOT_FOUND is told before anybody is asked for a passphrase. */
export async function findPool(op: Operation, run: Run, argument: string): Promise<{ folder: string; store: LocalDiskStore }> {
  const folder = poolFolder(argument)
  const store = new LocalDiskStore(run.disk, folder)
  const isThere = (await store.head(op, 'FORMAT')) ?? (await store.head(op, 'FORMAT.copy'))
  if (!isThere) throw repositoryError('REPOSITORY_NOT_FOUND', `there is no pool in ${folder}`, { context: { folder } })
  return { folder, store }
}

export async function openPool(run: Run, argument: string, options: SecretOptions, use: 'read' | 'write' = 'read'): Promise<OpenPool> {
  const { folder, store } = await findPool(run.op, run, argument)
  const secret = await getSecret(run.op, run, options, folder)
  return openPoolWith(run, { folder, store }, secret, use)
}

export async function openPoolWith(
  run: Run,
  { folder, store }: { readonly folder: string; readonly store: LocalDiskStore },
  secret: Secret,
  use: 'read' | 'write',
): Promise<OpenPool> {
  const repository = await Repository.open(run.op, store, secret, use)
  return { folder, store, repository, descriptor: { kind: 'local', path: folder } }
}

/** The writer's lock; REPOSITORY_BUSY. */
export async function lockPool(run: Run, pool: Pick<OpenPool, 'folder' | 'store'>): Promise<DiskLock> {
  const lock = await pool.store.lock(run.op)
  if (!lock) throw repositoryError('REPOSITORY_BUSY', `another process writes to ${pool.folder}`, { context: { folder: pool.folder } })
  return lock
}

/** The right to expire and to prune; PRUNE_BUSY. */
export async function lockPrune(run: Run, pool: Pick<OpenPool, 'folder' | 'store'>): Promise<DiskLock> {
  const lock = await pool.store.lockPrune(run.op)
  if (!lock) throw pruneError('PRUNE_BUSY', `another process expires or prunes in ${pool.folder}`, { context: { folder: pool.folder } })
  return lock
}

/** Both locks (docs/locking.md): a registration decides where uploads go, and writes to the pool. UPLOAD_BUSY, REPOSITORY_BUSY. */
export async function lockRegistration(run: Run, pool: Pick<OpenPool, 'folder' | 'store'>): Promise<DiskLock> {
  const uploads = await lockUpload(run, pool.folder)
  try {
    const writing = await lockPool(run, pool)
    return {
      async release() {
        await writing.release()
        await uploads.release()
      },
    }
  } catch (error) {
    await uploads.release()
    throw error
  }
}

/** Uploads and registrations exclude each other; UPLOAD_BUSY. */
export async function lockUpload(run: Run, folder: string): Promise<DiskLock> {
  const lock = await run.disk.lock(`${folder}/UPLOAD.LOCK`)
  if (!lock) throw cliError('UPLOAD_BUSY', `another process sends recovery points of ${folder}`, { context: { folder } })
  return lock
}
