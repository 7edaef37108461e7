/**
 * A large file, read in parts by all lanes at once. Parts are of equal length and each is cut by itself, so what a file becomes does not depend on how
 * many lanes there are, and a backup that was cut off goes on behind the last part that is known to be durable.
 */
import type { Operation } from '../../base/operation.ts'
import type { FileStat } from '../../platform/index.ts'
import type { ChunkWriter } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import { ExtentFolder } from '../tree/content-list.ts'
import type { Checkpoints } from './checkpoints.ts'
import { isSame, type LaneResult, TRIES } from './lane.ts'
import { changedWarning } from './source-warning.ts'

export interface PartSizes {
  readonly partBytes: number
  /** What was stored is made durable and noted down each time that this much more of one file is done. */
  readonly checkpointBytes: number
}

export const PART_SIZES: PartSizes = { partBytes: 268_435_456, checkpointBytes: 4_294_967_296 }

export interface LargePartsOptions {
  readonly path: Buffer
  /** As it was found by the walk. */
  readonly stat: FileStat
  readonly sizes: PartSizes
  readonly lists: ChunkWriter
  readonly checkpoints: Checkpoints
  /** Resolves when a lane has taken the part. */
  readonly submit: (part: { from: number; to: number }) => Promise<{ answer: Promise<LaneResult> }>
}

type Read = Extract<LaneResult, { ok: true }>

/** What became of the whole file. Its extents are folded. */
export async function readLargeParts(op: Operation, options: LargePartsOptions): Promise<LaneResult> {
  let { stat } = options
  for (let tries = 1; ; tries++) {
    const result = await readOnce(op, options, stat, tries)
    if (!result.ok) return result
    const isWhole = isSame(result.stat, stat) && result.sizeBytes === stat.sizeBytes
    if (isWhole) return { ...result, warning: undefined }
    if (tries === TRIES) return { ...result, unsettled: true, warning: changedWarning(options.path) }
    stat = result.stat
  }
}

async function readOnce(op: Operation, options: LargePartsOptions, stat: FileStat, tries: number): Promise<LaneResult> {
  const { sizes, checkpoints, path, submit } = options
  const content = new Content(options.lists)
  const resumed = tries === 1 ? await checkpoints.find(op, path, stat, sizes.partBytes) : undefined
  if (resumed) await content.addAll(op, resumed.extents)
  const first = resumed?.parts ?? 0
  const count = Math.max(first + 1, Math.ceil(stat.sizeBytes / sizes.partBytes))
  const answers = new Answers()
  const sending = (async () => {
    for (let part = first; part < count && !answers.isEnough; part++) {
      const from = part * sizes.partBytes
      answers.push((await submit({ from, to: from + sizes.partBytes })).answer)
    }
    answers.end()
  })()
  sending.catch((error: unknown) => answers.fail(error))
  let last: Read | undefined
  let isUnsettled = false
  let isSparse = resumed?.sparse ?? false
  let done = first
  let noted = first
  try {
    for (let result = await answers.next(); result; result = await answers.next()) {
      if (!result.ok) return result
      await content.addAll(op, result.extents)
      done++
      last = result
      isUnsettled ||= result.unsettled
      isSparse ||= result.sparse
      // It ends sooner: what follows does not fit to what was read. If it changed, that is worth another try; the last one takes it as it is.
      if (done < count && result.sizeBytes < sizes.partBytes) break
      if (!isSame(result.stat, stat) && tries < TRIES) break
      if (done < count && !isUnsettled && isSame(result.stat, stat) && (done - noted) * sizes.partBytes >= sizes.checkpointBytes) {
        const extents = await content.snapshot(op)
        await checkpoints.note(op, { path, stat, partBytes: sizes.partBytes, parts: done, sparse: isSparse, extents })
        noted = done
      }
    }
  } finally {
    answers.isEnough = true
    await sending.catch(() => undefined) // what failed there was told by `next`
  }
  return {
    ...(last as Read),
    extents: await content.finish(op),
    sizeBytes: content.bytes,
    unsettled: isUnsettled,
    sparse: isSparse,
  }
}

/** The extents of the parts in a row; holes that meet become one. */
class Content {
  readonly #folder: ExtentFolder
  #hole = 0
  bytes = 0

  constructor(lists: ChunkWriter) {
    this.#folder = new ExtentFolder(lists)
  }

  async addAll(op: Operation, extents: Iterable<Extent>): Promise<void> {
    for (const extent of extents) {
      this.bytes += extent.length
      if (extent.kind === 'hole') this.#hole += extent.length
      else {
        await this.#endHole(op)
        await this.#folder.add(op, extent)
      }
    }
  }

  async #endHole(op: Operation): Promise<void> {
    if (this.#hole > 0) await this.#folder.add(op, { kind: 'hole', length: this.#hole })
    this.#hole = 0
  }

  async snapshot(op: Operation): Promise<readonly Extent[]> {
    await this.#endHole(op)
    return this.#folder.snapshot(op)
  }

  async finish(op: Operation): Promise<readonly Extent[]> {
    await this.#endHole(op)
    return this.#folder.finish(op)
  }
}

/** Answers in the order of their parts, while more are being asked for. */
class Answers {
  #waiting: Promise<LaneResult>[] = []
  #isEnded = false
  #failure: { error: unknown } | undefined
  #wake: (() => void) | undefined
  /** Whoever asks for parts stops. */
  isEnough = false

  push(answer: Promise<LaneResult>): void {
    answer.catch(() => {}) // awaited in order, by `next`
    this.#waiting.push(answer)
    this.#wake?.()
  }

  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  fail(error: unknown): void {
    this.#failure = { error }
    this.#wake?.()
  }

  async next(): Promise<LaneResult | undefined> {
    for (;;) {
      const answer = this.#waiting.shift()
      if (answer) return answer
      if (this.#failure) throw this.#failure.error
      if (this.#isEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
