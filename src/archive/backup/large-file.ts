/**
 * Reads a large file in windows, cuts it where its content says so, and stores the chunks.
 *
 * Holes: a file whose blocks are fewer than its size is looked at closely. Its zeros become holes. SEEK_HOLE is asked only where it can be believed
 * (R29: file systems have reported data that was not yet written as holes): the file has not changed for a minute and was synced just before.
 */
import type { Operation } from '../../base/operation.ts'
import type { Cutter } from '../../chunking/index.ts'
import { type FileStat, PosixError, readFully, seekData, syncFd } from '../../platform/index.ts'
import type { Extent } from '../entry.ts'
import { type ExpectedChunk, ExpectedChunks } from './expected-chunks.ts'
import { pushHole, zeroRuns } from './zero-runs.ts'

const QUIET_MS = 60_000
/** A hole is worth a jump from here on; shorter ones are read. */
const LEAST_JUMP_BYTES = 1_048_576

export interface Part {
  readonly from: number
  readonly to: number
}

export interface LargeFileToRead {
  readonly stat: FileStat
  readonly nowMs: number
  /** What the file, or the part, was stored as before; no lists. */
  readonly before: readonly Extent[] | undefined
  /** Which part of the file; it may reach beyond its end. Without: all of it. */
  readonly part?: Part
}

export interface LargeFile {
  readonly extents: Extent[]
  readonly sizeBytes: number
  readonly sparse: boolean
}

/** Where chunks go. */
export interface ChunkPlace {
  /** Whether the content is that of the chunk, and the chunk need not be stored again. */
  isStored(content: Buffer, id: Buffer): boolean
  store(op: Operation, content: Buffer): Promise<Buffer>
}

export class LargeFileReader {
  readonly #cutter: Cutter
  readonly #most: number
  readonly #window: Buffer
  readonly #place: ChunkPlace

  constructor(cutter: Cutter, maxChunkBytes: number, place: ChunkPlace) {
    this.#cutter = cutter
    this.#most = maxChunkBytes
    this.#window = cutter.allocate(maxChunkBytes * 2)
    this.#place = place
  }

  /** `sizeBytes` of the answer counts what the part has. */
  async read(op: Operation, fd: number, { stat, nowMs, before, part }: LargeFileToRead): Promise<LargeFile> {
    const { from, to } = part ?? { from: 0, to: Number.MAX_SAFE_INTEGER }
    const end = Math.min(to, stat.sizeBytes)
    const isHinted = stat.blocks512 * 512 < stat.sizeBytes
    const mayJump = isHinted && isQuiet(stat, nowMs) && isSynced(fd)
    const extents: Extent[] = []
    const expected = new ExpectedChunks()
    if (before && !isHinted) expected.add(from, before)
    /** Position in the file of the window's first byte, and how many bytes it holds. */
    let position = from
    let held = 0
    let atEnd = false
    const cut = async (until: 'enough' | 'all') => {
      let start = 0
      while (start < held) {
        const was = this.#findAgain(expected, { position, start, held }, until)
        if (was) {
          extents.push({ kind: 'data', chunk: was.id, offset: 0, length: was.end - was.start })
          start = was.end - position
          continue
        }
        const cutAt = this.#cutter.findCut(this.#window, start, held)
        // Then bytes that are not here yet decide.
        if (until === 'enough' && cutAt === held && held - start < this.#most) break
        await this.#chunk(op, extents, start, cutAt, isHinted)
        start = cutAt
      }
      if (start < held) this.#window.copyWithin(0, start, held)
      position += start
      held -= start
    }
    while (!atEnd) {
      op.check()
      const here = position + held
      const data = mayJump && here < end ? Math.min(seekData(fd, here) ?? end, end) : here
      if (data - here >= LEAST_JUMP_BYTES) {
        await cut('all')
        pushHole(extents, data - here)
        position = data
        continue
      }
      // A chunk that is probably the same is read by itself, into the cache of the processor, and leaves no rest to be moved.
      const was = held === 0 ? expected.find(here) : undefined
      const most = was && expected.hasMore ? was.end - here : this.#window.length - held
      const room = Math.min(most, this.#window.length - held, to - here)
      const got = readFully(fd, this.#window, held, room, here)
      // A file that grew is read to where it ends now, unless a part was asked for.
      atEnd = got < room || here + got === to
      held += got
      await cut(atEnd ? 'all' : 'enough')
    }
    return { extents, sizeBytes: position - from, sparse: extents.some((extent) => extent.kind === 'hole') }
  }

  /** The chunk that began here, if it is here again and ends where it did: where the rule says so, or with the stream. */
  #findAgain(
    expected: ExpectedChunks,
    { position, start, held }: { position: number; start: number; held: number },
    until: 'enough' | 'all',
  ): ExpectedChunk | undefined {
    const was = expected.find(position + start)
    if (!was || was.end - was.start > this.#most) return undefined
    const end = was.end - position
    if (end > held) return undefined
    const endsHere = (until === 'all' && end === held) || this.#cutter.endsAt(this.#window, start, end)
    if (!endsHere) return undefined
    if (this.#place.isStored(this.#window.subarray(start, end), was.id)) return was
    expected.drop()
    return undefined
  }

  async #chunk(op: Operation, extents: Extent[], start: number, end: number, isHinted: boolean): Promise<void> {
    const runs = isHinted ? [...zeroRuns(this.#window, start, end)] : [{ start, end, isZero: false }]
    if (runs.every((run) => run.isZero)) {
      pushHole(extents, end - start)
      return
    }
    const chunk = await this.#place.store(op, this.#window.subarray(start, end))
    for (const run of runs) {
      if (run.isZero) pushHole(extents, run.end - run.start)
      else extents.push({ kind: 'data', chunk, offset: run.start - start, length: run.end - run.start })
    }
  }
}

function isQuiet(stat: FileStat, nowMs: number): boolean {
  return stat.ctimeSec * 1000 < nowMs - QUIET_MS
}

function isSynced(fd: number): boolean {
  try {
    syncFd(fd)
    return true
  } catch (error) {
    if (error instanceof PosixError) return false // then its holes are found by reading
    throw error
  }
}
