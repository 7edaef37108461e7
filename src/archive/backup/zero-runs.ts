/** Runs of zeros in files that are sparse: they become holes, which a restore leaves out. Found by reading, so no file system is believed. */
import type { Extent } from '../entry.ts'

/** Holes are found in multiples of this, counted from the start of the range. */
const BLOCK_BYTES = 4096
const ZEROS = Buffer.alloc(BLOCK_BYTES)

export interface ZeroRun {
  readonly start: number
  readonly end: number
  readonly isZero: boolean
}

/** Divides [start, end) into runs of zero blocks and of others. Pure. */
export function* zeroRuns(bytes: Buffer, start: number, end: number): Generator<ZeroRun> {
  let runStart = start
  let runIsZero: boolean | undefined
  for (let at = start; at < end; at += BLOCK_BYTES) {
    const blockEnd = Math.min(at + BLOCK_BYTES, end)
    const isZero = bytes.compare(ZEROS, 0, blockEnd - at, at, blockEnd) === 0
    if (runIsZero !== undefined && isZero !== runIsZero) {
      yield { start: runStart, end: at, isZero: runIsZero }
      runStart = at
    }
    runIsZero = isZero
  }
  if (runIsZero !== undefined) yield { start: runStart, end, isZero: runIsZero }
}

/** The extents of a range of which the zero runs are holes. */
export function spliceHoles(
  bytes: Buffer,
  start: number,
  end: number,
  place: (start: number, end: number) => Extent[],
): { extents: Extent[]; sparse: boolean } {
  const extents: Extent[] = []
  let sparse = false
  for (const run of zeroRuns(bytes, start, end)) {
    if (run.isZero) {
      sparse = true
      pushHole(extents, run.end - run.start)
    } else extents.push(...place(run.start, run.end))
  }
  return { extents, sparse }
}

/** Neighbouring holes become one. */
export function pushHole(extents: Extent[], length: number): void {
  const last = extents.at(-1)
  if (last?.kind === 'hole') extents[extents.length - 1] = { kind: 'hole', length: last.length + length }
  else extents.push({ kind: 'hole', length })
}
