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
import { CHUNK_TYPE, ChunkWriter, cutterKey, KnownChunks, PACK_CLASS, type SealedPack, type WriterGrant } from '../../repository/index.ts'
import type { ObjectStore } from '../../storage/index.ts'
import type { Extent } from '../entry.ts'
import { foldExtents } from '../tree/content-list.ts'
import { LargeFileReader } from './large-file.ts'
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
  readonly part?: { readonly from: number; readonly to: number }
}

export type LaneResult =
  | {
      readonly ok: true
      readonly stat: FileStat
      readonly xattrs: readonly Xattr[]
      readonly inodeFlags: number | undefined
      readonly extents: readonly Extent[]
      readonly sizeBytes: number
      readonly unsettled: boolean
      readonly sparse: boolean
      readonly warning: Warning | undefined
    }
  | { readonly ok: false; readonly warning: Warning }

export interface LaneAnswer {
  readonly results: readonly LaneResult[]
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
  readonly xattrs: readonly Xattr[]
  readonly inodeFlags: number | undefined
  readonly start: number
  readonly end: number
  readonly settled: boolean
  readonly unsettled: boolean
}

export class Lane {
  readonly known: KnownChunks
  readonly #data: ChunkWriter
  readonly #lists: ChunkWriter
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
    this.#cutter = createCutter(chunking, cutterKey(grant.keys, chunking.algorithm))
    this.#staging = this.#cutter.allocate(BATCH_BYTES + BUNDLED_BELOW_BYTES)
    this.#large = new LargeFileReader(this.#cutter, chunking.maxBytes, (op, content) => this.#store(op, content))
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
    const results: (LaneResult | undefined)[] = []
    const staged = new Map<number, Staged>()
    let end = 0
    for (const [number, file] of files.entries()) {
      const outcome = await this.#readFile(op, file, end)
      if ('staged' in outcome) {
        staged.set(number, outcome.staged)
        end = outcome.staged.end
      } else results[number] = outcome
    }
    const place = await this.#storeBundle(op, end)
    for (const [number, entry] of staged) results[number] = this.#fromStaging(files[number] as LaneFile, entry, place)
    return { results: results as LaneResult[], addedBytes: this.#added, packedBytes: this.#packed }
  }

  /** Small files go to the staging buffer at `start`; large ones are cut and stored at once. */
  async #readFile(op: Operation, file: LaneFile, start: number): Promise<LaneResult | { staged: Staged }> {
    const path = Buffer.from(file.path)
    let fd: number | undefined
    try {
      fd = openSource(file)
      const first = statFd(fd)
      if (first.kind !== 'file') return { ok: false, warning: sourceWarning(path, new PosixError('openat', 2)) }
      if (file.part) return await this.#readPart(op, fd, path, file.settledMs, file.part)
      const staged = this.#fits(first, start) ? this.#stage(op, fd, first, start, file.settledMs) : undefined
      return staged ? { staged } : await this.#readLarge(op, fd, path, file.settledMs)
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
  #stage(op: Operation, fd: number, first: FileStat, start: number, settledMs: number): Staged | undefined {
    let before = first
    for (let tries = 1; ; tries++) {
      // Whichever is earlier: the clock may have been set back meanwhile.
      const sinceMs = Math.min(settledMs, op.clock.nowMs())
      const got = readFully(fd, this.#staging, start, before.sizeBytes, 0)
      const xattrs = listXattrsFd(fd)
      const inodeFlags = getInodeFlags(fd)
      const after = statFd(fd)
      const settled = isSame(before, after) && got === after.sizeBytes
      if (settled || tries === TRIES) {
        return { stat: after, xattrs, inodeFlags, start, end: start + got, settled, unsettled: !settled || isFresh(after, sinceMs) }
      }
      if (!this.#fits(after, start)) return undefined
      before = after
    }
  }

  async #readLarge(op: Operation, fd: number, path: Buffer, settledMs: number): Promise<LaneResult> {
    for (let tries = 1; ; tries++) {
      const nowMs = op.clock.nowMs()
      const before = statFd(fd)
      const { extents, sizeBytes, sparse } = await this.#large.read(op, fd, before, nowMs)
      const xattrs = listXattrsFd(fd)
      const inodeFlags = getInodeFlags(fd)
      const after = statFd(fd)
      const settled = isSame(before, after) && sizeBytes === after.sizeBytes
      if (!settled && tries < TRIES) continue
      return {
        ok: true,
        stat: after,
        xattrs,
        inodeFlags,
        extents: await foldExtents(op, this.#lists, extents),
        sizeBytes,
        unsettled: !settled || isFresh(after, Math.min(settledMs, nowMs)),
        sparse,
        warning: settled ? undefined : changedWarning(path),
      }
    }
  }

  /** Whoever puts the parts together compares what they say of the file. */
  async #readPart(
    op: Operation,
    fd: number,
    path: Buffer,
    settledMs: number,
    { from, to }: { from: number; to: number },
  ): Promise<LaneResult> {
    const nowMs = op.clock.nowMs()
    const before = statFd(fd)
    const { extents, sizeBytes, sparse } = await this.#large.read(op, fd, before, nowMs, from, to)
    const xattrs = listXattrsFd(fd)
    const inodeFlags = getInodeFlags(fd)
    const after = statFd(fd)
    const settled = isSame(before, after)
    return {
      ok: true,
      stat: after,
      xattrs,
      inodeFlags,
      extents,
      sizeBytes,
      unsettled: !settled || isFresh(after, Math.min(settledMs, nowMs)),
      sparse,
      warning: settled ? undefined : changedWarning(path),
    }
  }

  /** Cuts the staging buffer as one stream. The answer gives, for a range of it, the extents. */
  async #storeBundle(op: Operation, end: number): Promise<(start: number, end: number) => Extent[]> {
    const chunks: { start: number; end: number; id: Buffer }[] = []
    for (let start = 0; start < end; ) {
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

  #fromStaging(file: LaneFile, staged: Staged, place: (start: number, end: number) => Extent[]): LaneResult {
    const { stat, start, end } = staged
    const isHinted = stat.blocks512 * 512 < stat.sizeBytes
    const holes = isHinted ? spliceHoles(this.#staging, start, end, place) : undefined
    return {
      ok: true,
      stat,
      xattrs: staged.xattrs,
      inodeFlags: staged.inodeFlags,
      extents: holes?.extents ?? place(start, end),
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

export function isSame(a: FileStat, b: FileStat): boolean {
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
