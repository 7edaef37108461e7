/** Proof instead of hope: some files are restored from a copy and compared with their sources, byte by byte. */
import { lstatSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { browseFolder, type Entry, type OpenedPoint, openPoint, restorePoint } from '../../archive/index.ts'
import { equalBytes } from '../../base/bytes.ts'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { RecoveryPoint, Repository } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import { cliError } from '../errors.ts'
import { printable } from '../format.ts'
import type { Run } from '../run.ts'

const SAMPLE_FILES = 20
const MOST_DESCENTS = 400
const MOST_DEPTH = 100
/** Larger files would make a sample a restore. */
const MOST_BYTES = 8 * 1024 * 1024

/** Random files, and the largest that was met on the way; where none was met that is small enough, the smallest of all. Empty when there is no file. */
export async function chooseSample(op: Operation, repository: Repository, point: RecoveryPoint): Promise<Entry[]> {
  const opened = await openPoint(op, repository, point)
  const folders = new Map<string, Entry[]>()
  const chosen = new Map<string, Entry>()
  let largest: Entry | undefined
  const childrenOf = async (path: Buffer): Promise<Entry[]> => {
    const key = path.toString('latin1')
    const known = folders.get(key)
    if (known) return known
    const entries = (await browseFolder(op, opened, path)).filter(isWanted)
    folders.set(key, entries)
    for (const entry of entries) if (entry.kind === 'file' && entry.sizeBytes > (largest?.sizeBytes ?? -1)) largest = entry
    return entries
  }
  const roots = point.paths.map(({ base64 }) => Buffer.from(base64, 'base64'))
  for (let descent = 0; descent < MOST_DESCENTS && chosen.size < SAMPLE_FILES - 1; descent++) {
    const file = await descend(op, pick(op, roots), childrenOf)
    if (file) chosen.set(file.path.toString('latin1'), file)
  }
  if (largest) chosen.set(largest.path.toString('latin1'), largest)
  if (chosen.size > 0) return [...chosen.values()]
  const smallest = await findSmallest(op, opened)
  return smallest ? [smallest] : []
}

/** Not an empty one, if there is another: nothing of it can be compared. The first that is small enough will do. */
async function findSmallest(op: Operation, opened: OpenedPoint): Promise<Entry | undefined> {
  const weight = ({ sizeBytes }: Entry) => (sizeBytes === 0 ? Number.POSITIVE_INFINITY : sizeBytes)
  const left: Buffer[] = opened.point.paths.map(({ base64 }) => Buffer.from(base64, 'base64'))
  let smallest: Entry | undefined
  for (let path = left.pop(); path; path = left.pop()) {
    op.check()
    for (const entry of await browseFolder(op, opened, path)) {
      if (entry.kind === 'folder') left.push(entry.path)
      if (entry.kind === 'file' && (!smallest || weight(entry) < weight(smallest))) smallest = entry
    }
    if (smallest && weight(smallest) <= MOST_BYTES) break
  }
  return smallest
}

async function descend(
  op: Operation,
  root: Buffer | undefined,
  childrenOf: (path: Buffer) => Promise<Entry[]>,
): Promise<Entry | undefined> {
  let path = root
  for (let depth = 0; path && depth < MOST_DEPTH; depth++) {
    op.check()
    const entry = pick(op, await childrenOf(path))
    if (!entry || entry.kind === 'file') return entry
    path = entry.path
  }
  return undefined
}

function isWanted(entry: Entry): boolean {
  return entry.kind === 'folder' || (entry.kind === 'file' && entry.sizeBytes <= MOST_BYTES)
}

function pick<T>(op: Operation, from: readonly T[]): T | undefined {
  return from[Buffer.from(op.random.bytes(4)).readUInt32LE(0) % Math.max(1, from.length)]
}

export interface SampleReport {
  readonly files: number
  readonly bytes: number
  /** Their sources changed since the backup, so there is nothing to compare them with. */
  readonly changed: number
  /** False when nothing was compared; what differs is an error. */
  readonly isEqual: boolean
  readonly durationMs: number
}

export interface SampleCopy {
  /** For people: `the pool`. */
  readonly name: string
  readonly repository: Repository
  readonly descriptor: StoreDescriptor
  readonly point: OpenedPoint['point']
}

/** Restores into a new folder in `folder`, and leaves nothing there. SAMPLE_MISMATCH. */
export async function proveSample(run: Run, folder: string, copy: SampleCopy, sample: readonly Entry[]): Promise<SampleReport> {
  const { op } = run
  const startMs = op.clock.monotonicMs()
  // Nothing to select is not everything.
  if (sample.length === 0) return { files: 0, bytes: 0, changed: 0, isEqual: false, durationMs: 0 }
  const made = join(folder, randomHex(op.random, 8))
  const target = Buffer.from(made)
  try {
    const { repository, descriptor, point } = copy
    const select = sample.map(({ path }) => path)
    const report = await restorePoint(op, { repository, point, target, select, overwrite: 'never', workerStore: descriptor })
    const failed = report.failed[0]
    if (failed) throw mismatch(copy, failed.path, failed.message)
    let bytes = 0
    let changed = 0
    for (const entry of sample) {
      op.check()
      const restored = await readFile(Buffer.concat([target, SLASH, entry.path]))
      if (restored.length !== entry.sizeBytes)
        throw mismatch(copy, textOf(entry), `it has ${restored.length} bytes, not ${entry.sizeBytes}`)
      bytes += restored.length
      if (hasChanged(entry)) changed++
      else if (!equalBytes(restored, await readFile(Buffer.concat([SLASH, entry.path]))))
        throw mismatch(copy, textOf(entry), 'its bytes differ')
    }
    return { files: sample.length, bytes, changed, isEqual: sample.length > changed, durationMs: op.clock.monotonicMs() - startMs }
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

const SLASH = Buffer.from('/')

function textOf(entry: Entry): string {
  return `/${entry.path.toString('utf8')}`
}

function hasChanged(entry: Entry): boolean {
  const now = lstatSync(Buffer.concat([SLASH, entry.path]), { bigint: true, throwIfNoEntry: false })
  const mtimeNs = BigInt(entry.mtimeSec) * 1_000_000_000n + BigInt(entry.mtimeNs)
  return !now?.isFile() || now.size !== BigInt(entry.sizeBytes) || now.mtimeNs !== mtimeNs
}

function mismatch({ name }: SampleCopy, path: string, why: string) {
  return cliError('SAMPLE_MISMATCH', `${printable(path)}, restored from ${name}, is not its source: ${why}`, {
    context: { path, copy: name },
  })
}
