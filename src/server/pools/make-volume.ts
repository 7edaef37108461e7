/**
 * Makes a pool volume and the key that opens it. Order: the key first, whole and durable in the server's own folder; then the pool; its FORMAT last of all. A crash
 * leaves at worst a key of a pool that does not exist; a failure takes it away again.
 */
import { join } from 'node:path'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { DEFAULT_CHUNKING } from '../../chunking/index.ts'
import type { Disk } from '../../platform/index.ts'
import { makeRecoveryKey, parseKeyFile, Repository, repositoryError } from '../../repository/index.ts'
import { createLocalDiskStore, LocalDiskStore } from '../../storage/index.ts'
import { makeFile, makeFolders, removeFile } from '../data-folder.ts'
import type { ChunkKeys } from './chunk-keys.ts'
import { poolError } from './errors.ts'

export interface MadeVolume {
  readonly repositoryId: string
  /** To be shown once: with them, the pool is opened without the server. */
  readonly recoveryWords: string
}

export interface NewVolume {
  readonly id: string
  /** As `checkPlace` gave it. */
  readonly folder: string
  readonly keysFolder: string
}

export function keyPath(keysFolder: string, poolId: string): string {
  return join(keysFolder, `pool-${poolId}.key`)
}

/** REPOSITORY_BUSY, POOL_FOLDER_UNWRITABLE. */
export async function makeVolume(
  op: Operation,
  disk: Disk,
  { id, folder, keysFolder }: NewVolume,
  { contentHash, ...chunkKeys }: ChunkKeys,
): Promise<MadeVolume> {
  const path = keyPath(keysFolder, id)
  await makeFile(disk, path, `${randomHex(op.random, 32)}\n`)
  try {
    await disk.syncFolder(keysFolder)
    // What counts is the key as it lies there.
    const secret = parseKeyFile(await disk.read(path))
    const recovery = makeRecoveryKey(op.random)
    await makeFolders(disk, folder).catch((cause: unknown) => {
      throw poolError('POOL_FOLDER_UNWRITABLE', `${folder} can not be made`, { cause, context: { folder } })
    })
    const store = await createLocalDiskStore(op, disk, folder)
    const lock = await store.lock(op)
    if (!lock) throw repositoryError('REPOSITORY_BUSY', `another process writes to ${folder}`, { context: { folder } })
    try {
      const { format } = await Repository.create(op, store, {
        kind: 'pool',
        chunking: DEFAULT_CHUNKING,
        secrets: [
          { secret, label: 'server' },
          { secret: recovery.secret, label: 'recovery key' },
        ],
        shared: { bundle: chunkKeys, format: { contentHash } },
      })
      return { repositoryId: format.repositoryId, recoveryWords: recovery.words }
    } finally {
      await lock.release()
    }
  } catch (error) {
    await removeFile(disk, path).catch(() => undefined)
    throw error
  }
}

/** Of a pool that nobody was told of: it is empty. What opens it goes first, so that the folder can be tried again. */
export async function unmakeVolume(op: Operation, disk: Disk, { id, folder, keysFolder }: NewVolume): Promise<void> {
  const store = new LocalDiskStore(disk, folder)
  const names = ['FORMAT', 'FORMAT.copy']
  for await (const { name } of store.list(op, 'keys/')) names.push(name)
  await store.removeAll(op, names)
  await removeFile(disk, keyPath(keysFolder, id))
}
