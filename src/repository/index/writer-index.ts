/**
 * The index as a writer opens it (docs/format.md §13): what a crash left is taken in, and what is not there does not count. Costs a look into the folders
 * of packs for their names; sizes are compared when a chunk of the pack is asked for.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ObjectStore, PruningStore } from '../../storage/index.ts'
import { readDamageList } from '../damage-list.ts'
import { isListed } from '../damaged-chunks.ts'
import { packName, packOfName, type SealedPack } from '../pack/pack-format.ts'
import { readPackDirectory } from '../pack/pack-reader.ts'
import type { Repository } from '../repository.ts'
import { ChunkIndex } from './chunk-index.ts'
import { completion, openSegments, wholeIndex } from './open-index.ts'
import type { PackTable } from './pack-table.ts'
import { encodeSegment } from './segment.ts'

export interface WriterIndex {
  readonly index: ChunkIndex
  /** A segment that is gone may have listed packs that are gone too; and of a damaged pack, older trees may name what can't be read. */
  readonly mayLack: boolean
}

export interface WriterIndexOptions {
  readonly pruning?: PruningStore | undefined
  /** Packs that are about to be deleted: nothing that they hold counts, and none of them is listed again. */
  readonly doomed?: ReadonlySet<string>
  /** Awaited before packs that no segment listed are listed. */
  readonly onRecovered?: (packs: readonly SealedPack[]) => Promise<void>
}

export async function openWriterIndex(
  op: Operation,
  repository: Repository,
  { pruning, doomed = new Set(), onRecovered }: WriterIndexOptions = {},
): Promise<WriterIndex> {
  const { store, keys } = repository
  const damage = await readDamageList(op, repository)
  const opened = await openSegments(op, store, keys)
  const packs = await listPacks(op, store, doomed)
  const options = { packs: (listed: PackTable) => listed.checked(store.immediate, packs.presence(listed), damage) }
  const { index, damaged } = store.immediate
    ? {
        index: new ChunkIndex(opened.files, { ...options, complete: completion(op, store.immediate, keys, { unlisted: false }) }),
        damaged: opened.damaged,
      }
    : wholeIndex(opened, options)
  const recovered = await readPacks(op, repository, packs.unlisted(index.packs))
  if (pruning) await settlePacks(op, store, recovered)
  if (recovered.length > 0) {
    await onRecovered?.(recovered)
    const segment = encodeSegment(op.random, keys, recovered)
    await store.put(op, segment.name, segment.bytes)
  }
  if (pruning) for (const name of damaged) await pruning.quarantine(op, name)
  for (const pack of recovered) index.addPack(pack, (sha256, id) => !isListed(damage, sha256, id))
  return { index, mayLack: damaged.length > 0 || recovered.length > 0 || damage.size > 0 }
}

interface ListedPacks {
  /** 1 for each pack of the table that is there, and has its size as far as that is known. */
  presence(listed: PackTable): Uint8Array
  unlisted(listed: PackTable): AsyncGenerator<{ sha256: string; sizeBytes: number }>
}

/** Where answers come at once, one folder of packs at a time, and only the names that no segment has are kept. */
async function listPacks(op: Operation, store: ObjectStore, doomed: ReadonlySet<string>): Promise<ListedPacks> {
  const { immediate } = store
  const others = new Map<string, number | undefined>()
  const sizes = new Map<string, number>()
  if (!immediate) for await (const { name, sizeBytes } of store.list(op, 'packs/')) sizes.set(name, sizeBytes)
  return {
    presence(listed) {
      const there = new Uint8Array(listed.size)
      const take = (name: string, sizeBytes: number | undefined) => {
        const sha256 = packOfName(name)
        if (sha256 === undefined || doomed.has(sha256)) return
        const number = listed.numberOf(sha256)
        if (number === undefined) others.set(sha256, sizeBytes)
        else if (sizeBytes === undefined || sizeBytes === listed.sizeBytesOf(number)) there[number] = 1
      }
      if (immediate) for (const folder of PACK_FOLDERS) for (const name of immediate.names(folder)) take(name, undefined)
      for (const [name, sizeBytes] of sizes) take(name, sizeBytes)
      return there
    },
    async *unlisted(listed) {
      for (const [sha256, known] of others) {
        const sizeBytes = known ?? (await store.head(op, packName(sha256)))?.sizeBytes
        if (sizeBytes !== undefined && !listed.has(sha256)) yield { sha256, sizeBytes }
      }
    },
  }
}

const PACK_FOLDERS = Array.from({ length: 256 }, (_, n) => `packs/${n.toString(16).padStart(2, '0')}/`)

export async function readPacks(
  op: Operation,
  { store, keys }: Repository,
  packs: AsyncIterable<{ sha256: string; sizeBytes: number }> | Iterable<{ sha256: string; sizeBytes: number }>,
): Promise<SealedPack[]> {
  const found: SealedPack[] = []
  for await (const { sha256, sizeBytes } of packs) {
    try {
      found.push({ sha256, sizeBytes, records: await readPackDirectory(op, store, keys, sha256, sizeBytes) })
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      op.warn({ code: error.code, message: error.message, item: sha256 }) // stays where it is; verify reports it
    }
  }
  return found
}

/**
 * A writer that was killed may have left packs that can be seen and are not durable yet. Putting one again makes its folder durable, and so
 * all packs in it: the smallest of each folder will do.
 */
export async function settlePacks(op: Operation, store: ObjectStore, packs: readonly SealedPack[]): Promise<void> {
  const smallest = new Map<string, SealedPack>()
  for (const pack of packs) {
    const folder = pack.sha256.slice(0, 2)
    if (pack.sizeBytes < (smallest.get(folder)?.sizeBytes ?? Number.POSITIVE_INFINITY)) smallest.set(folder, pack)
  }
  for (const { sha256 } of smallest.values()) await store.put(op, packName(sha256), await store.get(op, packName(sha256)))
}
