/**
 * The keys by which all volumes of one storage pool name and cut chunks (docs/format.md §5), so that recovery points can be moved between them as they are. Each volume
 * has a master key of its own: these open nothing. Made with the first volume, in the server's own folder, durable before a volume has them.
 */
import { join } from 'node:path'
import { invariant } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Disk } from '../../platform/index.ts'
import { type HashName, poolHash, type Repository } from '../../repository/index.ts'
import { readText, replaceFile } from '../data-folder.ts'
import { poolError } from './errors.ts'

export interface ChunkKeys {
  readonly contentHash: HashName
  readonly idKey: Uint8Array
  readonly chunkingKey: Uint8Array
}

const LINE = /^(sha256|blake3) ([0-9a-f]{64}) ([0-9a-f]{64})\n$/

/** `known`: of a volume that was made before there was such a file. POOL_KEY_MISSING when the file is not what was written. */
export async function openChunkKeys(
  op: Operation,
  disk: Disk,
  keysFolder: string,
  known: () => Promise<Repository | undefined>,
): Promise<ChunkKeys> {
  const path = join(keysFolder, 'chunks.key')
  const text = await readText(disk, path)
  if (text === undefined) {
    const made = keysOf(await known()) ?? { contentHash: poolHash(), idKey: op.random.bytes(32), chunkingKey: op.random.bytes(32) }
    const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')
    await replaceFile(disk, path, `${made.contentHash} ${hex(made.idKey)} ${hex(made.chunkingKey)}\n`)
    return made
  }
  const match = LINE.exec(text)
  if (!match) throw poolError('POOL_KEY_MISSING', `${path} is not what was written`, { context: { path } })
  const [, contentHash, idKey, chunkingKey] = match
  invariant(idKey !== undefined && chunkingKey !== undefined, 'the expression has three groups')
  const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
  return { contentHash: contentHash as HashName, idKey: bytes(idKey), chunkingKey: bytes(chunkingKey) }
}

function keysOf(repository: Repository | undefined): ChunkKeys | undefined {
  if (!repository) return undefined
  const { bundle, format } = repository
  return { contentHash: format.contentHash, idKey: bundle.idKey, chunkingKey: bundle.chunkingKey }
}
