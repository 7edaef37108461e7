/**
 * The rules of docs/architecture.md, as a function from sources to complaints. test/architecture.test.ts runs it over src/ and proves
 * on made-up sources that it complains when it should. Nothing here reads a disk.
 */
import { posix } from 'node:path'
import { argumentsAt, codeOnly, type ImportOf, importsOf, lineAt } from './source-text.ts'

/** Path from the repository's root, with `/`, to text. */
export type Sources = ReadonlyMap<string, string>

export interface Arrow {
  readonly room: string
  readonly rooms: readonly string[]
  readonly packages: readonly string[]
  readonly node: boolean
}

export type Rule = 'room' | 'arrow' | 'door' | 'package' | 'node' | 'import' | 'cycle' | 'ambient' | 'native' | 'write'

export interface Complaint {
  readonly rule: Rule
  readonly file: string
  readonly line: number
  readonly why: string
}

export interface Allowance {
  /** The file that may write files without the storage room. */
  readonly file: string
  readonly why: string
}

/** The rows between the markers. Throws when the table is not what this reader understands: a table nobody reads is worse than none. */
export function readArrows(markdown: string): Arrow[] {
  const block = /<!-- arrows:begin -->\n([\s\S]*?)<!-- arrows:end -->/.exec(markdown)?.[1]
  if (block === undefined) throw new Error('docs/architecture.md has no arrows table between its markers')
  const rows = block.trim().split('\n')
  const cells = (row: string) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  if (cells(rows[0] ?? '').join() !== 'room,may import,packages,node:') throw new Error(`the arrows table begins with ${rows[0]}`)
  const list = (cell: string) => (cell === '–' ? [] : cell.split(/\s*,\s*/))
  return rows.slice(2).map((row) => {
    const [room, rooms, packages, node, ...more] = cells(row)
    if (!room || !rooms || !packages || (node !== 'yes' && node !== 'no') || more.length > 0)
      throw new Error(`the arrows table has the row ${row}`)
    return { room, rooms: list(rooms), packages: list(packages), node: node === 'yes' }
  })
}

const MAIN = 'src/main.ts'
/** Tests, contract suites, and what tests of one room share. */
export const isTest = (file: string) => /\.(test|contract|fixture)\.ts$/.test(file)
const TEST_PACKAGES = [
  'fast-check',
  'picomatch',
  '@readme/openapi-parser',
  'smtp-server',
  'openapi-typescript-codegen',
  '@prometheus-io/lezer-promql',
]

interface Ambient {
  readonly what: string
  readonly pattern: RegExp
  readonly mayUse: (file: string) => boolean
  readonly where: string
}

/** A name that is not a property: `op.clock.performance` is somebody's own. `globalThis.` is taken off before. */
const bare = (names: string) => new RegExp(`(?<![\\w$.])(?:${names})\\b`, 'g')

const AMBIENT: readonly Ambient[] = [
  {
    what: 'time',
    pattern: bare('Date|performance|setTimeout|setInterval|setImmediate|process\\s*\\.\\s*hrtime'),
    mayUse: (file) => isTest(file) || file === 'src/base/clock.ts',
    where: 'base/clock.ts',
  },
  {
    // A test may reckon with dates, but neither asks what time it is nor waits.
    what: 'time',
    pattern: /(?<![\w$.])(?:Date\s*\.\s*now\b|new\s+Date\b(?!\s*\(\s*[^\s)])|(?:performance|setTimeout|setInterval|setImmediate)\b)/g,
    mayUse: (file) => !isTest(file),
    where: 'a ManualClock of base/clock.ts',
  },
  {
    what: 'randomness',
    pattern: /(?<![\w$])(?:Math\s*\.\s*random|randomBytes|randomFillSync|randomFill|randomInt|randomUUID|getRandomValues)\b/g,
    mayUse: (file) => file === 'src/base/random.ts',
    where: 'base/random.ts',
  },
  {
    what: 'the environment',
    pattern: bare('process\\s*\\.\\s*env'),
    mayUse: (file) => isTest(file) || file === MAIN || posix.basename(file) === 'config.ts',
    where: "a program's config.ts or src/main.ts",
  },
  {
    what: 'console',
    pattern: bare('console'),
    mayUse: (file) => isTest(file) || file === MAIN || file === 'src/cli/output.ts',
    where: 'cli/output.ts or src/main.ts',
  },
  {
    what: 'a standard stream',
    pattern: bare('process\\s*\\.\\s*(?:stdout|stderr)'),
    mayUse: (file) => isTest(file) || file === MAIN || file === 'src/cli/output.ts',
    where: 'cli/output.ts or src/main.ts',
  },
]

/** Modules that would go round the rules above. */
const AMBIENT_MODULES: ReadonlyMap<string, string> = new Map([
  ['node:process', 'use the global `process`, which the rules can see'],
  ['node:console', 'output goes through cli/output.ts'],
  ['node:timers', 'timers come from base/clock.ts'],
  ['node:timers/promises', 'timers come from base/clock.ts'],
  ['node:perf_hooks', 'time comes from base/clock.ts'],
])

const FS = /^node:fs(\/promises)?$/
const FS_WRITES = 'appendFile|copyFile|cp|createWriteStream|fdatasync|fsync|ftruncate|link|rename|truncate|write|writeFile|writev'
const FS_WRITE = new RegExp(`^(?:${FS_WRITES})(?:Sync)?$`)

interface File {
  readonly path: string
  readonly room: string
  readonly text: string
  readonly code: string
  readonly imports: readonly ImportOf[]
}

export function checkArchitecture(sources: Sources, arrows: readonly Arrow[], mayWrite: readonly Allowance[]): Complaint[] {
  const rooms = new Map(arrows.map((arrow) => [arrow.room, arrow]))
  const files: File[] = [...sources].map(([path, text]) => {
    const parts = path.split('/')
    return { path, text, room: parts.length > 2 ? (parts[1] ?? '') : '', code: codeOnly(text), imports: importsOf(text) }
  })
  const complaints: Complaint[] = []
  for (const file of files) {
    const complain = (rule: Rule, line: number, why: string) => complaints.push({ rule, file: file.path, line, why })
    const arrow = rooms.get(file.room)
    if (arrow === undefined && file.path !== MAIN) {
      complain('room', 1, file.room === '' ? 'only main.ts lies in src/ itself' : `the room ${file.room} is not in the arrows table`)
      continue
    }
    for (const found of file.imports) checkImport(file, arrow, found, sources, complain)
    checkAmbient(file, complain)
    if (!isTest(file.path) && file.room !== 'platform' && !mayWrite.some((allowed) => allowed.file === file.path))
      checkWrites(file, complain)
  }
  for (const cycle of findCycles(files)) {
    complaints.push({ rule: 'cycle', file: cycle[0] ?? '', line: 1, why: `imports itself: ${[...cycle, cycle[0]].join(' → ')}` })
  }
  return complaints
}

type Complain = (rule: Rule, line: number, why: string) => void

function checkImport(file: File, arrow: Arrow | undefined, found: ImportOf, sources: Sources, complain: Complain): void {
  const test = isTest(file.path)
  const { specifier, line } = found
  if (specifier === undefined) {
    if (!test) complain('import', line, 'imports something that is not a literal, so nobody can check it')
    return
  }
  if (specifier.startsWith('node:')) {
    const detour = AMBIENT_MODULES.get(specifier)
    if (detour !== undefined && !test && !found.typeOnly && file.path !== 'src/base/clock.ts')
      complain('ambient', line, `${specifier}: ${detour}`)
    if (arrow?.node === false && !test && !found.typeOnly) complain('node', line, `${file.room} may not use ${specifier}`)
    return
  }
  if (!specifier.startsWith('.')) {
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    const allowed = [...(arrow?.packages ?? []), ...(test ? TEST_PACKAGES : [])]
    if (!allowed.includes(name)) complain('package', line, `${file.room || 'main.ts'} may not import the package ${name}`)
    else if (name === 'koffi' && file.path !== 'src/platform/posix.ts') complain('native', line, 'koffi is for platform/posix.ts')
    return
  }
  const target = posix.join(posix.dirname(file.path), specifier)
  const [top, room = '', ...rest] = target.split('/')
  if (top !== 'src') {
    if (!(test && target.startsWith('test/support/')) && target !== 'package.json') complain('import', line, `${target} is not for sources`)
    return
  }
  if (target === MAIN) complain('arrow', line, 'nothing imports main.ts')
  else if (!sources.has(target)) complain('import', line, `${target} does not exist`)
  else if (isTest(target) && !test) complain('import', line, `${target} is a test`)
  else if (room === file.room || test) return
  else if (arrow !== undefined && !arrow.rooms.includes(room)) complain('arrow', line, `${file.room} may not import ${room}`)
  else if (room !== 'base' && rest.join('/') !== 'index.ts')
    complain('door', line, `${room} is entered by its index.ts, not by ${rest.join('/')}`)
}

function checkAmbient(file: File, complain: Complain): void {
  const code = file.code.replace(/(?<![\w$.])(?:globalThis|global)\s*\./g, (m) => ' '.repeat(m.length))
  for (const { what, pattern, mayUse, where } of AMBIENT) {
    if (mayUse(file.path)) continue
    for (const m of code.matchAll(pattern)) complain('ambient', lineAt(code, m.index), `${what} (${m[0]}) comes from ${where}`)
  }
}

/** Only what is bound from node:fs counts, so a method called `open` or `link` of somebody else is nobody's business. */
function checkWrites(file: File, complain: Complain): void {
  const why = 'files are written by platform, and objects by the storage room'
  let opens = false
  const call = (name: string, at: number, open: number) => {
    opens ||= /^open(Sync)?$/.test(name)
    const given = argumentsAt(file.code, file.text, open)
    if (FS_WRITE.test(name) || (/^open(Sync)?$/.test(name) && !opensToRead(given)))
      complain('write', lineAt(file.code, at), `${name}(): ${why}`)
  }
  for (const found of file.imports) {
    if (found.specifier === undefined || !FS.test(found.specifier) || found.typeOnly) continue
    if (found.kind === 'dynamic') complain('write', found.line, 'node:fs is imported statically, so that its use can be checked')
    for (const [name, local] of found.names) {
      if (name === '*' || name === 'default' || name === 'promises') {
        const uses = new RegExp(`(?<![\\w$.])${local}(?:\\s*\\.\\s*promises)?\\s*\\.\\s*([\\w$]+)\\s*\\(`, 'g')
        for (const m of file.code.matchAll(uses)) call(m[1] ?? '', m.index, m.index + m[0].length - 1)
      } else if (FS_WRITE.test(name)) {
        complain('write', found.line, `${name}: ${why}`)
      } else {
        const uses = new RegExp(`(?<![\\w$.])${local}\\s*\\(`, 'g')
        for (const m of file.code.matchAll(uses)) call(name, m.index, m.index + m[0].length - 1)
      }
    }
  }
  // A folder that was opened to read can be synced too. Without an open, it is somebody's own `sync`.
  if (!opens) return
  for (const m of file.code.matchAll(/\.\s*(?:sync|datasync)\s*\(\s*\)/g)) complain('write', lineAt(file.code, m.index), `${m[0]}: ${why}`)
}

/** `open(path)`, `open(path, 'r')`, or flags that say O_RDONLY and nothing that writes. */
function opensToRead(given: { code: string; text: string }): boolean {
  let depth = 0
  let comma = -1
  for (let i = 0; i < given.code.length && comma === -1; i++) {
    const c = given.code.charAt(i)
    if ('([{'.includes(c)) depth++
    else if (')]}'.includes(c)) depth--
    else if (c === ',' && depth === 0) comma = i
  }
  if (comma === -1) return true
  const flags = given.text.slice(comma + 1)
  if (/O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(flags)) return false
  return /^\s*(['"])r\1/.test(flags) || /O_RDONLY/.test(flags) || flags.trim() === ''
}

/** Imports of types count too: a cycle of types is a design that nobody can read from one end. Workers' entries do not: that is another thread. */
function findCycles(files: readonly File[]): string[][] {
  const known = new Map(files.filter((file) => !isTest(file.path)).map((file) => [file.path, file]))
  const state = new Map<string, 'open' | 'done'>()
  const path: string[] = []
  const cycles: string[][] = []
  const visit = (at: string) => {
    const file = known.get(at)
    if (file === undefined || state.get(at) === 'done') return
    if (state.get(at) === 'open') {
      cycles.push(path.slice(path.indexOf(at)))
      return
    }
    state.set(at, 'open')
    path.push(at)
    for (const { specifier, kind } of file.imports) {
      if (specifier?.startsWith('.') && kind !== 'worker') visit(posix.join(posix.dirname(at), specifier))
    }
    path.pop()
    state.set(at, 'done')
  }
  for (const at of known.keys()) visit(at)
  return cycles
}
