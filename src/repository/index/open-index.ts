/** Opens the index of a repository: the heads of its segments, and how what they lack is found. */
import { hasCode, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { type ImmediateReads, type ObjectStore, openBytes } from '../../storage/index.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import { packName, packOfName, type SealedPack } from '../pack/pack-format.ts'
import { readPackDirectory, readPackDirectoryNow } from '../pack/pack-reader.ts'
import { ChunkIndex, type Completion } from './chunk-index.ts'
import type { PackTable } from './pack-table.ts'
import { segmentOfName } from './segment.ts'
import { SegmentFile } from './segment-file.ts'

export interface OpenedSegments {
  readonly files: readonly SegmentFile[]
  /** Names of those that can't be read. */
  readonly damaged: readonly string[]
}

/** A merge may go on meanwhile: what is listed counts once two lists agree. */
const MOST_LISTS = 10

/** Of those that are `open` already, and stay their owner's to close, none is opened again. */
export async function openSegments(
  op: Operation,
  store: ObjectStore,
  keys: RepositoryKeys,
  open: readonly SegmentFile[] = [],
): Promise<OpenedSegments> {
  const files = new Map(open.map((file) => [file.name, file]))
  const damaged = new Set<string>()
  let names = await segmentNames(op, store)
  for (let n = 0; n < MOST_LISTS; n++) {
    for (const name of names) if (!files.has(name) && !damaged.has(name)) await openSegment(op, store, keys, name, files, damaged)
    // A merge publishes first and removes then; a list that was taken in between may show neither.
    const again = await segmentNames(op, store)
    const isSame = again.length === names.length && again.every((name, i) => name === names[i])
    names = again
    if (isSame) break
  }
  const listed = new Set(names)
  for (const [name, file] of files) if (!listed.has(name) && !open.includes(file)) file.close()
  return { files: names.flatMap((name) => files.get(name) ?? []), damaged: names.filter((name) => damaged.has(name)) }
}

export async function segmentNames(op: Operation, store: ObjectStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(op, 'index/')) if (segmentOfName(name)) names.push(name)
  return names
}

async function openSegment(
  op: Operation,
  store: ObjectStore,
  keys: RepositoryKeys,
  name: string,
  files: Map<string, SegmentFile>,
  damaged: Set<string>,
): Promise<void> {
  try {
    const object = store.immediate ? store.immediate.open(name) : openBytes(name, await store.get(op, name))
    files.set(name, SegmentFile.open(keys, name, object))
  } catch (error) {
    if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) return // gone since it was listed: the next list tells
    if (!(error instanceof SealedObjectError)) throw error
    damaged.add(name)
  }
}

/** The index of segments all of whose blocks are whole; the others count as damaged. Reads everything. */
export function wholeIndex(
  { files, damaged }: OpenedSegments,
  options: { packs?: (listed: PackTable) => PackTable } = {},
): { index: ChunkIndex; damaged: string[] } {
  const index = new ChunkIndex(files, options)
  const broken = index.readAll()
  if (broken.length === 0) return { index, damaged: [...damaged] }
  const whole = files.filter(({ name }) => !broken.includes(name))
  const rest = new ChunkIndex(whole, options)
  rest.readAll()
  return { index: rest, damaged: [...damaged, ...broken] }
}

/** Adds the packs that no good segment lists. Unreadable ones are left out and told. */
export async function addUnlistedPacks(op: Operation, store: ObjectStore, keys: RepositoryKeys, index: ChunkIndex): Promise<void> {
  for await (const { name, sizeBytes } of store.list(op, 'packs/')) {
    const sha256 = packOfName(name)
    if (sha256 === undefined || index.packs.has(sha256)) continue
    try {
      index.addPack({ sha256, sizeBytes, records: await readPackDirectory(op, store, keys, sha256, sizeBytes) })
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      op.warn({ code: error.code, message: error.message, item: name })
    }
  }
}

/**
 * What an index does about a chunk that it can't find: reads the directories of the packs of segments with a damaged block, and, for a reader, of the packs
 * that no segment lists, once. All at once: look-ups do not wait.
 */
export function completion(
  op: Operation,
  immediate: ImmediateReads,
  keys: RepositoryKeys,
  options: { readonly unlisted: boolean },
): Completion {
  let isListing = options.unlisted
  const taken = new Set<string>()
  const take = (index: ChunkIndex, sha256: string): boolean => {
    if (taken.has(sha256)) return false
    taken.add(sha256)
    const pack = readNow(op, immediate, keys, sha256)
    const number = index.packs.numberOf(sha256)
    if (pack) index.addPack(pack, (_, id) => number === undefined || index.packs.isUsable(number, id, 0))
    return pack !== undefined
  }
  return (index) => {
    let isNew = false
    for (const { file, table } of index.parts) {
      if (!table.hasDamage) continue
      for (let row = 0; row < file.head.packCount; row++) isNew = take(index, index.packs.nameOf(table.packNumber(row))) || isNew
    }
    if (!isListing) return isNew
    isListing = false
    for (const name of immediate.names('packs/')) {
      const sha256 = packOfName(name)
      if (sha256 !== undefined && !index.packs.has(sha256)) isNew = take(index, sha256) || isNew
    }
    return isNew
  }
}

function readNow(op: Operation, immediate: ImmediateReads, keys: RepositoryKeys, sha256: string): SealedPack | undefined {
  const info = immediate.head(packName(sha256))
  if (!info) return undefined
  try {
    return { sha256, sizeBytes: info.sizeBytes, records: readPackDirectoryNow(immediate, keys, sha256, info.sizeBytes) }
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error
    op.warn({ code: error.code, message: error.message, item: packName(sha256) })
    return undefined
  }
}
