/** Takes packs out of the index: every segment that lists one is replaced by another without it. Before the packs go, so that no index names what is gone. */
import type { Operation } from '../../base/operation.ts'
import type { PruningStore } from '../../storage/index.ts'
import { mergeSegments } from '../index/merge-segments.ts'
import { openSegments } from '../index/open-index.ts'
import { PACK_ROW_BYTES } from '../index/segment.ts'
import type { SegmentFile } from '../index/segment-file.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import { pruneError } from './errors.ts'

/** A backup beside this may merge segments meanwhile, and so list them again: it is looked at until no segment does. */
const MOST_ROUNDS = 10

export async function rewriteIndex(op: Operation, store: PruningStore, keys: RepositoryKeys, doomed: ReadonlySet<string>): Promise<void> {
  if (doomed.size === 0) return
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { files, damaged } = await openSegments(op, store, keys)
    try {
      if (damaged.length > 0) throw pruneError('PRUNE_UNREADABLE', `the index segment ${damaged[0]} can not be read`)
      const affected = files.filter((file) => packsOf(file).some((pack) => doomed.has(pack)))
      if (affected.length === 0) return
      for (const file of affected) {
        op.check()
        await mergeSegments(op, { store, keys, sources: [file], keepsPack: (pack) => !doomed.has(pack) })
        await store.removeAll(op, [file.name])
      }
    } finally {
      for (const file of files) file.close()
    }
  }
  throw pruneError('PRUNE_SUPERSEDED', 'the index lists packs again that are about to be deleted')
}

function packsOf({ head }: SegmentFile): string[] {
  return Array.from({ length: head.packCount }, (_, n) => head.packs.toString('hex', n * PACK_ROW_BYTES, n * PACK_ROW_BYTES + 32))
}
