/** docs/format.md is enough to write a reader: `reader.py` was written from that page alone, and reads what Terp wrote. */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { backUp } from '../../src/archive/index.ts'
import { startOperation } from '../../src/base/operation.ts'
import { seededRandom, systemRandom } from '../../src/base/random.ts'
import { blake3 } from '../../src/hashing/index.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { makeRecoveryKey, openWriteSession, parseKeyFile, parsePassphrase, Repository, type Secret } from '../../src/repository/index.ts'
import { createLocalDiskStore } from '../../src/storage/index.ts'

const PYTHON = '/usr/bin/python3'
const READER = join(import.meta.dirname, 'reader.py')
const run = promisify(execFile)

const modules = spawnSync(PYTHON, ['-c', 'import argon2.low_level, cryptography, zstandard'])
const skip =
  modules.error !== undefined
    ? `${PYTHON} is missing`
    : modules.status !== 0
      ? 'python3-cryptography, python3-argon2 or python3-zstandard is missing'
      : false

const PASSPHRASE = 'a passphrase for one test'
const op = startOperation()

interface Listed {
  path: string
  type: string
  mode: number
  uid: number
  gid: number
  marks: number
  modified: [number, number]
  links: number
  size: number
  inode: number
  target?: string
  xattrs: [string, string][]
  sha256?: string
}

describe('the reader written from docs/format.md', { skip }, () => {
  let scratch: string
  let source: string
  let pool: string
  let word: { secret: Secret; words: string }

  before(async () => {
    scratch = fs.mkdtempSync(join(fs.realpathSync('/tmp'), 'terp-reader-'))
    source = join(scratch, 'source')
    pool = join(scratch, 'pool')
    makeSource(source)
    fs.writeFileSync(join(scratch, 'key'), Buffer.from(systemRandom().bytes(48)))
    fs.writeFileSync(join(scratch, 'passphrase'), `${PASSPHRASE}\n`)
    word = makeRecoveryKey(systemRandom())
    fs.writeFileSync(join(scratch, 'words'), `# a line for people\n${word.words.replaceAll(' ', '\n').toUpperCase()}\n`)
    fs.writeFileSync(join(scratch, 'list'), wordlist.join('\n'))
    await makePool()
  })

  after(() => fs.rmSync(scratch, { recursive: true, force: true }))

  async function makePool(): Promise<void> {
    const store = await createLocalDiskStore(op, systemDisk(), pool)
    const repository = await Repository.create(op, store, {
      kind: 'pool',
      // Small, so that bundles cross chunks, files have lists, lists have lists, and there are many packs.
      chunking: { algorithm: 'sieve', minBytes: 256, targetBytes: 1024, maxBytes: 4096 },
      packBytes: 262_144,
      // BLAKE3 in plain Python would take minutes; it has a test of its own.
      contentHash: 'sha256',
      keyCosts: { memoryKib: 65_536, passes: 3 },
      secrets: [
        { secret: parseKeyFile(fs.readFileSync(join(scratch, 'key'))), label: 'key' },
        { secret: parsePassphrase(PASSPHRASE), label: 'passphrase' },
        { secret: word.secret, label: 'words' },
      ],
    })
    for (const [name, path] of [
      ['part', join(source, 'bundled')],
      ['whole', source],
    ] as const) {
      const session = await openWriteSession(op, repository, { release: async () => {} }, store)
      await backUp(op, {
        session,
        paths: [Buffer.from(path)],
        source: name,
        host: 'host',
        excludes: [],
        excludeCaches: false,
        oneFileSystem: false,
        forceRead: false,
        skipFolders: [],
        program: 'test',
      })
    }
  }

  const read = async (...args: string[]) => {
    const { stdout } = await run(PYTHON, [READER, pool, '--key-file', join(scratch, 'key'), ...args], {
      maxBuffer: 1 << 28,
      encoding: 'buffer',
    })
    return stdout
  }
  const readEntries = async (point: string, ...args: string[]) =>
    (await read(...args, 'entries', point))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Listed)

  it('computes BLAKE3 as Terp does', async () => {
    const content = Buffer.from(seededRandom('reader/blake3').bytes(70_000))
    const lengths = [0, 1, 64, 65, 1024, 1025, 5000, 70_000]
    const program = 'import sys, reader\ndata = sys.stdin.buffer.read()\nfor n in sys.argv[1:]: print(reader.blake3(data[:int(n)]).hex())'
    const hashes = execFileSync(PYTHON, ['-B', '-c', program, ...lengths.map(String)], {
      input: content,
      encoding: 'utf8',
      env: { PYTHONPATH: import.meta.dirname },
    })
    assert.deepEqual(
      hashes.trim().split('\n'),
      lengths.map((length) => blake3(content.subarray(0, length)).toString('hex')),
    )
  })

  it('lists the recovery points of all sources', async () => {
    const points = JSON.parse((await read('list')).toString()) as { source: string; statistics: { files: number } }[]
    assert.deepEqual(
      points.map((point) => point.source),
      ['part', 'whole'],
    )
    assert.equal(points[1]?.statistics.files, walk(source).filter((path) => fs.lstatSync(path).isFile()).length)
  })

  it('opens a pool with the key file, the passphrase, and the words of the recovery key', async () => {
    const expected = await read('list')
    for (const secret of [
      ['--passphrase-file', join(scratch, 'passphrase')],
      ['--key-file', join(scratch, 'words'), '--word-list', join(scratch, 'list')],
    ]) {
      const { stdout } = await run(PYTHON, [READER, pool, ...secret, 'list'], { encoding: 'buffer' })
      assert.deepEqual(stdout, expected)
    }
  })

  it('lists every entry as the source has it, and reads every file as it is', async () => {
    const entries = (await readEntries('latest', '--content')).filter(({ marks }) => (marks & 4) === 0)
    const found = new Map(entries.map((entry) => [Buffer.from(entry.path, 'base64').toString('latin1'), entry]))
    const expected = walk(source)
    assert.deepEqual([...found.keys()].sort(), expected.map((path) => path.slice(1).toString('latin1')).sort())
    for (const path of expected) {
      const entry = found.get(path.slice(1).toString('latin1')) as Listed
      const stat = fs.lstatSync(path, { bigint: true })
      const shown = path.toString()
      assert.equal(entry.type, typeOf(stat), shown)
      assert.equal(BigInt(entry.mode), stat.mode & 0o7777n, shown)
      assert.deepEqual([entry.uid, entry.gid], [Number(stat.uid), Number(stat.gid)], shown)
      assert.equal(BigInt(entry.modified[0]) * 1_000_000_000n + BigInt(entry.modified[1]), stat.mtimeNs, shown)
      if (!stat.isDirectory()) assert.equal(BigInt(entry.links), stat.nlink, shown)
      if (stat.isFile()) {
        assert.equal(BigInt(entry.size), stat.size, shown)
        assert.equal(entry.sha256, sha256(fs.readFileSync(path)), shown)
      }
      if (stat.isSymbolicLink()) {
        assert.deepEqual(Buffer.from(entry.target ?? '', 'base64'), fs.readlinkSync(path, { encoding: 'buffer' }), shown)
      }
    }
  })

  it('extracts one file by its path', async () => {
    const path = join(source, 'large-with-lists')
    assert.equal(sha256(await read('extract', 'latest', path)), sha256(fs.readFileSync(path)))
  })

  it('reads the packs where the index is damaged or gone', async () => {
    const kept = await read('extract', 'latest', join(source, 'bundled/file-7'))
    const index = join(pool, 'index')
    const [first, ...others] = fs.readdirSync(index)
    const saved = fs.readFileSync(join(index, first as string))
    const flipped = Buffer.from(saved)
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] as number) ^ 1
    fs.writeFileSync(join(index, first as string), flipped)
    for (const other of others) fs.renameSync(join(index, other), join(scratch, other))
    assert.deepEqual(await read('extract', 'latest', join(source, 'bundled/file-7')), kept)
    fs.writeFileSync(join(index, first as string), saved)
    for (const other of others) fs.renameSync(join(scratch, other), join(index, other))
  })

  it('refuses what was changed in a pack, a manifest or both copies of FORMAT', async () => {
    const points = join(pool, 'points')
    const manifests = walk(points).filter((path) => path.toString().endsWith('.point'))
    const packs = walk(join(pool, 'packs')).filter((path) => path.toString().endsWith('.pack'))
    for (const victims of [manifests, packs, [Buffer.from(join(pool, 'FORMAT')), Buffer.from(join(pool, 'FORMAT.copy'))]]) {
      const saved = victims.map((path) => fs.readFileSync(path))
      victims.forEach((path, i) => {
        const bytes = Buffer.from(saved[i] as Buffer)
        bytes[100] = (bytes[100] as number) ^ 1
        fs.writeFileSync(path, bytes)
      })
      await assert.rejects(read('--content', 'entries', 'latest'), /reader: /)
      victims.forEach((path, i) => {
        fs.writeFileSync(path, saved[i] as Buffer)
      })
    }
    await read('list')
  })

  it('refuses a wrong key', async () => {
    fs.writeFileSync(join(scratch, 'wrong'), Buffer.alloc(40, 1))
    await assert.rejects(run(PYTHON, [READER, pool, '--key-file', join(scratch, 'wrong'), 'list']), /this secret opens no key slot/)
  })
})

function makeSource(source: string): void {
  fs.mkdirSync(join(source, 'bundled/deeper'), { recursive: true })
  fs.mkdirSync(join(source, 'empty-folder'))
  const random = seededRandom('reader')
  const write = (name: string, bytes: Uint8Array | string) => fs.writeFileSync(join(source, name), bytes)
  write('empty', '')
  write('one-byte', 'x')
  write('text', 'all work and no play\n'.repeat(5000))
  write('just-below-a-bundle-limit', random.bytes(524_287))
  write('at-the-limit', random.bytes(524_288))
  write('large-with-lists', random.bytes(3_000_000))
  // 60 000 extents of few chunks: its lists are more than 64, so there are lists of lists.
  write('large-with-lists-of-lists', Buffer.alloc(80_000_000, random.bytes(2_000_000)))
  write('large-and-equal', Buffer.alloc(2_000_000, 'the same again '))
  for (let i = 0; i < 700; i++) write(`bundled/file-${i}`, random.bytes((i * 37) % 9000))
  for (let i = 0; i < 300; i++) write(`bundled/deeper/note ${i}`, `note ${i}\n`.repeat(i))
  write('bundled-', 'sorts after bundled/…')
  write('bundled!', 'also')
  const file = fs.openSync(join(source, 'sparse'), 'w')
  fs.writeSync(file, random.bytes(200_000), 0, 200_000, 8_000_000)
  fs.writeSync(file, 'end', 40_000_000)
  fs.ftruncateSync(file, 50_000_000)
  fs.closeSync(file)
  fs.linkSync(join(source, 'text'), join(source, 'hard-link'))
  fs.symlinkSync('nowhere/at all', join(source, 'dangling'))
  fs.symlinkSync('bundled', join(source, 'to-folder'))
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/not-utf8-`), Buffer.of(0xff, 0xfe, 0x0a)]), 'bytes')
  execFileSync('mkfifo', [join(source, 'fifo')])
  fs.chmodSync(join(source, 'text'), 0o6751)
  fs.utimesSync(join(source, 'one-byte'), 1, -86_400 * 400 + 0.5)
}

/** All below a folder and the folder itself, as bytes. */
function walk(folder: string | Uint8Array): Buffer[] {
  const path = Buffer.from(folder as string)
  const paths: Buffer[] = [path]
  for (const entry of fs.readdirSync(path, { encoding: 'buffer', withFileTypes: true })) {
    const child = Buffer.concat([path, Buffer.from('/'), entry.name])
    if (entry.isDirectory()) paths.push(...walk(child))
    else paths.push(child)
  }
  return paths
}

function typeOf(stat: fs.BigIntStats): string {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'folder'
  if (stat.isSymbolicLink()) return 'symlink'
  return stat.isFIFO() ? 'fifo' : 'other'
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
