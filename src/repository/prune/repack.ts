/**
 * Copies what is needed of packs that are mostly needless into new ones: as it is stored, after every check that a reader makes. The new packs are durable and
 * listed before the old ones get a tombstone; a crash in between leaves copies, of which the next prune keeps those in the new packs.
 */
import { hasCode, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { ChunkReader } from '../chunk-reader.ts'
import { KnownChunks } from '../index/known-chunks.ts'
import { encodeSegment } from '../index/segment.ts'
import { ChunkWriter } from '../pack/chunk-writer.ts'
import { type PackRecord, packName, type SealedPack } from '../pack/pack-format.ts'
import { readPackDirectory } from '../pack/pack-reader.ts'
import type { Accounting, PackUse } from './accounting.ts'
import { classOf, packSizes } from './plan.ts'
import type { Survey } from './survey.ts'

export interface Repacked {
  /** For each pack that was copied, the new packs that hold what it kept. */
  readonly into: ReadonlyMap<string, readonly string[]>
  readonly newBytes: number
}

/** Records are read in groups, so that neighbours are one read. */
const GROUP = 64
/** Of a segment, so that little is lost when this is cut off. */
const SEGMENT_RECORDS = 262_144

/** What a pack is to keep, by its own directory. Throws what reading it throws. */
export async function keptRecords(
  op: Operation,
  survey: Survey,
  { keepers }: Accounting,
  { pack, sizeBytes }: PackUse,
): Promise<PackRecord[]> {
  const { repository, live } = survey
  const records = await readPackDirectory(op, repository.store, repository.keys, pack, sizeBytes)
  return records.filter(({ id }) => {
    const keeper = keepers.get(id.toString('latin1'))
    return keeper === undefined ? live.hasChunk(id) : keeper === pack
  })
}

/** How large the new packs would be; packs whose directory can't be read would stay as they are. */
export async function repackedBytes(op: Operation, survey: Survey, accounting: Accounting, packs: readonly PackUse[]): Promise<number> {
  let bytes = 0
  for (const chosen of byClass(packs)) {
    const stored: number[] = []
    for (const use of chosen) {
      try {
        for (const { storedBytes } of await keptRecords(op, survey, accounting, use)) stored.push(storedBytes)
      } catch (error) {
        if (!isKind(error, 'corrupt')) throw error
        bytes += use.sizeBytes
      }
    }
    for (const size of packSizes(stored, survey.repository.format.packBytes)) bytes += size
  }
  return bytes
}

/** A pack that can't be read as a whole stays, and so does all that is left when the disk is full: both are told. */
export async function repack(op: Operation, survey: Survey, accounting: Accounting, packs: readonly PackUse[]): Promise<Repacked> {
  const into = new Map<string, readonly string[]>()
  const newBytes = { sum: 0 }
  let done = 0
  try {
    for (const chosen of byClass(packs)) {
      await repackClass(op, survey, accounting, chosen, into, newBytes, () =>
        op.progress({ phase: 'repack', filesDone: ++done, filesTotal: packs.length, bytesDone: newBytes.sum }),
      )
    }
  } catch (error) {
    if (!hasCode(error, 'STORAGE_FULL')) throw error
    op.warn({ code: error.code, message: `no more packs are written anew in this run: ${error.message}` })
  }
  return { into, newBytes: newBytes.sum }
}

async function repackClass(
  op: Operation,
  survey: Survey,
  accounting: Accounting,
  packs: readonly PackUse[],
  into: Map<string, readonly string[]>,
  newBytes: { sum: number },
  onPack: () => void,
): Promise<void> {
  const [first] = packs
  if (!first) return
  const { store, keys, format } = survey.repository
  const reader = new ChunkReader(store, keys)
  /** Packs of which everything was written, up to which new pack nobody knows yet. */
  let written: { readonly pack: string; readonly from: number }[] = []
  const sealed: SealedPack[] = []
  let listed = 0
  const writer = new ChunkWriter({
    store,
    keys,
    known: KnownChunks.withRoomFor(65_536),
    packClass: classOf(first),
    packBytes: format.packBytes,
    padding: format.padding,
    onSealed: (pack) => sealed.push(pack),
    // In order: what a pack kept lies in new packs that follow each other.
    inFlight: 1,
  })
  const settle = async () => {
    await writer.flush(op)
    const fresh = sealed.slice(listed)
    if (fresh.length > 0) {
      const segment = encodeSegment(op.random, keys, fresh)
      await store.put(op, segment.name, segment.bytes)
    }
    for (const pack of fresh) newBytes.sum += pack.sizeBytes
    listed = sealed.length
    for (const { pack, from } of written)
      into.set(
        pack,
        sealed.slice(from).map(({ sha256 }) => sha256),
      )
    written = []
  }
  for (const use of packs) {
    op.check()
    const from = sealed.length
    try {
      const records = await keptRecords(op, survey, accounting, use)
      for (let at = 0; at < records.length; at += GROUP) {
        const group = records.slice(at, at + GROUP).map((record) => ({ pack: use.pack, record }))
        for await (const { opened } of reader.openMany(op, group)) {
          if (opened instanceof Error) throw opened
          await writer.copy(op, opened.record, opened.stored)
        }
      }
      written.push({ pack: use.pack, from })
    } catch (error) {
      // What was copied of it already is a second copy, no more.
      if (!isKind(error, 'corrupt')) throw error
      op.warn({ code: 'PRUNE_PACK_KEPT', message: `${packName(use.pack)} stays as it is: ${error.message}`, item: packName(use.pack) })
    }
    onPack()
    const pending = sealed.slice(listed).reduce((sum, { records }) => sum + records.length, 0)
    if (pending >= SEGMENT_RECORDS) await settle()
  }
  await settle()
}

function byClass(packs: readonly PackUse[]): PackUse[][] {
  return [packs.filter(({ hasPages }) => !hasPages), packs.filter(({ hasPages }) => hasPages)].filter((chosen) => chosen.length > 0)
}
