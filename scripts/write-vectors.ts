/**
 * Writes the test vectors of docs/format.md §15. Everything in them is drawn from seeds and a clock that stands still, so writing them again
 * changes nothing unless the format changed; test/format/vectors.test.ts holds the page to the code, and the code to the page.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, zstdCompressSync } from 'node:zlib'
import type { Entry, Extent } from '../src/archive/index.ts'
import { foldExtents } from '../src/archive/tree/content-list.ts'
import { encodeInnerPage, LeafEncoder } from '../src/archive/tree/page-codec.ts'
import { ByteWriter } from '../src/base/bytes.ts'
import { ManualClock } from '../src/base/clock.ts'
import { type Operation, startOperation } from '../src/base/operation.ts'
import { seededRandom } from '../src/base/random.ts'
import { type ChunkingParameters, createCutter } from '../src/chunking/index.ts'
import { seal } from '../src/repository/format/aead.ts'
import { encodeFormat } from '../src/repository/format/format-file.ts'
import { encodeSealedObject, OBJECT_KIND } from '../src/repository/format/sealed-object.ts'
import { encodeSegment } from '../src/repository/index/segment.ts'
import {
  addKeySlot,
  CHUNK_TYPE,
  type ChunkType,
  ChunkWriter,
  cutterKey,
  decodeKeyBundle,
  type KeyBundle,
  KnownChunks,
  PACK_CLASS,
  packName,
  pageSeed,
  parseKeyFile,
  parsePassphrase,
  type SealedPack,
  type Secret,
} from '../src/repository/index.ts'
import { chunkId, deriveKeys, deriveObjectKey, objectHash, sourceId } from '../src/repository/keys/hierarchy.ts'
import { encodeManifest } from '../src/repository/manifest/manifest.ts'
import { entryAssociatedData, padmeSize } from '../src/repository/pack/pack-format.ts'
import { MemoryStore } from '../src/storage/index.ts'
import { replaceBlock } from './generated-block.ts'

export const FORMAT_PAGE = join(import.meta.dirname, '../docs/format.md')

/** 2026-01-02T03:04:05.678Z */
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const REPOSITORY_ID = '101112131415161718191a1b1c1d1e1f'
export const KEY_BYTES = Buffer.from(Array.from({ length: 96 }, (_, i) => i))
export const CUT_SIZES = { minBytes: 1024, targetBytes: 4096, maxBytes: 16_384 }
export const KEY_FILE = 'a key file of forty characters, not more'
export const PASSPHRASE = 'correct horse battery staple'
export const SOURCE = 'büro'
/** In the order of trees. */
const PATHS = ['a', 'a/b', 'a/b/c', 'a/b!', 'a/c', 'a\u0001', 'a!', 'a-b', 'ab', 'b']

export function vectorBundle(): KeyBundle {
  const bundle = decodeKeyBundle(KEY_BYTES)
  if (!bundle) throw new Error('the vectors’ key bundle has a wrong length')
  return bundle
}

export const vectorKeys = () => deriveKeys(vectorBundle(), REPOSITORY_ID)

function operation(seed: string): Operation {
  return startOperation({ random: seededRandom(seed), clock: new ManualClock(NOW_MS) })
}

/** The stream that the cut example cuts. */
export function cutStream(): Buffer {
  return Buffer.from(seededRandom('vectors/cut').bytes(65_536))
}

type Line = readonly [name: string, value: string | Uint8Array, meaning?: string]

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** JSON with buffers as `hex:…` and what is not there as null. */
function json(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (field === undefined) return null
    const isBuffer = typeof field === 'object' && field !== null && 'type' in field && field.type === 'Buffer' && 'data' in field
    return isBuffer ? `hex:${hex(Uint8Array.from(field.data as number[]))}` : field
  })
}

export function fromJson(text: string): unknown {
  return revive(JSON.parse(text))
}

function revive(value: unknown): unknown {
  if (value === null) return undefined
  if (typeof value === 'string') return value.startsWith('hex:') ? Buffer.from(value.slice(4), 'hex') : value
  if (Array.isArray(value)) return value.map(revive)
  if (typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, revive(field)]))
  return value
}

function encodings(): Line[] {
  const varint = (value: number) => hex(new ByteWriter().varint(value).finish())
  const svarint = (value: number) => hex(new ByteWriter().svarint(value).finish())
  const list = (values: readonly number[], encode: (value: number) => string) =>
    values.map((value) => `${value}=${encode(value)}`).join(' ')
  return [
    ['varint', list([0, 1, 127, 128, 300, 16_384, 4_294_967_295, Number.MAX_SAFE_INTEGER], varint), 'decimal=hex'],
    ['svarint', list([0, -1, 1, -2, 63, -64, 64, -86_400, 1_767_323_045], svarint), 'decimal=hex'],
    ['padme', list([65_537, 100_000, 1_000_000, 9_999_999, 33_554_431], (length) => String(padmeSize(length))), 'length=size, decimal'],
    ['path order', JSON.stringify(PATHS), 'JSON; least first'],
  ]
}

function keys(): Line[] {
  const { dataKey, metaKey } = vectorKeys()
  return [
    ['bundle', KEY_BYTES, 'master key ‖ id key ‖ chunking key'],
    ['repository id', REPOSITORY_ID],
    ['data key', dataKey],
    ['meta key', metaKey],
    [
      'FORMAT',
      encodeFormat(
        {
          version: 1,
          contentHash: 'sha256',
          objectHash: 'sha256',
          repositoryId: REPOSITORY_ID,
          kind: 'pool',
          chunking: { algorithm: 'gear32', minBytes: 262_144, targetBytes: 1_048_576, maxBytes: 4_194_304 },
          packBytes: 33_554_432,
          padding: 'none',
        },
        NOW_MS,
      ).toString(),
      'text',
    ],
  ]
}

async function slot(seed: string, secret: Secret): Promise<string> {
  const store = new MemoryStore()
  const op = operation(seed)
  const options = { repositoryId: REPOSITORY_ID, bundle: vectorBundle(), secret, label: seed, costs: { memoryKib: 65_536, passes: 3 } }
  const { slot } = await addKeySlot(op, store, options)
  return (await store.get(op, `keys/${slot}.key`)).toString()
}

async function slots(): Promise<Line[]> {
  return [
    ['key file', KEY_FILE, 'text'],
    ['slot of the key file', await slot('key', parseKeyFile(Buffer.from(KEY_FILE))), 'text'],
    ['passphrase', PASSPHRASE, 'text'],
    ['slot of the passphrase', await slot('passphrase', parsePassphrase(PASSPHRASE)), 'text'],
  ]
}

function ids(): Line[] {
  const chunk = (type: ChunkType) => hex(chunkId(vectorKeys(), type, Buffer.from('hello')))
  return [
    ['chunk ids', [1, 2, 3].map((type) => chunk(type as ChunkType)).join(' '), 'of "hello" with types 1, 2, 3'],
    ['chunk id with blake3', hex(chunkId({ ...vectorKeys(), contentHash: 'blake3' }, 1, Buffer.from('hello'))), 'of "hello" with type 1'],
    ['object hash with blake3', objectHash({ contentHash: 'blake3', objectHash: 'blake3' }, Buffer.from('hello')), 'of "hello"'],
    ['source id', `${SOURCE}=${sourceId(vectorKeys(), SOURCE)}`, 'name=id'],
  ]
}

function cuts(): Line[] {
  const stream = cutStream()
  const { minBytes, targetBytes, maxBytes } = CUT_SIZES
  const key = (algorithm: ChunkingParameters['algorithm']) => Buffer.from(cutterKey(vectorKeys(), algorithm))
  const ends = (algorithm: ChunkingParameters['algorithm']) => {
    const cutter = createCutter({ algorithm, ...CUT_SIZES }, key(algorithm))
    const found: number[] = []
    for (let at = 0; at < stream.length; found.push(at)) at = cutter.findCut(stream, at, stream.length)
    return found.join(' ')
  }
  const table = Array.from({ length: 8 }, (_, i) => key('gear32').readUInt32LE(i * 4))
  const seed = pageSeed(vectorKeys())
  const crc = (path: string) => `${path}=${crc32(path, seed).toString(16).padStart(8, '0')}`
  return [
    ['gear table', table.map((value) => value.toString(16).padStart(8, '0')).join(' '), 'G[0] to G[7]; most significant digit first'],
    [
      'cuts by gear32',
      ends('gear32'),
      `ends of chunks, decimal; sizes ${minBytes}, ${targetBytes}, ${maxBytes}; stream: SHA-256("vectors/cut/0") ‖ SHA-256("vectors/cut/1") ‖ …, ${stream.length} bytes`,
    ],
    ['sieve key', key('sieve')],
    ['cuts by sieve', ends('sieve'), 'the same sizes and stream'],
    ['page seed', seed.toString(16).padStart(8, '0'), 'most significant digit first'],
    ['page crc', ['etc', 'etc/hosts'].map(crc).join(' '), 'path=c'],
  ]
}

/** The frame is given, not made: another Zstandard may make another one of the same content. */
export const FRAME_CONTENT = Buffer.from('terp '.repeat(100))

function entry(frame: Uint8Array): Line[] {
  const keys = vectorKeys()
  const salt = seededRandom('vectors/entry').bytes(32)
  const { key, commitment } = deriveObjectKey(keys.dataKey, salt, 'terp/1/pack')
  const id = chunkId(keys, CHUNK_TYPE.data, FRAME_CONTENT)
  const associated = entryAssociatedData(keys, PACK_CLASS.data, { id, offset: 4711, type: CHUNK_TYPE.data, compression: 1 })
  return [
    ['entry salt', salt],
    ['entry key', key],
    ['entry commitment', commitment],
    ['entry frame', frame, 'Zstandard, of "terp " 100 times'],
    ['entry associated data', associated, 'class 1, type 1, compression 1, offset 4711'],
    ['entry', seal(key, 4711, associated, frame)],
  ]
}

async function packAndIndex(): Promise<Line[]> {
  const keys = vectorKeys()
  const store = new MemoryStore()
  const op = operation('vectors/pack')
  const sealed: SealedPack[] = []
  const writer = new ChunkWriter({
    store,
    keys,
    known: KnownChunks.withRoomFor(10),
    packClass: PACK_CLASS.data,
    packBytes: 33_554_432,
    padding: 'none',
    onSealed: (pack) => sealed.push(pack),
  })
  await writer.write(op, CHUNK_TYPE.data, Buffer.from('hello'))
  await writer.write(op, CHUNK_TYPE.data, Buffer.from('wörld'))
  await writer.flush(op)
  const segment = encodeSegment(operation('vectors/segment').random, keys, sealed)
  const name = packName((sealed[0] as SealedPack).sha256)
  return [
    ['pack name', name],
    ['pack', await store.get(op, name), 'class 1, with the chunks "hello" and "wörld", neither compressed'],
    ['segment name', segment.name],
    ['segment', segment.bytes, 'of that pack'],
  ]
}

export const CONTENT_CHUNKS = ['hello', 'wörld'].map((text) => chunkId(vectorKeys(), CHUNK_TYPE.data, Buffer.from(text)))

/** What all entries of the example have, unless they say otherwise. */
export const COMMON: Omit<Entry, 'path' | 'kind'> = {
  unsettled: false,
  sparse: false,
  ancestor: false,
  mode: 0o644,
  uid: 1000,
  gid: 100,
  userName: 'anna',
  groupName: 'users',
  mtimeSec: 1_767_323_045,
  mtimeNs: 678_000_000,
  ctimeSec: 1_767_323_046,
  ctimeNs: 1,
  bornSec: undefined,
  bornNs: 0,
  dev: 65_025,
  ino: 4242,
  links: 1,
  sizeBytes: 0,
  inodeFlags: undefined,
  xattrs: [],
  extents: [],
  target: undefined,
  major: 0,
  minor: 0,
}

function exampleEntries(): (Partial<Entry> & Pick<Entry, 'path' | 'kind'>)[] {
  const [hello, world] = CONTENT_CHUNKS as [Buffer, Buffer]
  const path = (text: string) => Buffer.from(text)
  return [
    { path: path('srv'), kind: 'folder', ancestor: true, mode: 0o755, uid: 0, gid: 0, userName: 'root', groupName: 'root' },
    { path: path('srv/a'), kind: 'folder', mode: 0o2755, bornSec: -86_400, bornNs: 5, inodeFlags: 0x80 },
    {
      path: path('srv/a/file'),
      kind: 'file',
      links: 2,
      sizeBytes: 8,
      xattrs: [{ name: Buffer.from('user.note'), value: Buffer.of(0, 255) }],
      extents: [
        { kind: 'data', chunk: hello, offset: 0, length: 5 },
        { kind: 'data', chunk: world, offset: 1, length: 3 },
      ],
    },
    {
      path: path('srv/a/sparse'),
      kind: 'file',
      unsettled: true,
      sparse: true,
      sizeBytes: 5_000_000_001,
      mtimeSec: -1,
      mtimeNs: 999_999_999,
      extents: [
        { kind: 'hole', length: 5_000_000_000 },
        { kind: 'data', chunk: hello, offset: 4, length: 1 },
      ],
    },
    { path: Buffer.from('737276ff', 'hex'), kind: 'symlink', mode: 0o777, target: Buffer.from('a/b') },
    { path: path('w1'), kind: 'fifo' },
    { path: path('w2'), kind: 'character-device', major: 1, minor: 3, userName: undefined, groupName: undefined },
    { path: path('w3'), kind: 'block-device', major: 259, minor: 1_048_575 },
    { path: path('w4'), kind: 'socket' },
  ]
}

/** A writer that keeps what it is given in place of storing it. */
function collector(): { writer: ChunkWriter; contents: Buffer[] } {
  const contents: Buffer[] = []
  const write = async (_: Operation, type: ChunkType, content: Uint8Array) => {
    contents.push(Buffer.from(content))
    return { id: chunkId(vectorKeys(), type, content), addedBytes: content.length, packedBytes: content.length }
  }
  return { writer: { write } as unknown as ChunkWriter, contents }
}

/** 66 extents: one more than stands in a page, and one. */
export function listedExtents(): Extent[] {
  const [hello, world] = CONTENT_CHUNKS as [Buffer, Buffer]
  const pieces = Array.from({ length: 65 }, (_, i): Extent => {
    return i % 2 === 0 ? { kind: 'data', chunk: hello, offset: 0, length: 5 } : { kind: 'data', chunk: world, offset: 3, length: 2 }
  })
  return [{ kind: 'hole', length: 1_048_576 }, ...pieces]
}

async function tree(): Promise<Line[]> {
  const leaf = new LeafEncoder()
  const entries = exampleEntries()
  for (const entry of entries) leaf.add({ ...COMMON, ...entry })
  const page = leaf.finish()
  const child = {
    firstPath: leaf.firstPath,
    id: chunkId(vectorKeys(), CHUNK_TYPE.page, page),
    entries: leaf.count,
    contentBytes: leaf.contentBytes,
  }
  const second = { firstPath: Buffer.from('z'), id: chunkId(vectorKeys(), CHUNK_TYPE.page, Buffer.of(0)), entries: 1, contentBytes: 0 }
  const { writer, contents } = collector()
  await foldExtents(operation('vectors/list'), writer, listedExtents())
  return [
    ['entries in common', json(COMMON), 'JSON; what an entry below does not say; null: not there'],
    ...entries.map((entry): Line => ['entry of the page', json(entry), 'JSON; data "hex:…" is bytes']),
    ['leaf page', page],
    ['empty page', new LeafEncoder().finish()],
    ['children', json([child, second]), 'JSON'],
    ['inner page', encodeInnerPage(1, [child, second])],
    [
      'content list',
      contents[0] as Buffer,
      'a hole of 1 MiB, then by turns all 5 bytes of "hello" and 2 bytes from 3 of "wörld", 65 times',
    ],
  ]
}

function objects(): Line[] {
  const keys = vectorKeys()
  const source = sourceId(keys, SOURCE)
  const id = '0123456789abcdef0123456789abcdef'
  const manifest = encodeManifest(
    seededRandom('vectors/manifest'),
    keys,
    { id, source, sequence: 1, previous: null },
    {
      id,
      source: SOURCE,
      sequence: 1,
      started: '2026-01-02T03:04:05.678Z',
      finished: '2026-01-02T03:04:06.000Z',
      host: 'host',
      paths: [{ text: '/srv/a', base64: 'c3J2L2E=' }],
      excludes: [],
      root: '00'.repeat(32),
      level: 0,
      epoch: 1,
      program: 'terp 0.1.0',
      statistics: { files: 2, folders: 2, others: 5, total_bytes: 5_000_000_009, data_added: 11, data_added_packed: 43 },
      warnings: 0,
      previous_point: null,
    },
  )
  const place = 'conf/000000000001-note'
  const configuration = encodeSealedObject(seededRandom('vectors/configuration'), keys, {
    kind: OBJECT_KIND.configuration,
    place,
    body: Buffer.from('{"said":"hello"}'),
  })
  return [
    ['manifest name', manifest.name],
    ['manifest', manifest.bytes],
    ['configuration name', `${place}.conf`],
    ['configuration', configuration.bytes, 'of {"said":"hello"}'],
  ]
}

/** `frame`: the one on the page, if there is one. */
export async function makeVectors(frame: Uint8Array = zstdCompressSync(FRAME_CONTENT)): Promise<string> {
  const groups: [string, Line[]][] = [
    ['Encodings (§3, §6.3, §9)', encodings()],
    ['Keys (§4, §5)', keys()],
    ['Key slots (§5); both wrap the bundle above', await slots()],
    ['Ids (§2, §7)', ids()],
    ['Chunking and pages (§7, §9.1)', cuts()],
    ['An entry of a pack (§6)', entry(frame)],
    ['A pack and its index segment (§6, §8)', await packAndIndex()],
    ['A tree (§9)', await tree()],
    ['Sealed objects (§10, §11, §12)', objects()],
  ]
  return groups.map(([title, lines]) => `${title}\n\n\`\`\`text\n${lines.map(show).join('\n')}\n\`\`\``).join('\n\n')
}

const WIDTH = 128

/** `name (meaning):` and the value, on the same line if it fits, else below, indented. */
function show([name, value, meaning]: Line): string {
  const head = `${name}${meaning === undefined ? '' : ` (${meaning})`}:`
  if (typeof value !== 'string') {
    const text = hex(value)
    const rows = text.match(new RegExp(`.{1,${WIDTH}}`, 'g')) ?? []
    return rows.length === 1 && head.length + text.length < WIDTH ? `${head} ${text}` : [head, ...rows.map((row) => `  ${row}`)].join('\n')
  }
  const rows = value.trimEnd().split('\n')
  return rows.length === 1 && head.length + value.length < WIDTH ? `${head} ${value}` : [head, ...rows.map((row) => `  ${row}`)].join('\n')
}

if (import.meta.main) {
  const page = readFileSync(FORMAT_PAGE, 'utf8')
  writeFileSync(FORMAT_PAGE, replaceBlock(page, 'vectors', `\n${await makeVectors()}`))
}
