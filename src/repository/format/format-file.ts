/** FORMAT says what a repository is: docs/format.md §4, §14. Published last when a repository is made: without it there is none. */

import { toTimestamp } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ObjectStore, PruningStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import type { HashName, RepositoryHashes } from '../keys/hierarchy.ts'
import { decodeCheckedLine, encodeCheckedLine } from './checked-line.ts'

/** The highest that this program knows; new repositories have it. */
export const FORMAT_VERSION = 2
export const FORMAT_NAMES = ['FORMAT', 'FORMAT.copy'] as const

export type ChunkingAlgorithm = 'gear32' | 'sieve'

export interface ChunkingFields {
  readonly algorithm: ChunkingAlgorithm
  readonly minBytes: number
  readonly targetBytes: number
  readonly maxBytes: number
}

export interface RepositoryFormat extends RepositoryHashes {
  readonly version: 1 | 2
  readonly repositoryId: string
  readonly kind: 'pool' | 'vault'
  readonly chunking: ChunkingFields
  readonly packBytes: number
  readonly padding: 'none' | 'padme'
}

export function encodeFormat(format: RepositoryFormat, nowMs: number): Buffer {
  const { chunking } = format
  return encodeCheckedLine({
    format: 'terp-repository',
    version: format.version,
    min_reader: format.version,
    min_writer: format.version,
    repository_id: format.repositoryId,
    kind: format.kind,
    created: toTimestamp(nowMs),
    chunking: {
      algorithm: chunking.algorithm,
      min_bytes: chunking.minBytes,
      target_bytes: chunking.targetBytes,
      max_bytes: chunking.maxBytes,
    },
    pack_bytes: format.packBytes,
    padding: format.padding,
    ...(format.version === 1 ? {} : { content_hash: format.contentHash, object_hash: format.objectHash }),
  })
}

/** The first copy that is whole. REPOSITORY_NOT_FOUND, REPOSITORY_FORMAT_DAMAGED, REPOSITORY_TOO_NEW. */
export async function readFormat(op: Operation, store: ObjectStore, use: 'read' | 'write'): Promise<RepositoryFormat> {
  let seen = 0
  for (const name of FORMAT_NAMES) {
    const bytes = await getIfThere(op, store, name)
    if (bytes === undefined) continue
    seen++
    const format = decodeFormat(bytes, use)
    if (format) return format
    op.warn({ code: 'REPOSITORY_FORMAT_DAMAGED', message: `${name} is damaged; its other copy is used`, item: name })
  }
  if (seen === 0) throw repositoryError('REPOSITORY_NOT_FOUND', `there is no pool in ${store.description}`)
  throw repositoryError('REPOSITORY_FORMAT_DAMAGED', `FORMAT in ${store.description} is not what was written`)
}

/** By a writer: a copy that a crash or damage took is made again from the other one. */
export async function healFormat(op: Operation, store: ObjectStore, pruning?: PruningStore): Promise<void> {
  const copies: { name: string; bytes: Buffer | undefined; isGood: boolean }[] = []
  for (const name of FORMAT_NAMES) {
    const bytes = await getIfThere(op, store, name)
    copies.push({ name, bytes, isGood: bytes !== undefined && decodeFormat(bytes, 'write') !== undefined })
  }
  const good = copies.find(({ isGood }) => isGood)?.bytes
  if (!good) return
  for (const { name, bytes, isGood } of copies) {
    if (isGood || (bytes && !pruning)) continue
    if (bytes) await pruning?.quarantine(op, name)
    await store.put(op, name, good)
  }
}

/** Undefined when damaged. */
export function decodeFormat(bytes: Uint8Array, use: 'read' | 'write'): RepositoryFormat | undefined {
  const raw = decodeCheckedLine(bytes)
  if (raw?.format !== 'terp-repository') return undefined
  const need = use === 'read' ? raw.min_reader : raw.min_writer
  if (typeof need !== 'number' || need > FORMAT_VERSION) {
    throw repositoryError(
      'REPOSITORY_TOO_NEW',
      `this repository needs format ${String(need)} to ${use}, this program knows ${FORMAT_VERSION}`,
    )
  }
  const chunking = raw.chunking as { algorithm: string; min_bytes: number; target_bytes: number; max_bytes: number }
  const version = raw.version === 1 ? 1 : 2
  return {
    version,
    contentHash: version === 1 ? 'sha256' : hashName(raw.content_hash),
    objectHash: version === 1 ? 'sha256' : hashName(raw.object_hash),
    repositoryId: String(raw.repository_id),
    kind: raw.kind === 'vault' ? 'vault' : 'pool',
    chunking: {
      algorithm: algorithmName(chunking.algorithm),
      minBytes: chunking.min_bytes,
      targetBytes: chunking.target_bytes,
      maxBytes: chunking.max_bytes,
    },
    packBytes: Number(raw.pack_bytes),
    // FORMAT has no seal: a vault must not be able to ask for packs that tell more.
    padding: raw.kind === 'vault' || raw.padding === 'padme' ? 'padme' : 'none',
  }
}

function algorithmName(raw: unknown): ChunkingAlgorithm {
  if (raw === 'gear32' || raw === 'sieve') return raw
  throw repositoryError('REPOSITORY_TOO_NEW', `unknown chunking ${String(raw)}`)
}

function hashName(raw: unknown): HashName {
  if (raw === 'sha256' || raw === 'blake3') return raw
  throw repositoryError('REPOSITORY_TOO_NEW', `unknown hash ${String(raw)}`)
}

export async function getIfThere(op: Operation, store: ObjectStore, name: string): Promise<Buffer | undefined> {
  try {
    return await store.get(op, name)
  } catch (error) {
    if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) return undefined
    throw error
  }
}
