/** Holds src/ to docs/architecture.md, and holds the holder: each rule is shown a made-up offender that it must catch. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Allowance, type Arrow, type Complaint, checkArchitecture, type Rule, readArrows } from '../scripts/architecture-rules.ts'
import { codeOnly, importsOf } from '../scripts/source-text.ts'

const ROOT = join(import.meta.dirname, '..')
const ARROWS = readArrows(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8'))

/** Files outside platform that write to a disk by themselves. Objects never: they go through storage's publish. */
const MAY_WRITE: readonly Allowance[] = [
  { file: 'src/agent/bundle/make-bundle.ts', why: 'it copies this program; nothing that is protected depends on it' },
  { file: 'src/agent/update.ts', why: 'it replaces this program, by a file beside it, synced before it is renamed' },
  { file: 'src/workloads/files/snapshots/volume-snapshot.ts', why: 'it clones the image of a volume, which is removed after the job' },
]

function sourcesBelow(folder: string): Map<string, string> {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  const paths = names.filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`)
  return new Map(paths.sort().map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]))
}

const show = (complaints: readonly Complaint[]) => complaints.map((c) => `${c.file}:${c.line}  ${c.rule}: ${c.why}`).join('\n')

describe('the sources', () => {
  const sources = sourcesBelow('src')

  it('keep to the rules of docs/architecture.md', () => {
    const complaints = checkArchitecture(sources, ARROWS, MAY_WRITE)
    assert.equal(complaints.length, 0, `\n${show(complaints)}`)
  })

  it('are in rooms that the tables name, and every named room exists', () => {
    const named = ARROWS.map((arrow) => arrow.room)
    const floors = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8').matchAll(
      /^\| (?:ground|engine|domain|programs) \| `(\w+)` \|/gm,
    )
    assert.deepEqual(
      [...floors].map((m) => m[1]),
      named,
      'the table of rooms and the table of arrows name the same rooms in the same order',
    )
    for (const room of named) assert.ok(existsSync(join(ROOT, 'src', room)), `src/${room} is missing`)
  })

  it('are only excused where the excuse is still needed', () => {
    for (const { file } of MAY_WRITE) {
      const rest = MAY_WRITE.filter((allowed) => allowed.file !== file)
      const complaints = checkArchitecture(sources, ARROWS, rest).filter((c) => c.file === file && c.rule === 'write')
      assert.notEqual(complaints.length, 0, `${file} no longer writes: take it off the list`)
    }
  })
})

describe('the arrows', () => {
  it('name only rooms that exist, and never go in a circle', () => {
    const rooms = new Map(ARROWS.map((arrow) => [arrow.room, arrow.rooms]))
    const below = (room: string, path: readonly string[] = []): void => {
      assert.ok(rooms.has(room), `${path.at(-1)} may import ${room}, which has no row`)
      assert.ok(!path.includes(room), `the rooms import each other: ${[...path, room].join(' → ')}`)
      for (const next of rooms.get(room) ?? []) below(next, [...path, room])
    }
    for (const room of rooms.keys()) below(room)
  })

  it('keep the promises made below them', () => {
    const row = (room: string) => ARROWS.find((arrow) => arrow.room === room)
    assert.ok(!row('vault')?.rooms.includes('repository'), 'the vault holds no code that could decrypt')
    assert.ok(!row('repository')?.rooms.some((room) => ['vault', 'page', 'cli'].includes(room)), 'the repository knows no program')
    assert.equal(row('chunking')?.node, false, 'chunking is pure')
  })

  it('are refused when the table cannot be read', () => {
    const table = (row: string) =>
      `<!-- arrows:begin -->\n| room | may import | packages | node: |\n|---|---|---|---|\n${row}\n<!-- arrows:end -->`
    assert.deepEqual(readArrows(table('| a | b, c | @x/y | no |')), [{ room: 'a', rooms: ['b', 'c'], packages: ['@x/y'], node: false }])
    assert.throws(() => readArrows('no table'))
    assert.throws(() => readArrows(table('| a | b | – |')))
    assert.throws(() => readArrows(table('| a | b | – | maybe |')))
  })
})

// --- The checker, shown offenders -----------------------------------------------------------------------------------------------

const TABLE: readonly Arrow[] = [
  { room: 'base', rooms: [], packages: [], node: true },
  { room: 'platform', rooms: ['base'], packages: ['koffi'], node: true },
  { room: 'chunking', rooms: ['base'], packages: [], node: false },
  { room: 'storage', rooms: ['base'], packages: ['@scope/pack'], node: true },
  { room: 'cli', rooms: ['base', 'storage'], packages: [], node: true },
]
const GROUND = {
  'src/base/clock.ts': 'export const now = () => Date.now()',
  'src/storage/index.ts': "export { a } from './inner.ts'",
  'src/storage/inner.ts': 'export const a = 1',
  'src/chunking/index.ts': 'export const c = 1',
}

function complaintsOn(files: Record<string, string>, mayWrite: readonly Allowance[] = []): string[] {
  return checkArchitecture(new Map(Object.entries({ ...GROUND, ...files })), TABLE, mayWrite).map((c) => `${c.rule} ${c.file}:${c.line}`)
}

/** Each: what it is, the file, its text; and the rule that must complain, or undefined where it must not. */
const CASES: readonly [what: string, file: string, text: string, rule: Rule | undefined][] = [
  ['a room without a row', 'src/helpers/a.ts', '', 'room'],
  ['a second file in src/', 'src/other.ts', '', 'room'],
  ['an arrow in the table', 'src/cli/a.ts', "import { a } from '../storage/index.ts'", undefined],
  ['an arrow that is not in the table', 'src/chunking/a.ts', "import { a } from '../storage/index.ts'", 'arrow'],
  ['the same as a type', 'src/chunking/a.ts', "import type { a } from '../storage/index.ts'", 'arrow'],
  ['the same, passed on', 'src/chunking/a.ts', "export * from '../storage/index.ts'", 'arrow'],
  ['the same, later', 'src/chunking/a.ts', "const a = await import('../storage/index.ts')", 'arrow'],
  ['the same, as a worker', 'src/chunking/a.ts', "new Worker(new URL('../storage/index.ts', import.meta.url))", 'arrow'],
  ['the same, after an export without a semicolon', 'src/chunking/a.ts', "export { b }\nimport { a } from '../storage/index.ts'", 'arrow'],
  ['an import of the composition root', 'src/cli/a.ts', "import '../main.ts'", 'arrow'],
  ['a room by its window', 'src/cli/a.ts', "import { a } from '../storage/inner.ts'", 'door'],
  ['base by any file', 'src/cli/a.ts', "import { now } from '../base/clock.ts'", undefined],
  ['a room from inside', 'src/storage/a.ts', "import { a } from './inner.ts'", undefined],
  ['main.ts by every door', 'src/main.ts', "import '../src/chunking/index.ts'\nimport { a } from './storage/index.ts'", undefined],
  ['main.ts by a window', 'src/main.ts', "import { a } from './storage/inner.ts'", 'door'],
  ['a package in the table', 'src/storage/a.ts', "import x from '@scope/pack/deep.js'", undefined],
  ['a package that is not in the table', 'src/cli/a.ts', "import x from '@scope/pack'", 'package'],
  ['a package by require', 'src/cli/a.ts', "const x = require('left')", 'package'],
  ["Node's module without its prefix", 'src/cli/a.ts', "import fs from 'fs'", 'package'],
  ['a package in a test', 'src/cli/a.test.ts', "import fc from 'fast-check'", undefined],
  ['another package in a test', 'src/cli/a.test.ts', "import x from '@scope/pack'", 'package'],
  ["Node's modules where they may be", 'src/cli/a.ts', "import { join } from 'node:path'", undefined],
  ["Node's modules where they may not", 'src/chunking/a.ts', "import { join } from 'node:path'", 'node'],
  ['a type of Node', 'src/chunking/a.ts', "import type { Stats } from 'node:fs'", undefined],
  ['a test in a pure room', 'src/chunking/a.test.ts', "import { it } from 'node:test'", undefined],
  ['a test of another room', 'src/chunking/a.test.ts', "import { a } from '../storage/inner.ts'", undefined],
  ["a test's support", 'src/cli/a.test.ts', "import { aTree } from '../../test/support/a-tree.ts'", undefined],
  ['a source that leans on tests', 'src/cli/a.ts', "import { aTree } from '../../test/support/a-tree.ts'", 'import'],
  ['a file that is not there', 'src/cli/a.ts', "import { a } from '../storage/gone.ts'", 'import'],
  ['a computed import', 'src/cli/a.ts', 'await import(name)', 'import'],
  ['a cycle', 'src/storage/inner.ts', "export const a = 1\nimport type { b } from './index.ts'", 'cycle'],
  ['a file that imports itself', 'src/cli/a.ts', "import './a.ts'", 'cycle'],
  ['a worker that knows who started it', 'src/storage/inner.ts', "new URL('./index.ts', import.meta.url)", undefined],
  ['Date', 'src/storage/a.ts', 'const t = Date.now()', 'ambient'],
  ['Date in a template', 'src/storage/a.ts', 'const t = `§{`§{new Date()}`}`'.replaceAll('§', '$'), 'ambient'],
  ['performance', 'src/storage/a.ts', 'performance.now()', 'ambient'],
  ['a timer', 'src/storage/a.ts', 'setTimeout(done, 1)', 'ambient'],
  ['a timer, in a roundabout way', 'src/storage/a.ts', 'globalThis.setTimeout(done, 1)', 'ambient'],
  ['a timer from a module', 'src/storage/a.ts', "import { setTimeout as wait } from 'node:timers/promises'", 'ambient'],
  ['a timer in a test', 'src/storage/a.test.ts', 'setTimeout(done, 1)', 'ambient'],
  ['the time of day in a test', 'src/storage/a.test.ts', 'const a = new Date()\nconst b = 1', 'ambient'],
  ['a date in a test', 'src/storage/a.fixture.ts', "Date.UTC(2026, 1) - new Date('2026-01-01').getTime()", undefined],
  ['process.hrtime', 'src/storage/a.ts', 'process.hrtime.bigint()', 'ambient'],
  ['time in the clock', 'src/base/clock.ts', 'setTimeout(done, Date.now() + performance.now())', undefined],
  ["somebody's own property", 'src/storage/a.ts', 'report.performance = entry.Date', undefined],
  ['Math.random', 'src/storage/a.ts', 'Math.random()', 'ambient'],
  ['randomness of node:crypto', 'src/storage/a.ts', "import { randomBytes } from 'node:crypto'", 'ambient'],
  ['randomness of node:crypto, by the module', 'src/storage/a.ts', "import crypto from 'node:crypto'\ncrypto.randomUUID()", 'ambient'],
  ['randomness in its place', 'src/base/random.ts', "import { randomFillSync } from 'node:crypto'", undefined],
  ['the environment', 'src/storage/a.ts', 'process.env.HOME', 'ambient'],
  ['the environment in a config.ts', 'src/cli/config.ts', 'process.env.HOME', undefined],
  ['the environment by its module', 'src/cli/config.ts', "import { env } from 'node:process'", 'ambient'],
  ['console', 'src/cli/a.ts', "console.log('x')", 'ambient'],
  ['a standard stream', 'src/cli/a.ts', "process.stdout.write('x')", 'ambient'],
  ['both in their place', 'src/cli/output.ts', 'console.log(process.stderr.isTTY)', undefined],
  [
    'words in comments, strings, templates and patterns',
    'src/storage/a.ts',
    "// Date\n/* console */ const s = 'setTimeout(' + `process.env` + /Date/.source",
    undefined,
  ],
  ['koffi in its file', 'src/platform/posix.ts', "import koffi from 'koffi'", undefined],
  ['koffi beside its file', 'src/platform/a.ts', "import koffi from 'koffi'", 'native'],
  ['a written file', 'src/storage/a.ts', "import { writeFile } from 'node:fs/promises'", 'write'],
  ['a written file, renamed', 'src/storage/a.ts', "import { renameSync as move } from 'node:fs'", 'write'],
  ['a written file by the module', 'src/storage/a.ts', "import fs from 'node:fs'\nfs.promises.link(a, b)", 'write'],
  ['a written stream', 'src/storage/a.ts', "import * as fs from 'node:fs'\nfs.createWriteStream(a)", 'write'],
  ['a file opened to write', 'src/storage/a.ts', "import { open } from 'node:fs/promises'\nawait open(join(a, b), 'wx', 0o600)", 'write'],
  ['a file opened to write by numbers', 'src/storage/a.ts', "import { openSync } from 'node:fs'\nopenSync(a, O_RDONLY | O_CREAT)", 'write'],
  ['a file opened in some way', 'src/storage/a.ts', "import { openSync } from 'node:fs'\nopenSync(a, flags)", 'write'],
  [
    'a file opened to read',
    'src/storage/a.ts',
    "import { open } from 'node:fs/promises'\nawait open(join(a, b), 'r')\nawait open(a)",
    undefined,
  ],
  [
    'a file opened to read by numbers',
    'src/storage/a.ts',
    "import { openSync } from 'node:fs'\nopenSync(a, O_RDONLY | O_NOFOLLOW)",
    undefined,
  ],
  [
    'a handle that is synced',
    'src/storage/a.ts',
    "import { open } from 'node:fs/promises'\nconst h = await open(a)\nawait h.sync()",
    'write',
  ],
  ["somebody's own sync", 'src/storage/a.ts', "import { stat } from 'node:fs/promises'\nawait file.sync()", undefined],
  [
    "somebody's own link and open",
    'src/storage/a.ts',
    "import { readFile } from 'node:fs/promises'\nstore.link(a, b)\nopen(a, 'w')",
    undefined,
  ],
  ['the same in platform', 'src/platform/a.ts', "import { writeFile } from 'node:fs/promises'", undefined],
  ['the same in a test', 'src/storage/a.test.ts', "import { writeFile } from 'node:fs/promises'", undefined],
]

describe('the checker', () => {
  for (const [what, file, text, rule] of CASES) {
    it(`${rule === undefined ? 'lets pass' : `complains (${rule}) about`} ${what}`, () => {
      const complaints = complaintsOn({ [file]: text })
      if (rule === undefined) assert.deepEqual(complaints, [])
      else assert.deepEqual([...new Set(complaints.map((c) => c.split(' ')[0]))], [rule], complaints.join(', '))
    })
  }

  it('lets a listed file write, and no other', () => {
    const files = {
      'src/storage/a.ts': "import { link } from 'node:fs/promises'",
      'src/storage/b.ts': "import { link } from 'node:fs/promises'",
    }
    assert.deepEqual(complaintsOn(files, [{ file: 'src/storage/a.ts', why: 'it publishes' }]), ['write src/storage/b.ts:1'])
  })

  it('says the line', () => {
    assert.deepEqual(complaintsOn({ 'src/storage/a.ts': '/*\n*/\n\nconst t = Date.now()' }), ['ambient src/storage/a.ts:4'])
  })
})

describe('the reader of sources', () => {
  it('keeps code and blanks everything else, place by place', () => {
    const cases: [string, string][] = [
      ["a('b\\'c') // d", "a('    ')     "],
      ['a /* b\nc */ d', 'a     \n     d'],
      ['`a§{b + `c§{d}e`}f` + g', '` §{b + ` §{d} `} ` + g'],
      ['`§{{ a: {} }}b` + c', '`§{{ a: {} }} ` + c'],
      ['x = a / b / c', 'x = a / b / c'],
      ["x = /['/]'\\//g.test(y)", 'x = /       / .test(y)'],
      ['return /a/', 'return / /'],
      ['(a) / b / c', '(a) / b / c'],
      ['i++ / 2 / c', 'i++ / 2 / c'],
      ['a.of / b / c', 'a.of / b / c'],
      ["'never closed\nb", "'            \nb"],
    ]
    const dollar = (text: string) => text.replaceAll('§', '$')
    for (const [text, code] of cases) assert.equal(codeOnly(dollar(text)), dollar(code))
  })

  it('finds every kind of import with its names', () => {
    const text = [
      "import a, { b as c, type D } from './one.ts'",
      "import * as e from './two.ts'",
      "import type {\n  F,\n} from './three.ts'",
      "import './four.ts'",
      "export type { G } from './five.ts'",
      "import json from './six.json' with { type: 'json' }",
      "type H = import('./seven.ts').H",
      'const text = \'import x from "./no.ts"\'',
    ].join('\n')
    const found = importsOf(text)
    assert.deepEqual(
      found.map(({ specifier, typeOnly }) => [specifier, typeOnly]),
      [
        ['./one.ts', false],
        ['./two.ts', false],
        ['./three.ts', true],
        ['./four.ts', false],
        ['./five.ts', true],
        ['./six.json', false],
        ['./seven.ts', false],
      ],
    )
    assert.deepEqual(Object.fromEntries(found[0]?.names ?? []), { default: 'a', b: 'c', D: 'D' })
    assert.deepEqual(Object.fromEntries(found[1]?.names ?? []), { '*': 'e' })
  })
})
