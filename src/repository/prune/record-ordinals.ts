/** What prune needs of an index: every record has a number, and the numbers of all copies of a chunk can be asked for. A ChunkIndex has all of it. */
import type { ChunkLocation, RecordBlock } from '../index/chunk-index.ts'
import { INDEX_RECORD_BYTES } from '../index/segment.ts'
import { CHUNK_TYPE } from '../keys/hierarchy.ts'
import { Bitmap } from './bitmap.ts'

export interface RecordOrdinals {
  /** Number of records. */
  readonly size: number
  /** Also of records whose id merely begins alike: a chunk is never taken for absent that is there. */
  ordinalsOf(id: Uint8Array): readonly number[]
  /** All records once, a block at a time. */
  blocks(): Iterable<RecordBlock>
  find(id: Buffer): ChunkLocation | undefined
}

/** Ordinals of tree pages and content lists: what a walk has to read. */
export function treeOrdinals(index: RecordOrdinals): Bitmap {
  const trees = new Bitmap(index.size)
  for (const { ordinal, count, records } of index.blocks()) {
    for (let i = 0; i < count; i++) {
      const type = (records[i * INDEX_RECORD_BYTES + 45] as number) & 15
      if (type !== CHUNK_TYPE.data) trees.set(ordinal + i)
    }
  }
  return trees
}
