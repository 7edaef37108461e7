/** Cuts the work of a batch into windows whose chunks fit into memory together. Pure. */
import type { Batch } from './plan.ts'

/** Content of the chunks of one window; a lane holds two of them at worst, the second being reads on their way. */
export const WINDOW_BYTES = 33_554_432

/** Extents `from` (inclusive) to `to` of a file. */
export interface Piece {
  readonly file: number
  readonly from: number
  readonly to: number
  /** The file is whole after it. */
  readonly ends: boolean
}

export interface Window {
  readonly pieces: readonly Piece[]
  /** Numbers of the chunks that the pieces need. */
  readonly chunks: ReadonlySet<number>
}

/** `files` in this order; one that `isDropped` says true of is left out from then on: nothing more is read for a file that has failed. */
export function* planWindows(
  batch: Pick<Batch, 'files' | 'chunks'>,
  files: readonly number[],
  isDropped: (file: number) => boolean,
  mostBytes = WINDOW_BYTES,
): Generator<Window> {
  let pieces: Piece[] = []
  let chunks = new Set<number>()
  let bytes = 0
  for (const file of files) {
    const { extents } = batch.files[file] as Batch['files'][number]
    const count = extents.length / 3
    let from = 0
    for (let i = 0; i < count && !isDropped(file); i++) {
      const chunk = extents[i * 3] as number
      if (chunk < 0 || chunks.has(chunk)) continue
      const { contentBytes } = batch.chunks[chunk] as Batch['chunks'][number]
      if (chunks.size > 0 && bytes + contentBytes > mostBytes) {
        if (i > from) pieces.push({ file, from, to: i, ends: false })
        yield { pieces, chunks }
        pieces = []
        chunks = new Set()
        bytes = 0
        from = i
      }
      chunks.add(chunk)
      bytes += contentBytes
    }
    if (!isDropped(file)) pieces.push({ file, from, to: count, ends: true })
  }
  if (pieces.length > 0) yield { pieces, chunks }
}
