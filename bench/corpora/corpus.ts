/**
 * What is protected. Corpora from a seed are kept between runs with a checksum beside them; every run reads them through, which finds out
 * whether they are still what they were, and warms the cache.
 */
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CorpusFacts } from '../results.ts'

export interface Corpus extends CorpusFacts {
  /** Absolute. */
  readonly paths: readonly string[]
}

export interface Recipe {
  readonly name: string
  /** Changes when the maker changes. */
  readonly version: number
  readonly scale: number
  make(folder: string): void
}

/** Makes the corpus unless it lies in `cache` already, whole. */
export function keptCorpus(cache: string, recipe: Recipe, log: (text: string) => void): Corpus {
  const { name, version, scale } = recipe
  const folder = join(cache, 'corpora', `${name}-v${version}-${scale}`)
  const label = `${folder}.json`
  const expected = readLabel(label)
  if (expected !== undefined) {
    const found = digestOf(folder)
    if (found?.digest === expected) return { name, paths: [folder], ...found }
    log(`${folder} is not what it was: made again`)
  }
  rmSync(label, { force: true })
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  log(`making ${folder}`)
  recipe.make(folder)
  const made = digestOf(folder)
  if (made === undefined) throw new Error(`${folder} was made and can't be read`)
  writeFileSync(label, `${JSON.stringify(made)}\n`)
  return { name, paths: [folder], ...made }
}

function readLabel(path: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { digest?: string }).digest
  } catch {
    return undefined // no label, or half of one: the corpus is made again
  }
}

const READ_BYTES = 1 << 20

/** Of all names and bytes, in order; undefined when something can't be read. BLAKE2b: the quickest strong hash on machines without SHA instructions. */
function digestOf(folder: string): { files: number; bytes: number; digest: string } | undefined {
  const hash = createHash('blake2b512')
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let files = 0
  let bytes = 0
  const visit = (path: string, name: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const below = `${name}/${entry.name}`
      hash.update(`${below}\0`)
      if (entry.isDirectory()) {
        visit(join(path, entry.name), below)
        continue
      }
      files++
      const file = openSync(join(path, entry.name), 'r')
      for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
        hash.update(buffer.subarray(0, length))
        bytes += length
      }
      closeSync(file)
    }
  }
  try {
    visit(folder, '')
  } catch {
    return undefined
  }
  return { files, bytes, digest: hash.digest('hex').slice(0, 32) }
}
