/**
 * What an index of many chunks costs: `measureIndex(chunks)`. The pool is synthetic, but made and read by the real code: sealed segments, merged into one,
 * listing packs that are there (as files without blocks on the disk). It is made by another process, whose memory is not counted.
 *
 *     node bench/index.ts CHUNKS
 */
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOperation } from '../src/base/operation.ts'
import { seededRandom, systemRandom } from '../src/base/random.ts'
import { systemDisk } from '../src/platform/index.ts'
import { mergeSegments } from '../src/repository/index/merge-segments.ts'
import { openSegments } from '../src/repository/index/open-index.ts'
import { encodeSegment } from '../src/repository/index/segment.ts'
import { openWriterIndex } from '../src/repository/index/writer-index.ts'
import { KnownChunks, packName, parseKeyFile, Repository, type SealedPack } from '../src/repository/index.ts'
import { createLocalDiskStore, LocalDiskStore } from '../src/storage/index.ts'

const CHUNKS_PER_PACK = 32
const PACK_BYTES = 33_554_432
/** As many as a session publishes at a time. */
const SEGMENT_CHUNKS = 524_288
const LOOK_UPS = 1_000_000
const KEY = parseKeyFile(Buffer.alloc(32, 7))
const MIB = 1_048_576

export interface IndexMeasures {
  readonly chunks: number
  readonly openSeconds: number
  readonly openToWriteSeconds: number
  /** While blocks are loaded: the first look-ups of a process. */
  readonly firstLookUpsPerSecond: number
  readonly lookUpsPerSecond: number
  /** The same on a machine that has nothing else to do. */
  readonly lookUpsPerCpuSecond: number
  readonly missesPerSecond: number
  readonly allKnownPerSecond: number
  readonly findsPerSecond: number
  readonly diskBytesPerChunk: number
  /** Of the index itself, everything loaded. */
  readonly memoryBytes: number
  readonly peakMib: number
}

/** Chunk `n`: numbers spread like a keyed hash, without the cost of one. */
function writeId(into: Buffer, at: number, n: number): void {
  for (let word = 0; word < 8; word++) {
    let x = (n + 1) * 8 + word
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d) ^ Math.imul(word + 1, 0x9e3779b1)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    into.writeUInt32LE((x ^ (x >>> 16)) >>> 0, at + word * 4)
  }
}

function idsOf(count: number, chunkOf: (n: number) => number): Buffer {
  const ids = Buffer.alloc(count * 32)
  for (let n = 0; n < count; n++) writeId(ids, n * 32, chunkOf(n))
  return ids
}

function makePack(root: string, first: number, count: number): SealedPack {
  const hash = Buffer.alloc(32)
  writeId(hash, 0, 0x18000000 + first)
  const sha256 = hash.toString('hex')
  const file = openSync(join(root, packName(sha256)), 'wx')
  ftruncateSync(file, PACK_BYTES)
  closeSync(file)
  const ids = idsOf(count, (n) => first + n)
  const records = Array.from({ length: count }, (_, n) => ({
    id: ids.subarray(n * 32, n * 32 + 32),
    offset: 80 + n * 1_000_000,
    storedBytes: 999_000,
    contentBytes: 1_048_576,
    type: 1 as const,
    compression: 1 as const,
  }))
  return { sha256, sizeBytes: PACK_BYTES, records }
}

/** Segments like those of as many backups, merged as the writer of a pool would. */
export async function makeIndex(root: string, chunks: number): Promise<void> {
  const op = startOperation({ random: systemRandom() })
  const store = await createLocalDiskStore(op, systemDisk(), root)
  const repository = await Repository.create(op, store, {
    kind: 'pool',
    chunking: { algorithm: 'gear32', minBytes: 262_144, targetBytes: 1_048_576, maxBytes: 4_194_304 },
    secrets: [{ secret: KEY, label: 'bench' }],
  })
  for (let first = 0; first < chunks; first += SEGMENT_CHUNKS) {
    const packs: SealedPack[] = []
    const end = Math.min(chunks, first + SEGMENT_CHUNKS)
    for (let at = first; at < end; at += CHUNKS_PER_PACK) packs.push(makePack(root, at, Math.min(CHUNKS_PER_PACK, end - at)))
    const segment = encodeSegment(op.random, repository.keys, packs)
    await store.put(op, segment.name, segment.bytes)
  }
  const { files } = await openSegments(op, store, repository.keys)
  if (files.length < 2) return
  const startMs = op.clock.monotonicMs()
  await mergeSegments(op, { store, keys: repository.keys, sources: files })
  for (const file of files) await store.remove(op, file.name)
  const seconds = (op.clock.monotonicMs() - startMs) / 1000
  console.error(JSON.stringify({ mergeSeconds: seconds, segments: files.length, peakMib: process.resourceUsage().maxRSS / 1024 }))
}

export async function measureIndex(chunks: number): Promise<IndexMeasures> {
  const root = mkdtempSync(join(tmpdir(), 'terp-index-'))
  try {
    const make = `import { makeIndex } from ${JSON.stringify(import.meta.url)}; await makeIndex(${JSON.stringify(root)}, ${chunks})`
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', make], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return await measure(root, chunks)
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function measure(root: string, chunks: number): Promise<IndexMeasures> {
  const op = startOperation()
  const store = new LocalDiskStore(systemDisk(), root)
  const repository = await Repository.open(op, store, KEY)
  const timed = async <T>(act: () => T | Promise<T>): Promise<[T, number]> => {
    const startMs = op.clock.monotonicMs()
    const result = await act()
    return [result, (op.clock.monotonicMs() - startMs) / 1000]
  }
  /** A process either reads or writes: what this one holds is given up before the other is opened. */
  async function measureReader() {
    const [{ index }, openSeconds] = await timed(() => repository.loadIndex(op))
    const ids = idsOf(Math.min(chunks, 2000), randomChunk(chunks, 'finds'))
    const [, seconds] = await timed(() => {
      for (let at = 0; at < ids.length; at += 32) if (!index.find(ids.subarray(at, at + 32))) throw new Error('a chunk is not found')
    })
    index.close()
    return { openSeconds, findsPerSecond: ids.length / 32 / seconds }
  }
  let diskBytes = 0
  for await (const { name } of store.list(op, 'index/')) diskBytes += statSync(join(root, name)).size
  const { openSeconds, findsPerSecond } = await measureReader()
  const [{ index }, openToWriteSeconds] = await timed(() => openWriterIndex(op, repository, { pruning: undefined }))
  const known = KnownChunks.over(index, repository.keys, 65_536)
  const count = Math.min(LOOK_UPS, Math.max(chunks, 100_000))
  const hits = idsOf(count, randomChunk(chunks, 'hits'))
  const misses = idsOf(count, (n) => 0x10000000 + n)
  const lookUp = (ids: Buffer, expected: boolean) =>
    timed(() => {
      for (let at = 0; at < ids.length; at += 32)
        if (known.has(ids.subarray(at, at + 32)) !== expected) throw new Error('a look-up is wrong')
    })
  const [, firstSeconds] = await lookUp(hits, true)
  const before = process.cpuUsage()
  const [, hitSeconds] = await lookUp(hits, true)
  const { user, system } = process.cpuUsage(before)
  const [, missSeconds] = await lookUp(misses, false)
  const [areAll, allSeconds] = await timed(() => known.hasAll(hits))
  if (!areAll) throw new Error('a look-up is wrong')
  return {
    chunks,
    openSeconds,
    openToWriteSeconds,
    firstLookUpsPerSecond: count / firstSeconds,
    lookUpsPerSecond: count / hitSeconds,
    lookUpsPerCpuSecond: (count / (user + system)) * 1e6,
    missesPerSecond: count / missSeconds,
    allKnownPerSecond: count / allSeconds,
    findsPerSecond,
    diskBytesPerChunk: diskBytes / chunks,
    memoryBytes: index.memoryBytes,
    peakMib: process.resourceUsage().maxRSS / (MIB / 1024),
  }
}

function randomChunk(chunks: number, seed: string): () => number {
  let state = Buffer.from(seededRandom(seed).bytes(4)).readUInt32LE(0)
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * chunks)
  }
}

if (import.meta.main) console.log(JSON.stringify(await measureIndex(Number(process.argv[2] ?? 1_000_000)), undefined, 2))
