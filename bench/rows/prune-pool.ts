/**
 * A program of its own: makes a pool with many chunks through the real code, `node prune-pool.ts POOL KEY-FILE SOURCE CHUNKS POINTS`. The chunks
 * are as small as the cutter makes them, so that ten million fit on a disk; each point is of one file
 * with other content, so that points share nothing. Prints the ids of the points, oldest first.
 */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { backUp } from '../../src/archive/index.ts'
import { type Operation, startOperation } from '../../src/base/operation.ts'
import { type ChunkingParameters, CUTTER_KEY_BYTES, createCutter } from '../../src/chunking/index.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { openWriteSession, parseKeyFile, Repository } from '../../src/repository/index.ts'
import { createLocalDiskStore } from '../../src/storage/index.ts'
import { SeededBytes } from '../corpora/seeded-bytes.ts'

const CHUNKING: ChunkingParameters = { algorithm: 'sieve', minBytes: 128, targetBytes: 256, maxBytes: 512 }
const SAMPLE_BYTES = 1 << 20

const [pool = '', keyFile = '', source = '', chunks = '', points = ''] = process.argv.slice(2)
const op = startOperation()
const ids = await makePool(op, Number(chunks), Number(points))
console.log(JSON.stringify({ points: ids }))
process.exit(0)

async function makePool(op: Operation, chunkCount: number, pointCount: number): Promise<string[]> {
  mkdirSync(pool, { recursive: true })
  const store = await createLocalDiskStore(op, systemDisk(), pool)
  const secret = parseKeyFile(readFileSync(keyFile))
  await Repository.create(op, store, { kind: 'pool', chunking: CHUNKING, secrets: [{ secret, label: 'bench' }] })
  const dice = new SeededBytes('terp bench, prune')
  const fileBytes = Math.ceil((chunkCount / pointCount) * meanChunk(dice))
  const made: string[] = []
  for (let n = 0; n < pointCount; n++) {
    rmSync(source, { recursive: true, force: true })
    mkdirSync(source, { recursive: true })
    fill(join(source, 'file'), fileBytes, dice)
    made.push(await onePoint(op, store, secret))
  }
  return made
}

async function onePoint(
  op: Operation,
  store: Awaited<ReturnType<typeof createLocalDiskStore>>,
  secret: ReturnType<typeof parseKeyFile>,
): Promise<string> {
  const lock = await store.lock(op)
  if (!lock) throw new Error(`${pool} is locked`)
  try {
    const session = await openWriteSession(op, await Repository.open(op, store, secret, 'write'), lock, store)
    const { point } = await backUp(op, {
      session,
      paths: [Buffer.from(source)],
      source: 'bench',
      host: hostname(),
      excludes: [],
      excludeCaches: false,
      oneFileSystem: false,
      forceRead: false,
      skipFolders: [],
      workerStore: { kind: 'local', path: pool },
      program: 'terp bench',
    })
    return point.id
  } finally {
    await lock.release()
  }
}

function meanChunk(dice: SeededBytes): number {
  const sample = dice.random(SAMPLE_BYTES)
  const cutter = createCutter(CHUNKING, new Uint8Array(CUTTER_KEY_BYTES[CHUNKING.algorithm]).fill(7))
  let count = 0
  for (let at = 0; at < sample.length; count++) at = cutter.findCut(sample, at, sample.length)
  return sample.length / count
}

function fill(path: string, length: number, dice: SeededBytes): void {
  const file = openSync(path, 'wx')
  for (let at = 0; at < length; at += SAMPLE_BYTES) writeSync(file, dice.random(Math.min(SAMPLE_BYTES, length - at)))
  closeSync(file)
}
