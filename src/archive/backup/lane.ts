/**
 * A lane reads batches of files and turns them into chunks: read, check that nothing changed, bundle or cut, store. It runs in a worker
 * thread, or on the main thread in tests, and has packs of its own. What goes wrong with a file is part of the answer; what goes wrong with
 * the store is thrown.
 */
import type { Operation, Warning } from '../../base/operation.ts'
import { BUNDLED_BELOW_BYTES, type Cutter, createCutter } from '../../chunking/index.ts'
import {
  close,
  type FileStat,
  getInodeFlags,
  listXattrsFd,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  openat,
  PosixError,
  readFully,
  statFd,
  type Xattr,
} from '../../platform/index.ts'
import {
  CHUNK_TYPE,
  ChunkWriter,
  chunkId,
  cutterKey,
  KnownChunks,
  PACK_CLASS,
  type RepositoryKeys,
  type SealedPack,
  type WriterGrant,
} from '../../repository/index.ts'
import type { ObjectStore } from '../../storage/index.ts'
import type { Extent } from '../entry.ts'
import { foldExtents, isInline } from '../tree/content-list.ts'
import { areSameExtents, ExpectedChunks } from './expected-chunks.ts'
import { LargeFileReader, type Part } from './large-file.ts'
import type { ChunkingFields } from './settings.ts'
import { changedWarning, sourceWarning } from './source-warning.ts'
import { spliceHoles } from './zero-runs.ts'

export interface LaneFile {
  /** Descriptor of the folder, open until the batch is answered. */
  readonly folderFd: number
  readonly name: Uint8Array
  readonly path: Uint8Array
  /** What changed at this time or later may change again without a trace: the next backup reads it again. */
  readonly settledMs: number
  /** Only this part of it: by itself, as it is now. */
  readonly part?: Part
  /** What it was stored as before, or the part; no lists. */
  readonly before?: readonly Extent[]
  /** When the entry before is settled and was this very inode at these times: then, by its change time, its metadata is known. */
  readonly found?: FileIdentity
}

export type FileIdentity = Pick<FileStat, 'ino' | 'sizeBytes' | 'mtimeSec' | 'mtimeNs' | 'ctimeSec' | 'ctimeNs'>

/** Still what `found` says, and settled: nothing about it changed, unless its content did without a trace. */
export interface KeptResult {
  readonly ok: true
  readonly isKept: true
  readonly extents: readonly Extent[]
}

export type LaneResult =
  | {
      readonly ok: true
      readonly isKept?: never
      readonly stat: FileStat
      readonly xattrs: readonly Xattr[]
      readonly inodeFlags: number | undefined
      /** The very `before` of the file, when it is as it was. */
      readonly extents: readonly Extent[]
      readonly sizeBytes: number
      readonly unsettled: boolean
      readonly sparse: boolean
      readonly warning: Warning | undefined
    }
  | { readonly ok: false; readonly isKept?: never; readonly warning: Warning }

export interface LaneAnswer {
  readonly results: readonly (LaneResult | KeptResult)[]
  readonly addedBytes: number
  readonly packedBytes: number
}

export interface LaneOptions {
  readonly store: ObjectStore
  readonly grant: WriterGrant
  readonly chunking: ChunkingFields
  readonly onSealed: (pack: SealedPack) => void
}

/** A batch of small files holds at most this much content. */
export const BATCH_BYTES = 16_777_216
/** So often a file that changes is read before it is stored as it is, with a warning. */
export const TRIES = 3
/** The kernel's clock ticks at 100 Hz or faster: a write after `t` never gets a change time before `t` minus this. */
const CLOCK_TICK_MS = 20
/** Where times have whole seconds only. */
const COARSE_TICK_MS = 2_000

interface Staged {
  readonly stat: FileStat
  /** Undefined when it is kept. */
  readonly metadata: Metadata | undefined
  readonly start: number
  readonly end: number
  readonly settled: boolean
  readonly unsettled: boolean
}

interface Metadata {
  readonly xattrs: readonly Xattr[]
  readonly inodeFlags: number | undefined
}

export class Lane {
  readonly known: KnownChunks
  readonly #data: ChunkWriter
  readonly #lists: ChunkWriter
  readonly #keys: RepositoryKeys
  readonly #maxChunkBytes: number
  readonly #cutter: Cutter
  readonly #large: LargeFileReader
  readonly #staging: Buffer
  #added = 0
  #packed = 0

  constructor(options: LaneOptions) {
    const { store, grant, chunking, onSealed } = options
    this.known = new KnownChunks(grant.known, store.immediate)
    const shared = { store, keys: grant.keys, known: this.known, packBytes: grant.packBytes, padding: grant.padding, onSealed }
    this.#data = new ChunkWriter({ ...shared, packClass: PACK_CLASS.data })
    this.#lists = new ChunkWriter({ ...shared, packClass: PACK_CLASS.tree })
    this.#keys = grant.keys
    this.#maxChunkBytes = chunking.maxBytes
    this.#cutter = createCutter(chunking, cutterKey(grant.keys, chunking.algorithm))
    this.#staging = this.#cutter.allocate(BATCH_BYTES + BUNDLED_BELOW_BYTES)
    this.#large = new LargeFileReader(this.#cutter, chunking.maxBytes, {
      isStored: (content, id) => this.#isStored(content, id),
      store: (op, content) => this.#store(op, content),
    })
  }

  /** Whether the content is that of the chunk, and the chunk need not be stored again. */
  #isStored(content: Buffer, id: Buffer): boolean {
    return this.known.has(id) && chunkId(this.#keys, CHUNK_TYPE.data, content).equals(id)
  }

  async #store(op: Operation, content: Buffer): Promise<Buffer> {
    const written = await this.#data.write(op, CHUNK_TYPE.data, content)
    this.#added += written.addedBytes
    this.#packed += written.packedBytes
    return written.id
  }

  /** One result for each file, in their order. */
  async process(op: Operation, files: readonly LaneFile[]): Promise<LaneAnswer> {
    this.#added = 0
    this.#packed = 0
    const results: (LaneResult | KeptResult | undefined)[] = []
    const staged = new Map<number, Staged>()
    let end = 0
    for (const [number, file] of files.entries()) {
      const outcome = await this.#readFile(op, file, end)
      if ('staged' in outcome) {
        staged.set(number, outcome.staged)
        end = outcome.staged.end
      } else results[number] = outcome
    }
    const place = await this.#storeBundle(op, end, expectedOf(files, staged))
    for (const [number, entry] of staged) results[number] = this.#fromStaging(files[number] as LaneFile, entry, place)
    return { results: results as (LaneResult | KeptResult)[], addedBytes: this.#added, packedBytes: this.#packed }
  }

  /** Small files go to the staging buffer at `start`; large ones are cut and stored at once. */
  async #readFile(op: Operation, file: LaneFile, start: number): Promise<LaneResult | KeptResult | { staged: Staged }> {
    const path = Buffer.from(file.path)
    let fd: number | undefined
    try {
      fd = openSource(file)
      const first = statFd(fd)
      if (first.kind !== 'file') return { ok: false, warning: sourceWarning(path, new PosixError('openat', 2)) }
      if (isPart(file)) return await this.#readPart(op, fd, path, file)
      const staged = this.#fits(first, start) ? this.#stage(op, fd, file, first, start) : undefined
      return staged ? { staged } : await this.#readLarge(op, fd, path, file)
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      return { ok: false, warning: sourceWarning(path, error) }
    } finally {
      if (fd !== undefined) close(fd)
    }
  }

  #fits({ sizeBytes }: FileStat, start: number): boolean {
    return sizeBytes < BUNDLED_BELOW_BYTES && start + sizeBytes <= this.#staging.length
  }

  /** Undefined when it grew too large for that meanwhile. */
  #stage(op: Operation, fd: number, { settledMs, found }: LaneFile, first: FileStat, start: number): Staged | undefined {
    let before = first
    let isKept = found !== undefined && isSame(found, first)
    for (let tries = 1; ; tries++) {
      // Whichever is earlier: the clock may have been set back meanwhile.
      const sinceMs = Math.min(settledMs, op.clock.nowMs())
      const got = readFully(fd, this.#staging, start, before.sizeBytes, 0)
      const metadata = isKept ? undefined : readMetadata(fd)
      const after = statFd(fd)
      const settled = isSame(before, after) && got === after.sizeBytes
      const unsettled = !settled || isFresh(after, sinceMs)
      if (isKept ? !unsettled : settled || tries === TRIES) return { stat: after, metadata, start, end: start + got, settled, unsettled }
      isKept = false
      if (!this.#fits(after, start)) return undefined
      before = after
    }
  }

  async #readLarge(op: Operation, fd: number, path: Buffer, file: LaneFile): Promise<LaneResult | KeptResult> {
    const { settledMs, before: was, found } = file
    let isKept = found !== undefined
    for (let tries = 1; ; tries++) {
      const nowMs = op.clock.nowMs()
      const before = statFd(fd)
      isKept &&= found !== undefined && isSame(found, before)
      const { extents, sizeBytes, sparse } = await this.#large.read(op, fd, { stat: before, nowMs, before: was })
      const metadata = isKept ? undefined : readMetadata(fd)
      const after = statFd(fd)
      const settled = isSame(before, after) && sizeBytes === after.sizeBytes
      const unsettled = !settled || isFresh(after, Math.min(settledMs, nowMs))
      if (isKept ? unsettled : !settled && tries < TRIES) {
        isKept = false
        continue
      }
      const folded = was && isInline(was) && areSameExtents(extents, was) ? was : await foldExtents(op, this.#lists, extents)
      if (!metadata) return { ok: true, isKept: true, extents: folded }
      const warning = settled ? undefined : changedWarning(path)
      return { ok: true, stat: after, ...metadata, extents: folded, sizeBytes, unsettled, sparse, warning }
    }
  }

  /** Whoever puts the parts together compares what they say of the file. */
  async #readPart(
    op: Operation,
    fd: number,
    path: Buffer,
    { settledMs, before: was, part }: LaneFile & { readonly part: Part },
  ): Promise<LaneResult> {
    const nowMs = op.clock.nowMs()
    const before = statFd(fd)
    const { extents, sizeBytes, sparse } = await this.#large.read(op, fd, { stat: before, nowMs, before: was, part })
    const metadata = readMetadata(fd)
    const after = statFd(fd)
    const settled = isSame(before, after)
    return {
      ok: true,
      stat: after,
      ...metadata,
      extents,
      sizeBytes,
      unsettled: !settled || isFresh(after, Math.min(settledMs, nowMs)),
      sparse,
      warning: settled ? undefined : changedWarning(path),
    }
  }

  /** Cuts the staging buffer as one stream. The answer gives, for a range of it, the extents. */
  async #storeBundle(op: Operation, end: number, expected: ExpectedChunks): Promise<(start: number, end: number) => Extent[]> {
    const chunks: { start: number; end: number; id: Buffer }[] = []
    for (let start = 0; start < end; ) {
      const was = expected.find(start)
      if (was && this.#endsAsBefore(start, was.end, end) && this.#isStored(this.#staging.subarray(start, was.end), was.id)) {
        chunks.push(was)
        start = was.end
        continue
      }
      const cut = this.#cutter.findCut(this.#staging, start, end)
      chunks.push({ start, end: cut, id: await this.#store(op, this.#staging.subarray(start, cut)) })
      start = cut
    }
    let first = 0
    return (from, to) => {
      const extents: Extent[] = []
      while (first > 0 && (chunks[first]?.start ?? 0) > from) first--
      while (first < chunks.length && (chunks[first]?.end ?? 0) <= from) first++
      for (let i = first; i < chunks.length; i++) {
        const chunk = chunks[i] as (typeof chunks)[number]
        if (chunk.start >= to) break
        const start = Math.max(from, chunk.start)
        const length = Math.min(to, chunk.end) - start
        if (length > 0) extents.push({ kind: 'data', chunk: chunk.id, offset: start - chunk.start, length })
      }
      return extents
    }
  }

  /** What is one chunk from its beginning on ends there, if the stream does or the rule says so. */
  #endsAsBefore(start: number, wasEnd: number, end: number): boolean {
    if (wasEnd > end || wasEnd - start > this.#maxChunkBytes) return false
    return wasEnd === end || this.#cutter.endsAt(this.#staging, start, wasEnd)
  }

  #fromStaging(file: LaneFile, staged: Staged, place: (start: number, end: number) => Extent[]): LaneResult | KeptResult {
    const { stat, metadata, start, end } = staged
    const isHinted = stat.blocks512 * 512 < stat.sizeBytes
    const holes = isHinted ? spliceHoles(this.#staging, start, end, place) : undefined
    const now = holes?.extents ?? place(start, end)
    const extents = file.before && areSameExtents(now, file.before) ? file.before : now
    if (!metadata) return { ok: true, isKept: true, extents }
    return {
      ok: true,
      stat,
      ...metadata,
      extents,
      sizeBytes: end - start,
      unsettled: staged.unsettled,
      sparse: holes?.sparse ?? false,
      warning: staged.settled ? undefined : changedWarning(Buffer.from(file.path)),
    }
  }

  /** Everything stored so far is durable when this returns. */
  async flush(op: Operation): Promise<void> {
    await this.#data.flush(op)
    await this.#lists.flush(op)
  }
}

function isPart(file: LaneFile): file is LaneFile & { readonly part: Part } {
  return file.part !== undefined
}

function expectedOf(files: readonly LaneFile[], staged: ReadonlyMap<number, Staged>): ExpectedChunks {
  const expected = new ExpectedChunks()
  for (const [number, { start }] of staged) expected.add(start, files[number]?.before ?? [])
  return expected
}

function readMetadata(fd: number): Metadata {
  return { xattrs: listXattrsFd(fd), inodeFlags: getInodeFlags(fd) }
}

/** O_NONBLOCK: a FIFO that took the file's name must not hold us. O_NOATIME is the owner's (and root's) to use. */
function openSource(file: LaneFile): number {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
  try {
    return openat(file.folderFd, file.name, flags | O_NOATIME)
  } catch (error) {
    if (error instanceof PosixError && error.code === 'EPERM') return openat(file.folderFd, file.name, flags)
    throw error
  }
}

export function isSame(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.ino === b.ino &&
    a.sizeBytes === b.sizeBytes &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNs === b.ctimeNs
  )
}

/** R23: changed so shortly before that a later write could leave the same times. Such an entry is read again next time. */
export function isFresh(stat: FileStat, readAtMs: number): boolean {
  const tick = stat.ctimeNs === 0 ? COARSE_TICK_MS : CLOCK_TICK_MS
  return stat.ctimeSec * 1000 + stat.ctimeNs / 1e6 >= readAtMs - tick
}
