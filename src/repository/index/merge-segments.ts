/**
 * Many segments become one, in bounded memory, with or without the records of some packs: docs/format.md §8.
 *
 * The head comes first in an object and says where each block begins, so the records are walked through twice: to count them, and to write them. Then the
 * new segment is read back and compared with what it replaces, record by record, before anything may rely on it.
 */
import { invariant } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { openBytes, type PruningStore } from '../../storage/index.ts'
import { objectHasher, type RepositoryKeys } from '../keys/hierarchy.ts'
import { compareCursors, MergeCursor } from './merge-cursor.ts'
import { PackTable } from './pack-table.ts'
import { INDEX_RECORD_BYTES, PACK_ROW_BYTES, RECORDS_PER_BLOCK, sealBlock, sealHead, segmentName, segmentOfName } from './segment.ts'
import { SegmentFile } from './segment-file.ts'

export interface MergeOptions {
  readonly store: PruningStore
  readonly keys: RepositoryKeys
  readonly sources: readonly SegmentFile[]
  /** Those of other packs are left out. All are kept where nothing is said. */
  readonly keepsPack?: (pack: string) => boolean
}

const BLOCK_BYTES = RECORDS_PER_BLOCK * INDEX_RECORD_BYTES
/** Between looks at whether to go on. */
const CHECK_EVERY = 64

/**
 * Publishes the new segment and answers with its name; undefined when it would hold no pack. The sources stay: removing them is the caller's, who knows
 * what else may rely on them. SegmentDamage when one of them can't be read.
 */
export async function mergeSegments(op: Operation, options: MergeOptions): Promise<string | undefined> {
  const plan = planOf(options)
  if (plan.rows.length === 0) return undefined
  const { store, keys, sources } = options
  let count = 0
  const fences: Buffer[] = []
  for (const block of mergedBlocks(op, sources, plan.numbers)) {
    fences.push(Buffer.from(block.subarray(0, 32)))
    count += block.length / INDEX_RECORD_BYTES
  }
  const inputs = sources.map(({ name }) => segmentOfName(name) as string)
  const hasher = objectHasher(keys)
  async function* parts(): AsyncGenerator<Uint8Array> {
    const head = sealHead(op.random, keys, { packs: plan.rows, count, inputs, fences: Buffer.concat(fences) })
    hasher.update(head.bytes)
    yield head.bytes
    let number = 0
    for (const block of mergedBlocks(op, sources, plan.numbers)) {
      const sealed = sealBlock(keys, head.key, number++, block)
      hasher.update(sealed)
      yield sealed
    }
  }
  const name = await store.putParts(op, parts(), () => segmentName(hasher.digest()))
  await checkMerged(op, options, plan, name)
  return name
}

interface MergePlan {
  /** The pack table of the new segment. */
  readonly rows: Buffer
  /** For each source, the new number of each of its packs; -1 for those that are left out. */
  readonly numbers: readonly Int32Array[]
}

function planOf({ sources, keepsPack }: MergeOptions): MergePlan {
  const { packs, numbers } = PackTable.of(sources.map(({ head }) => head.packs))
  const renumbered = new Int32Array(packs.size)
  const all = Buffer.from(packs.memory.rows)
  let kept = 0
  for (let n = 0; n < packs.size; n++) {
    const isKept = keepsPack?.(packs.nameOf(n)) ?? true
    renumbered[n] = isKept ? kept : -1
    if (isKept) all.copyWithin(kept++ * PACK_ROW_BYTES, n * PACK_ROW_BYTES, (n + 1) * PACK_ROW_BYTES)
  }
  const rows = Buffer.from(all.subarray(0, kept * PACK_ROW_BYTES))
  return { rows, numbers: numbers.map((table) => Int32Array.from(table, (number) => renumbered[number] as number)) }
}

/** All records of the sources, each once, in order, a block at a time in one buffer. */
function* mergedBlocks(op: Operation, sources: readonly SegmentFile[], numbers: readonly Int32Array[]): Generator<Buffer> {
  const cursors = sources.map((source, i) => new MergeCursor(source, numbers[i] as Int32Array))
  const block = Buffer.alloc(BLOCK_BYTES)
  const last = Buffer.alloc(INDEX_RECORD_BYTES)
  let length = 0
  let blocks = 0
  let lastKey = -1
  /** What was written of the last id, where it has several records. */
  let group: Buffer[] = []
  for (let next = leastOf(cursors); next; next = leastOf(cursors)) {
    const record = block.subarray(length, length + INDEX_RECORD_BYTES)
    next.records.copy(record, 0, next.at, next.at + INDEX_RECORD_BYTES)
    record.writeUIntLE(next.pack, 32, 3)
    const isSameId = next.key === lastKey && record.compare(last, 0, 32, 0, 32) === 0
    lastKey = next.key
    next.advance()
    if (isSameId) {
      if (group.length === 0) group.push(Buffer.from(last))
      if (group.some((other) => other.equals(record))) continue
      group.push(Buffer.from(record))
    } else if (group.length > 0) group = []
    record.copy(last)
    length += INDEX_RECORD_BYTES
    if (length < BLOCK_BYTES) continue
    if (++blocks % CHECK_EVERY === 0) op.check()
    yield block
    length = 0
  }
  if (length > 0) yield block.subarray(0, length)
}

function leastOf(cursors: readonly MergeCursor[]): MergeCursor | undefined {
  let least: MergeCursor | undefined
  for (let i = 0; i < cursors.length; i++) {
    const cursor = cursors[i] as MergeCursor
    if (cursor.key !== Number.POSITIVE_INFINITY && (!least || compareCursors(cursor, least) < 0)) least = cursor
  }
  return least
}

/**
 * That the set of records is the same, found out the other way round: the new segment is walked, and each source must have nothing that comes before
 * it, nor lack what it has. A segment that is wrong in spite of this would be a lie about what is stored.
 */
async function checkMerged(op: Operation, { store, keys, sources }: MergeOptions, plan: MergePlan, name: string): Promise<void> {
  const { immediate } = store
  const bytes = immediate ? undefined : await store.get(op, name)
  const made = SegmentFile.open(keys, name, immediate ? immediate.open(name) : openBytes(name, bytes as Buffer))
  try {
    invariant(made.head.packs.equals(plan.rows), 'a merged segment lists the packs of those that it replaces')
    const cursors = sources.map((source, i) => new MergeCursor(source, plan.numbers[i] as Int32Array))
    const own = new MergeCursor(
      made,
      Int32Array.from({ length: made.head.packCount }, (_, n) => n),
    )
    const record = Buffer.alloc(INDEX_RECORD_BYTES)
    for (let n = 0; own.key !== Number.POSITIVE_INFINITY; n++) {
      if (n % (CHECK_EVERY * RECORDS_PER_BLOCK) === 0) op.check()
      const key = own.key
      own.records.copy(record, 0, own.at, own.at + INDEX_RECORD_BYTES)
      own.advance()
      const isAlone = own.key !== key || record.compare(own.records, own.at, own.at + 32, 0, 32) !== 0
      const isEqual = isAlone ? isOnly(cursors, key, record) : isGroup(cursors, key, record, own)
      invariant(isEqual, 'a merged segment holds the records of those that it replaces')
    }
    invariant(
      cursors.every(({ key }) => key === Number.POSITIVE_INFINITY),
      'a merged segment ends with the last record of those that it replaces',
    )
  } finally {
    made.close()
  }
}

/** Whether one cursor at least stands at this record, and none has another of this id, or one that comes before it. Moves them on. */
function isOnly(cursors: readonly MergeCursor[], key: number, record: Buffer): boolean {
  let isThere = false
  for (let i = 0; i < cursors.length; i++) {
    const cursor = cursors[i] as MergeCursor
    while (cursor.key <= key) {
      const order = record.compare(cursor.records, cursor.at, cursor.at + 32, 0, 32)
      if (cursor.key === key && order < 0) break
      if (order !== 0 || !isSameRecord(cursor, record)) return false
      isThere = true
      cursor.advance()
    }
  }
  return isThere
}

function isSameRecord(cursor: MergeCursor, record: Buffer): boolean {
  const { records, at, pack } = cursor
  return pack === record.readUIntLE(32, 3) && records.compare(record, 35, INDEX_RECORD_BYTES, at + 35, at + INDEX_RECORD_BYTES) === 0
}

/** The same for an id that has several records: the first is `record`, the rest is where `own` stands. */
function isGroup(cursors: readonly MergeCursor[], key: number, record: Buffer, own: MergeCursor): boolean {
  const id = Buffer.from(record.subarray(0, 32))
  const made = new Set([textOf(record, 0, record.readUIntLE(32, 3)), ...takeGroup(own, id, key)])
  const wanted = new Set(cursors.flatMap((cursor) => takeGroup(cursor, id, key)))
  return made.size === wanted.size && [...made].every((text) => wanted.has(text))
}

/** All that a cursor has up to the id; what comes before it has no place in the new segment, and so is given too. */
function takeGroup(cursor: MergeCursor, id: Buffer, key: number): string[] {
  const group: string[] = []
  while (cursor.key < key || (cursor.key === key && id.compare(cursor.records, cursor.at, cursor.at + 32) >= 0)) {
    group.push(textOf(cursor.records, cursor.at, cursor.pack))
    cursor.advance()
  }
  return group
}

function textOf(records: Buffer, at: number, pack: number): string {
  return `${pack} ${records.toString('latin1', at, at + 32)}${records.toString('latin1', at + 35, at + INDEX_RECORD_BYTES)}`
}
