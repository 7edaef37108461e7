/** Three large files: one that can't be compressed, one that can, and one that holds pieces of both at other places, as edited files do. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Recipe } from './corpus.ts'
import { SeededBytes } from './seeded-bytes.ts'

const FILE_BYTES = 1_000_000_000
const STEP_BYTES = 1 << 20
/** Between two insertions. */
const PIECE_BYTES = 8_000_000
const MOST_INSERTED = 100

export function mixedFiles(scale: number): Recipe {
  const size = Math.round(FILE_BYTES * scale)
  return {
    name: 'mixed',
    version: 1,
    scale,
    make(folder) {
      const [random, text, shifted] = ['random.bin', 'text.log', 'shifted.bin'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      const dice = new SeededBytes('terp bench, mixed files')
      fill(random, size, (length) => dice.random(length))
      fill(text, size, (length) => dice.text(length))
      shift(shifted, size, [random, text], dice)
    },
  }
}

function fill(path: string, size: number, make: (length: number) => Buffer): void {
  const file = openSync(path, 'wx')
  for (let at = 0; at < size; at += STEP_BYTES) writeSync(file, make(Math.min(STEP_BYTES, size - at)))
  closeSync(file)
}

/** The first half of each, with a few new bytes before every piece. */
function shift(path: string, size: number, sources: readonly string[], dice: SeededBytes): void {
  const file = openSync(path, 'wx')
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  for (const source of sources) {
    const from = openSync(source, 'r')
    const end = Math.floor(size / sources.length)
    for (let at = 0; at < end; at += PIECE_BYTES) {
      const length = readSync(from, piece, 0, Math.min(PIECE_BYTES, end - at), at)
      writeSync(file, dice.random(1 + dice.below(MOST_INSERTED)))
      writeSync(file, piece, 0, length)
    }
    closeSync(from)
  }
  closeSync(file)
}
