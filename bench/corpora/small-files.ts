/** Many small files: 100 folders that each hold 100 folders of 100 files of 0 to 8 KB; three of four are text. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Recipe } from './corpus.ts'
import { SeededBytes } from './seeded-bytes.ts'

export const TOP_FOLDERS = 100
const FOLDERS_EACH = 100
const FILES_EACH = 100
const MOST_BYTES = 8000

export const two = (n: number) => String(n).padStart(2, '0')

/** A smaller scale has fewer folders in each of the top ones, so that a tenth and a hundredth of it can always be named by top folders. */
export function smallFiles(scale: number): Recipe {
  const folders = Math.max(1, Math.round(FOLDERS_EACH * scale))
  return {
    name: 'small',
    version: 1,
    scale,
    make(root) {
      const dice = new SeededBytes('terp bench, small files')
      for (let top = 0; top < TOP_FOLDERS; top++) {
        for (let folder = 0; folder < folders; folder++) {
          const path = join(root, two(top), two(folder))
          mkdirSync(path, { recursive: true })
          for (let file = 0; file < FILES_EACH; file++) {
            const size = dice.below(MOST_BYTES + 1)
            writeFileSync(`${path}/${two(file)}.txt`, file % 4 === 3 ? dice.random(size) : dice.text(size))
          }
        }
      }
    },
  }
}
