/** Cuts the work of a batch into windows whose chunks fit into memory together. Pure. */
import { contentBytesOf, EXTENT_NUMBERS } from './batch.ts'
import type { ChunkTable } from './plan.ts'

/** Content of the chunks of one window: all that a lane holds, but for the reads on their way. */
export const WINDOW_BYTES = 16_777_216

/** Consecutive extents, by their rows. */
export interface ExtentRows {
  readonly from: number
  readonly to: number
}

/** Extents of one file. */
export interface Piece extends ExtentRows {
  readonly file: number
  /** The file is whole after it. */
  readonly ends: boolean
}

export interface Window {
  readonly pieces: readonly Piece[]
  /** Rows of the chunks that the pieces need. */
  readonly chunks: ReadonlySet<number>
}

export interface Work {
  readonly table: Pick<ChunkTable, 'extents' | 'chunks'>
  /** In this order. */
  readonly files: readonly number[]
  extentsOf(file: number): ExtentRows
  /** One that this says true of is left out from then on: nothing more is read for a file that has failed. */
  isDropped(file: number): boolean
  /** An extent that needs no chunk. */
  isThere?(row: number): boolean
}

export function* planWindows({ table, files, extentsOf, isDropped, isThere }: Work, mostBytes = WINDOW_BYTES): Generator<Window> {
  let pieces: Piece[] = []
  let chunks = new Set<number>()
  let bytes = 0
  for (const file of files) {
    const rows = extentsOf(file)
    let from = rows.from
    for (let row = from; row < rows.to && !isDropped(file); row++) {
      const chunk = table.extents[row * EXTENT_NUMBERS] as number
      if (chunk < 0 || chunks.has(chunk) || isThere?.(row)) continue
      const contentBytes = contentBytesOf(table, chunk)
      if (chunks.size > 0 && bytes + contentBytes > mostBytes) {
        if (row > from) pieces.push({ file, from, to: row, ends: false })
        yield { pieces, chunks }
        pieces = []
        chunks = new Set()
        bytes = 0
        from = row
      }
      chunks.add(chunk)
      bytes += contentBytes
    }
    if (!isDropped(file)) pieces.push({ file, from, to: rows.to, ends: true })
  }
  if (pieces.length > 0) yield { pieces, chunks }
}
