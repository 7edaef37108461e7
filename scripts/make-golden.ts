/**
 * Makes a golden pool: what this version of Terp writes, kept so that every later version must read it. Run once for each version of the format,
 * and never again for the same one: it refuses a folder that exists.
 *
 *   node scripts/make-golden.ts test/golden/format-v2
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { backUp } from '../src/archive/index.ts'
import { startOperation } from '../src/base/operation.ts'
import { seededRandom } from '../src/base/random.ts'
import { systemDisk } from '../src/platform/index.ts'
import { openWriteSession, parseKeyFile, Repository, writeConfiguration } from '../src/repository/index.ts'
import { createLocalDiskStore } from '../src/storage/index.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined || fs.existsSync(folder)) throw new Error('give a folder that does not exist yet')

/** What the pool protects, in a folder of its own so that paths are always the same. */
const SOURCE = '/tmp/terp-golden-source'

fs.rmSync(SOURCE, { recursive: true, force: true })
fs.mkdirSync(join(SOURCE, 'folder/empty'), { recursive: true })
const random = seededRandom('golden')
const write = (name: string, content: string | Uint8Array) => fs.writeFileSync(join(SOURCE, name), content)
write('empty', '')
write('text', 'golden words\n'.repeat(300))
write('folder/random', random.bytes(20_000))
write('folder/büro\nfile', 'a name with a line feed')
fs.writeFileSync(Buffer.concat([Buffer.from(`${SOURCE}/`), Buffer.of(0xff, 0xfe)]), 'a name that is not UTF-8')
for (let i = 0; i < 100; i++) write(`folder/small-${i}`, `small ${i}\n`)
// Larger than a bundle and with more extents than stand in a page, of content that repeats, so that the pool stays small.
write('folder/lists', Buffer.alloc(600_000, random.bytes(30_000)))
const sparse = fs.openSync(join(SOURCE, 'sparse'), 'w')
fs.writeSync(sparse, 'behind a hole', 2_000_000)
fs.ftruncateSync(sparse, 3_000_000)
fs.closeSync(sparse)
fs.linkSync(join(SOURCE, 'text'), join(SOURCE, 'folder/hard link'))
fs.symlinkSync('../text', join(SOURCE, 'folder/link'))
fs.chmodSync(join(SOURCE, 'text'), 0o6750)
for (const name of ['text', 'folder/random', 'sparse']) fs.utimesSync(join(SOURCE, name), -5, 1_700_000_000.5)

fs.mkdirSync(folder, { recursive: true })
fs.writeFileSync(join(folder, 'key'), `${Buffer.from(random.bytes(32)).toString('hex')}\n`)
const secret = parseKeyFile(fs.readFileSync(join(folder, 'key')))
const op = startOperation()
const store = await createLocalDiskStore(op, systemDisk(), join(folder, 'pool'))
const repository = await Repository.create(op, store, {
  kind: 'pool',
  chunking: { algorithm: 'sieve', minBytes: 1024, targetBytes: 4096, maxBytes: 16_384 },
  packBytes: 65_536,
  secrets: [{ secret, label: 'golden' }],
})
await writeConfiguration(op, repository, 'golden', { words: 'golden' })
await backUpOnce()
write('folder/later', 'written between the two recovery points')
await backUpOnce()

interface Expected {
  type: string
  mode: number
  mtimeNs: string
  size: number
  sha256?: string
  target?: string
}
const expected: Record<string, Expected> = {}
collect(Buffer.from(SOURCE))
fs.writeFileSync(join(folder, 'expected.json'), `${JSON.stringify(expected, null, 2)}\n`)
// As git gives them back: readable by all.
execFileSync('chmod', ['-R', 'u=rwX,go=rX', folder])
// Folders that hold nothing would not come through git.
for (const name of fs.readdirSync(join(folder, 'pool/packs'))) {
  if (fs.readdirSync(join(folder, 'pool/packs', name)).length === 0) fs.rmdirSync(join(folder, 'pool/packs', name))
}
for (const name of ['tmp', 'quarantine']) fs.rmSync(join(folder, 'pool', name), { recursive: true })
fs.rmSync(SOURCE, { recursive: true })

async function backUpOnce(): Promise<void> {
  const session = await openWriteSession(op, repository, { release: async () => {} }, store)
  await backUp(op, {
    session,
    paths: [Buffer.from(SOURCE)],
    source: 'golden',
    host: 'golden-host',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: true,
    skipFolders: [],
    program: 'terp',
  })
}

/** Names are bytes: they stand in hexadecimal. */
function collect(path: Buffer<ArrayBuffer>): void {
  const stat = fs.lstatSync(path, { bigint: true })
  expected[path.subarray(1).toString('hex')] = {
    type: stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'symlink',
    mode: Number(stat.mode & 0o7777n),
    mtimeNs: String(stat.mtimeNs),
    size: stat.isFile() ? Number(stat.size) : 0,
    ...(stat.isFile() ? { sha256: createHash('sha256').update(fs.readFileSync(path)).digest('hex') } : {}),
    ...(stat.isSymbolicLink() ? { target: fs.readlinkSync(path) } : {}),
  }
  if (!stat.isDirectory()) return
  for (const name of fs.readdirSync(path, { encoding: 'buffer' })) collect(Buffer.concat([path, Buffer.from('/'), name]))
}
