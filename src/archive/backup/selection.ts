/**
 * What a backup was asked to take, as its recovery point remembers it: docs/format.md §11. Only when the next one is asked for the same may it take over
 * pages without asking what else there is.
 */
import type { ManifestSelection, RecoveryPoint } from '../../repository/index.ts'

/** With more unreadable places than these, none is remembered and the next backup looks at everything. */
const MOST_UNREAD = 1000

export interface Asked {
  readonly roots: readonly Buffer[]
  readonly excludes: readonly string[]
  readonly excludeCaches: boolean
  readonly oneFileSystem: boolean
  /** `dev:ino` */
  readonly skip: ReadonlySet<string>
}

/** Paths that are missing from the tree, or from which something is, although they are there: the next backup tries them again. */
export class UnreadPaths {
  readonly #paths = new Map<string, Buffer>()

  add(path: Buffer): void {
    if (this.#paths.size <= MOST_UNREAD) this.#paths.set(path.toString('latin1'), path)
  }

  /** Undefined when there were too many. */
  get all(): readonly Buffer[] | undefined {
    return this.#paths.size > MOST_UNREAD ? undefined : [...this.#paths.values()]
  }
}

export function selectionOf(asked: Asked, unread: UnreadPaths, turn: number): ManifestSelection | undefined {
  const paths = unread.all
  if (!paths) return undefined
  return {
    exclude_caches: asked.excludeCaches,
    one_file_system: asked.oneFileSystem,
    skipped: [...asked.skip].sort(),
    unread: paths.map((path) => path.toString('base64')),
    turn,
  }
}

/** The very same roots, patterns and options. */
export function isSameSelection(asked: Asked, { paths, excludes, selection }: RecoveryPoint): boolean {
  return (
    selection !== undefined &&
    selection.exclude_caches === asked.excludeCaches &&
    selection.one_file_system === asked.oneFileSystem &&
    isSameList(selection.skipped, [...asked.skip]) &&
    isSameList(excludes, asked.excludes) &&
    hasSameRoots(paths, asked.roots)
  )
}

export function hasSameRoots(paths: RecoveryPoint['paths'], roots: readonly Buffer[]): boolean {
  return isSameList(
    paths.map(({ base64 }) => base64),
    roots.map((path) => path.toString('base64')),
  )
}

/** In any order. */
function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort().join('\n') === [...b].sort().join('\n')
}
