/** A folder that the machine has: real files, but not the same on two machines. A scale below 1 takes that share of what lies directly in it. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runOk } from '../command.ts'
import type { Corpus } from './corpus.ts'

export async function systemFolder(folder: string, scale: number): Promise<Corpus> {
  const paths = scale >= 1 ? [folder] : await shareOf(folder, scale)
  const sizes = await runOk({ argv: ['find', ...paths, '-type', 'f', '-printf', '%s\\n'] })
  const numbers = sizes.trim().split('\n').map(Number)
  return { name: folder, paths, files: numbers.length, bytes: numbers.reduce((sum, size) => sum + size, 0) }
}

/** Whole entries in order of their names, as long as they fit into the share; the smallest one where none does. */
async function shareOf(folder: string, scale: number): Promise<string[]> {
  const paths = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path).isDirectory())
  const sized: { path: string; kib: number }[] = []
  for (const path of paths) sized.push({ path, kib: Number((await runOk({ argv: ['du', '-sk', path] })).split('\t')[0]) })
  let left = scale * sized.reduce((sum, { kib }) => sum + kib, 0)
  const chosen = sized.filter(({ kib }) => {
    const fits = kib <= left
    if (fits) left -= kib
    return fits
  })
  if (chosen.length > 0) return chosen.map(({ path }) => path)
  const smallest = sized.sort((a, b) => a.kib - b.kib)[0]
  if (smallest === undefined) throw new Error(`${folder} holds no folder`)
  return [smallest.path]
}
