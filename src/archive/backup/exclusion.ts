/**
 * Which paths a backup leaves out. A pattern without a slash is compared with every name on the way; one with a slash with the whole path,
 * from the root if it begins with a slash, otherwise from any folder on. `*`, `?`, `[a-z]` and `**` as in a shell; a folder that is left out is not entered.
 */
import picomatch from 'picomatch'

export type Exclusion = (path: Buffer) => boolean

export function exclusionOf(patterns: readonly string[]): Exclusion {
  if (patterns.length === 0) return () => false
  const options = { dot: true, nonegate: true }
  const names: ((name: string) => boolean)[] = []
  const paths: ((path: string) => boolean)[] = []
  for (const raw of patterns) {
    const pattern = raw.length > 1 ? raw.replace(/\/+$/, '') : raw
    if (pattern === '' || pattern === '/') continue // names nothing
    if (!pattern.includes('/')) names.push(picomatch(pattern, options))
    else if (pattern.startsWith('/')) paths.push(picomatch(pattern.slice(1), options))
    else paths.push(picomatch([pattern, `**/${pattern}`], options))
  }
  return (path) => {
    const text = path.toString('utf8')
    const name = text.slice(text.lastIndexOf('/') + 1)
    return names.some((matches) => matches(name)) || paths.some((matches) => matches(text))
  }
}
