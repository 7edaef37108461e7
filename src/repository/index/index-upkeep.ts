/**
 * What a writer does for the index once its recovery point is committed: segments with a block that can't be read are made again from the packs, and many
 * segments become fewer. Crash at any step: what is new stands beside what it replaces, and both say the same.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { PruningStore } from '../../storage/index.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import type { SealedPack } from '../pack/pack-format.ts'
import { readPackDirectory } from '../pack/pack-reader.ts'
import { SegmentDamage } from './merge-cursor.ts'
import { planMerge } from './merge-plan.ts'
import { mergeSegments } from './merge-segments.ts'
import { openSegments } from './open-index.ts'
import { encodeSegment, MOST_RECORDS, PACK_ROW_BYTES } from './segment.ts'
import type { SegmentFile } from './segment-file.ts'

export interface UpkeepOptions {
  /** Names of segments of which somebody could not read a block. */
  readonly damaged: readonly string[]
  /** Throws when this writer has been superseded. */
  readonly beforeRemoval: () => Promise<void>
  /** Packs that a prune is about to delete, or was when the caller began: they are listed no more. Asked before any segment is looked at. */
  readonly doomed: () => Promise<ReadonlySet<string>>
  /** Segments that the caller has open, and keeps open until this returns: the head of a large one takes a while to read. */
  readonly open?: readonly SegmentFile[]
}

/** The caller holds the writer's lock. */
export async function keepIndex(op: Operation, store: PruningStore, keys: RepositoryKeys, options: UpkeepOptions): Promise<void> {
  const { damaged, beforeRemoval, open = [] } = options
  const doomed = await options.doomed()
  const { files } = await openSegments(op, store, keys, open)
  try {
    for (const file of files) if (damaged.includes(file.name)) await replaceSegment(op, store, keys, file, beforeRemoval, doomed)
    const whole = files.filter(({ name }) => !damaged.includes(name))
    await mergeSome(op, store, keys, whole, beforeRemoval, doomed)
  } finally {
    for (const file of files) if (!open.includes(file)) file.close()
  }
}

async function mergeSome(
  op: Operation,
  store: PruningStore,
  keys: RepositoryKeys,
  files: readonly SegmentFile[],
  beforeRemoval: () => Promise<void>,
  doomed: ReadonlySet<string>,
): Promise<void> {
  const sizes = files.map(({ name, head }) => ({ name, records: head.count, packs: head.packCount, inputs: head.inputs }))
  const chosen = planMerge(sizes)
  const sources = files.filter(({ name }) => chosen.includes(name))
  if (sources.length === 0) return
  try {
    await mergeSegments(op, { store, keys, sources, keepsPack: (pack) => !doomed.has(pack) })
  } catch (error) {
    if (!(error instanceof SegmentDamage)) throw error
    await replaceSegment(op, store, keys, error.segment, beforeRemoval, doomed)
    return
  }
  // Durable and compared: from here on they are but a copy.
  await beforeRemoval()
  for (const { name } of sources) await store.remove(op, name)
}

/** From the directories of its packs, as many to a segment as one may hold. Then it is put aside. */
async function replaceSegment(
  op: Operation,
  store: PruningStore,
  keys: RepositoryKeys,
  { name, head }: SegmentFile,
  beforeRemoval: () => Promise<void>,
  doomed: ReadonlySet<string>,
): Promise<void> {
  let packs: SealedPack[] = []
  let records = 0
  const publish = async () => {
    if (packs.length === 0) return
    const segment = encodeSegment(op.random, keys, packs)
    await store.put(op, segment.name, segment.bytes)
    packs = []
    records = 0
  }
  for (let at = 0; at < head.packs.length; at += PACK_ROW_BYTES) {
    op.check()
    const sha256 = head.packs.toString('hex', at, at + 32)
    if (doomed.has(sha256)) continue
    const sizeBytes = head.packs.readUInt32LE(at + 32)
    try {
      const pack = { sha256, sizeBytes, records: await readPackDirectory(op, store, keys, sha256, sizeBytes) }
      packs.push(pack)
      records += pack.records.length
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      op.warn({ code: error.code, message: error.message, item: sha256 })
    }
    if (records >= MOST_RECORDS / 2) await publish()
  }
  await publish()
  await beforeRemoval()
  await store.quarantine(op, name)
}
