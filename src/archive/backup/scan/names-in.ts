/** What of a folder belongs to the tree, by name alone. */
import { findStatAt, readFolder } from '../../../platform/index.ts'
import { joinPath } from '../../entry.ts'
import type { Exclusion } from '../exclusion.ts'
import { CACHE_TAG } from '../walk.ts'

export interface NameRules {
  readonly isExcluded: Exclusion
  readonly isFileExcluded: Exclusion
}

/** Sorted. Throws PosixError. */
export function namesIn(
  fd: number,
  folder: Buffer,
  rules: NameRules,
): { readonly wanted: readonly Buffer[]; readonly hasCacheTag: boolean } {
  const entries = readFolder(fd)
  const wanted: Buffer[] = []
  for (const { name, kind } of entries) {
    const path = joinPath(folder, name)
    if (rules.isExcluded(path)) continue
    // Not every file system says what a name is.
    if (rules.isFileExcluded(path) && (kind ?? findStatAt(fd, name)?.kind) !== 'folder') continue
    wanted.push(name)
  }
  return { wanted: wanted.sort(Buffer.compare), hasCacheTag: entries.some(({ name }) => name.equals(CACHE_TAG)) }
}
