/**
 * Which paths a backup leaves out. A pattern without a slash is compared with every name on the way; one with a slash with the whole path,
 * from the root if it begins with a slash, otherwise from any folder on. `*`, `?`, `[a-z]` and `**` as in a shell; a folder that is left out is not entered.
 * One that begins with two slashes is compared with the names of what is no folder.
 */
import picomatch from 'picomatch'

export type Exclusion = (path: Buffer) => boolean

/** However many patterns there are, a path is looked up in two sets and matched twice at most: all that are no plain text are one expression. */
export function exclusionOf(all: readonly string[]): Exclusion {
  return exclusion(all.filter((pattern) => !pattern.startsWith(FILES_ONLY)))
}

/** To be asked of what is no folder, besides `exclusionOf`. */
export function fileExclusionOf(all: readonly string[]): Exclusion {
  return exclusion(all.filter((pattern) => pattern.startsWith(FILES_ONLY)).map((pattern) => pattern.slice(FILES_ONLY.length)))
}

/** No path has two slashes in a row, so no pattern of another kind begins like this. */
const FILES_ONLY = '//'

function exclusion(patterns: readonly string[]): Exclusion {
  const names = new Matcher()
  const paths = new Matcher()
  for (const raw of patterns) {
    const pattern = raw.length > 1 ? raw.replace(/\/+$/, '') : raw
    if (pattern === '' || pattern === '/') continue // names nothing
    if (!pattern.includes('/')) names.add(pattern)
    else if (pattern.startsWith('/')) paths.add(pattern.slice(1))
    else for (const anywhere of [pattern, `**/${pattern}`]) paths.add(anywhere)
  }
  if (names.isEmpty && paths.isEmpty) return () => false
  return (path) => {
    const text = path.toString('utf8')
    return (!names.isEmpty && names.matches(text.slice(text.lastIndexOf('/') + 1))) || paths.matches(text)
  }
}

const OPTIONS = { dot: true, nonegate: true }
/** What stands for itself alone, and whatever ends with it. */
const PLAIN = /^[\w-][\w./ -]*$/
const SUFFIX = /^\*([\w.-]*[\w-])$/

class Matcher {
  readonly #plain = new Set<string>()
  readonly #suffixes = new Set<string>()
  readonly #suffixLengths = new Set<number>()
  readonly #sources: string[] = []
  #expression: RegExp | undefined

  get isEmpty(): boolean {
    return this.#plain.size === 0
  }

  add(pattern: string): void {
    // Whatever else it means, a pattern matches itself.
    this.#plain.add(pattern)
    if (PLAIN.test(pattern)) return
    const suffix = SUFFIX.exec(pattern)?.[1]
    if (suffix !== undefined) {
      this.#suffixes.add(suffix)
      this.#suffixLengths.add(suffix.length)
      return
    }
    this.#sources.push(picomatch.makeRe(pattern, OPTIONS).source)
    this.#expression = undefined
  }

  matches(text: string): boolean {
    if (this.#plain.has(text) || this.#hasSuffix(text)) return true
    if (this.#sources.length === 0) return false
    this.#expression ??= new RegExp(this.#sources.map((source) => `(?:${source})`).join('|'))
    return this.#expression.test(text)
  }

  #hasSuffix(text: string): boolean {
    for (const length of this.#suffixLengths) {
      if (length > text.length || !this.#suffixes.has(text.slice(text.length - length))) continue
      // A star stands for no slash.
      if (!text.slice(0, text.length - length).includes('/')) return true
    }
    return false
  }
}
