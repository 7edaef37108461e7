/** What an agent consists of: the source files of its rooms, the packages that these import, and whatever those need, as they are installed here. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** With the command line, by which it is enrolled and started. */
const ROOMS = 'base platform wire certificates chunking hashing storage repository archive protection workloads agent cli'.split(' ')
const NOT_NEEDED = /\.(test|contract|fixture)\.ts$|\/testing\//
const IMPORTED = /(?:from|import)\s*\(?\s*'([^'.][^']*)'/g

export interface Contents {
  /** Paths below the project's folder. */
  readonly files: readonly string[]
  /** Folders of packages, below the project's folder. */
  readonly packages: readonly string[]
}

export function contentsOf(project: string): Contents {
  const files = globSync(
    ROOMS.map((room) => `src/${room}/**/*`),
    { cwd: project, withFileTypes: true },
  )
    .filter((entry) => entry.isFile() && !NOT_NEEDED.test(join(entry.parentPath, entry.name)))
    .map((entry) => relative(project, join(entry.parentPath, entry.name)))
  files.push('src/main.ts', 'package.json')
  const packages = new Set<string>()
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    for (const [, name = ''] of readFileSync(join(project, file), 'utf8').matchAll(IMPORTED)) {
      if (!name.startsWith('node:')) addPackage(project, project, packageOf(name), packages)
    }
  }
  return { files: files.sort(), packages: [...packages].sort() }
}

/** `@scope/name` of `@scope/name/part`. */
function packageOf(imported: string): string {
  return imported.split('/', imported.startsWith('@') ? 2 : 1).join('/')
}

interface PackageFile {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

/** As Node looks for it: in the folder that wants it, then in those above. What was not installed is optional, or no package. */
function addPackage(project: string, from: string, name: string, packages: Set<string>): void {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) {
      const path = relative(project, found)
      if (packages.has(path)) return
      packages.add(path)
      const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(found, 'package.json'), 'utf8')) as PackageFile
      for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) addPackage(project, found, needed, packages)
      return
    }
    if (folder === project || dirname(folder) === folder) return
  }
}
