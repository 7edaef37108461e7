/** Two versions of real and of made content, below a folder: Debian's packages through apt, whose signatures it checks, and what a seed gives. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { seededRandom } from '../../src/base/random.ts'
import { BUNDLED_BELOW_BYTES } from '../../src/chunking/index.ts'

export interface Corpus {
  readonly name: string
  /** Streams as a backup cuts them: large files alone, small ones in bundles. */
  before(): Iterable<Buffer>
  after(): Iterable<Buffer>
}

const BUNDLE_BYTES = 16_777_216
const SOURCE_FOLDERS = ['kernel', 'fs', 'mm', 'net', 'sound', 'lib', 'include', 'crypto', 'block', 'drivers/net', 'tools', 'arch/x86']

export function makeCorpora(folder: string): Corpus[] {
  fs.mkdirSync(folder, { recursive: true })
  const sources = versionsOf(folder, ['linux-source-6.1'], unpackSources)
  const packages = versionsOf(folder, ['libreoffice-core', 'postgresql-15'], unpackPackage)
  const databases = makeDatabases(folder)
  const images = makeImages(folder, packages)
  return [
    ofFolders('source tree, next version', ...sources),
    ofMaker(
      'the same as one tar',
      () => tarOf(sources[0]),
      () => tarOf(sources[1]),
    ),
    ofFolders('Debian packages, next version', ...packages),
    ofMaker(
      'SQLite, 1.5 % of rows new or changed',
      () => fs.readFileSync(databases.first),
      () => fs.readFileSync(databases.updated),
    ),
    ofMaker(
      'ext4 image, packages upgraded in it',
      () => fs.readFileSync(images[0]),
      () => fs.readFileSync(images[1]),
    ),
    ofMaker(
      'random, 60 insertions and cuts',
      () => random(),
      () => shifted(random(), 60),
    ),
    ofMaker(
      'log, lines inserted, head rotated away',
      () => log(),
      () => rotated(log()),
    ),
  ]
}

function ofMaker(name: string, before: () => Buffer, after: () => Buffer): Corpus {
  return { name, before: () => [before()], after: () => [after()] }
}

function ofFolders(name: string, before: string, after: string): Corpus {
  return { name, before: () => streamsOf(before), after: () => streamsOf(after) }
}

/** Files in the order of paths. */
function* streamsOf(folder: string): Generator<Buffer> {
  let bundle: Buffer[] = []
  let bundled = 0
  for (const path of filesBelow(folder)) {
    const content = fs.readFileSync(join(folder, path))
    if (content.length >= BUNDLED_BELOW_BYTES) {
      yield content
      continue
    }
    bundle.push(content)
    bundled += content.length
    if (bundled < BUNDLE_BYTES) continue
    yield Buffer.concat(bundle)
    bundle = []
    bundled = 0
  }
  yield Buffer.concat(bundle)
}

function filesBelow(folder: string): string[] {
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0'))))
}

/** The oldest but one that Debian has and the newest, so that there is something between them. */
function versionsOf(folder: string, names: readonly string[], unpack: (deb: string, into: string) => void): [string, string] {
  const folders = ['before', 'after'].map((age) => join(folder, `${names.join('+')}-${age}`)) as [string, string]
  for (const [i, into] of folders.entries()) {
    if (fs.existsSync(into)) continue
    const making = `${into}.making`
    fs.rmSync(making, { recursive: true, force: true })
    fs.mkdirSync(making, { recursive: true })
    for (const name of names) {
      const versions = [...new Set(run(folder, 'apt-cache', ['madison', name]).match(/(?<=\| +)\d\S*(?= \|)/g))]
      const version = i === 0 ? (versions[Math.min(versions.length - 1, 3)] as string) : (versions[0] as string)
      run(folder, 'apt-get', ['download', '-q', `${name}=${version}`])
      const deb = fs.readdirSync(folder).find((file) => file.startsWith(`${name}_${version.replaceAll(':', '%3a')}_`)) as string
      unpack(join(folder, deb), making)
    }
    fs.renameSync(making, into)
  }
  return folders
}

function unpackPackage(deb: string, into: string): void {
  run(into, 'dpkg-deb', ['-x', deb, into])
}

function unpackSources(deb: string, into: string): void {
  const name = 'linux-source-6.1'
  const folders = SOURCE_FOLDERS.map((path) => `${name}/${path}`).join(' ')
  run(into, 'sh', ['-c', `dpkg-deb --fsys-tarfile '${deb}' | tar -xO ./usr/src/${name}.tar.xz | tar -xJ ${folders}`])
}

/** Times and owners do not matter: those of a version are all the same. */
function tarOf(folder: string): Buffer {
  const options = ['--sort=name', '--mtime=2026-01-01', '--owner=0', '--group=0', '--numeric-owner']
  return execFileSync('tar', ['-C', folder, ...options, '-c', '.'], { maxBuffer: 2 ** 31 - 1 })
}

const ROWS = 400_000

/** Orders of a shop: later some come in, and some of those that lie near to each other change. */
function makeDatabases(folder: string): { first: string; updated: string } {
  const files = { first: join(folder, 'first.db'), updated: join(folder, 'updated.db') }
  if (fs.existsSync(files.updated)) return files
  const making = `${files.updated}.making`
  for (const file of [files.first, making]) fs.rmSync(file, { force: true })
  const random = numbers('sqlite')
  const words = Array.from({ length: 4000 }, () => random(2 ** 40).toString(36))
  const text = () => Array.from({ length: 10 + random(60) }, () => words[random(words.length)]).join(' ')
  const change = (file: string, statements: (db: DatabaseSync) => void) => {
    const db = new DatabaseSync(file)
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN')
    statements(db)
    db.exec('COMMIT')
    db.close()
  }
  const insertion = 'INSERT INTO item (name, price, note) VALUES (?, ?, ?)'
  change(files.first, (db) => {
    db.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, note TEXT)')
    const insert = db.prepare(insertion)
    for (let i = 0; i < ROWS; i++) insert.run(`${words[random(words.length)]}-${i}`, random(100_000) / 100, text())
    db.exec('CREATE INDEX item_name ON item (name)')
  })
  fs.copyFileSync(files.first, making)
  change(making, (db) => {
    const update = db.prepare('UPDATE item SET price = ?, note = ? WHERE id = ?')
    const insert = db.prepare(insertion)
    for (let place = 0; place < 40; place++) {
      const from = 1 + random(ROWS - 200)
      for (let i = 0; i < 100; i++) update.run(random(100_000) / 100, text(), from + random(200))
    }
    for (let i = 0; i < ROWS / 200; i++) insert.run(`${words[random(words.length)]}-new-${i}`, random(100_000) / 100, text())
  })
  fs.renameSync(making, files.updated)
  return files
}

function makeImages(folder: string, packages: readonly [string, string]): [string, string] {
  const images: [string, string] = [join(folder, 'before.ext4'), join(folder, 'after.ext4')]
  if (fs.existsSync(images[1])) return images
  const making = `${images[1]}.making`
  for (const file of [...images, making]) fs.rmSync(file, { force: true })
  const [before, after] = packages
  run(folder, 'mkfs.ext4', ['-q', '-F', '-U', '00000000-0000-4000-8000-000000000000', '-d', before, images[0], '400M'])
  fs.copyFileSync(images[0], making)
  const commands: string[] = []
  const old = new Set(filesBelow(before))
  for (const path of filesBelow(after)) {
    if (old.has(path) && fs.readFileSync(join(before, path)).equals(fs.readFileSync(join(after, path)))) continue
    if (old.has(path)) commands.push(`rm "/${path}"`)
    commands.push(`write "${join(after, path)}" "/${path}"`)
  }
  execFileSync('debugfs', ['-w', '-f', '-', making], { input: `${commands.join('\n')}\n`, stdio: ['pipe', 'ignore', 'ignore'] })
  fs.renameSync(making, images[1])
  return images
}

function random(): Buffer {
  // Drawn once and repeated with a difference: SHA-256 for all of it would take longer than everything else.
  const piece = Buffer.from(seededRandom('chunking/random').bytes(4_194_304))
  const parts = Array.from({ length: 32 }, (_, i) => {
    const words = new Uint32Array(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length))
    for (let at = 0; at < words.length; at++) words[at] = Math.imul((words[at] as number) ^ (i * 0x9e3779b1), 0x85ebca6b + 2 * i)
    return Buffer.from(words.buffer)
  })
  return Buffer.concat(parts)
}

function shifted(content: Buffer, places: number): Buffer {
  const draw = numbers('chunking/shifted')
  const parts: Buffer[] = [Buffer.from('a new beginning')]
  let at = 0
  for (let i = 0; i < places; i++) {
    const until = Math.min(content.length, at + draw((2 * content.length) / places))
    parts.push(content.subarray(at, until))
    if (i % 2 === 0) parts.push(Buffer.from(seededRandom(`insertion ${i}`).bytes(1 + draw(5000))))
    at = i % 2 === 0 ? until : Math.min(content.length, until + draw(5000))
  }
  return Buffer.concat([...parts, content.subarray(at)])
}

function log(): Buffer {
  const draw = numbers('chunking/log')
  const lines: string[] = []
  for (let i = 0; i < 1_200_000; i++) {
    const time = new Date(1_700_000_000_000 + i * 250).toISOString()
    const status = draw(20) === 0 ? 404 : 200
    lines.push(
      `${time} 10.0.${draw(4)}.${draw(256)} GET /shop/item/${draw(5000)} ${status} ${draw(60_000)} "Mozilla/5.0 (X11; Linux x86_64)"`,
    )
  }
  return Buffer.from(`${lines.join('\n')}\n`)
}

function rotated(content: Buffer): Buffer {
  const draw = numbers('chunking/rotated')
  const at = content.indexOf('\n', content.length * 0.03) + 1
  const parts: Buffer[] = []
  let from = at
  for (let i = 0; i < 15; i++) {
    const until = content.indexOf('\n', Math.min(content.length - 2, from + draw(content.length / 8))) + 1
    parts.push(content.subarray(from, until), Buffer.from(`kernel: oom-killer ${draw(2 ** 30)}\n`))
    from = until
  }
  return Buffer.concat([...parts, content.subarray(from)])
}

/** Whole numbers below what is asked for, from a seed. */
function numbers(seed: string): (below: number) => number {
  let state = Buffer.from(seededRandom(seed).bytes(4)).readUInt32LE(0)
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function run(cwd: string, command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'] })
}
