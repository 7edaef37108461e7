/** The places at which a walk begins: what was chosen. One may lie in another, because it was excluded there, or lies on another volume. */
import { comparePaths, isWithin } from '../entry.ts'
import type { Places } from './places.ts'

export interface Root {
  readonly path: Buffer
  readonly follow: boolean
  /** Absolute path of where it is read. */
  readonly at: Buffer
  /** It lies in another. */
  readonly isInner: boolean
}

/** Sorted, each once. */
export function rootsOf(roots: readonly Buffer[], places: Places): Root[] {
  const all = roots.map((raw) => ({ path: trimSlashes(raw), follow: raw.length > 0 && raw[raw.length - 1] === 0x2f }))
  all.sort((a, b) => comparePaths(a.path, b.path))
  const kept: Root[] = []
  let outer: Root | undefined
  for (const { path, follow } of all) {
    if (kept.at(-1)?.path.equals(path)) continue
    const root: Root = { path, follow, at: places.at(path), isInner: outer !== undefined && isWithin(path, outer.path) }
    if (!root.isInner) outer = root
    kept.push(root)
  }
  return kept
}

/** A folder that leads to a root in it. */
export function isWay(inner: readonly Root[], folder: Buffer): boolean {
  return inner.some(({ path }) => path.length > folder.length && isWithin(path, folder))
}

export function trimSlashes(path: Buffer): Buffer {
  let end = path.length
  while (end > 0 && path[end - 1] === 0x2f) end--
  return path.subarray(0, end)
}
