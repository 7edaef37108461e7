/** Verify: every object (repository's part), then every recovery point: its tree, and that all it names is there. Changes nothing. */
import { hasCode, isKind } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import {
  type ChunkIndex,
  ChunkReader,
  type Deletion,
  type Finding,
  locate,
  NO_DELETION,
  packName,
  type RecoveryPoint,
  type Repository,
  readDeletion,
  tombstonedPacks,
  verifyObjects,
} from '../repository/index.ts'
import type { Extent } from './entry.ts'
import type { VerifyReport } from './reports.ts'
import { decodeContentList } from './tree/content-list.ts'
import { decodePage, isLeaf } from './tree/page-codec.ts'

/** A prune beside it moves what it has looked at already. */
const MOST_LOOKS = 3

export async function verifyRepository(op: Operation, repository: Repository, options: { readData: boolean }): Promise<VerifyReport> {
  const startMs = op.clock.monotonicMs()
  for (let look = 1; ; look++) {
    const before = await deletionOf(op, repository)
    const report = await verifyOnce(op, repository, options, before, startMs)
    const isQuiet = report.findings.every(({ severity }) => severity === 'hint')
    if (isQuiet || look === MOST_LOOKS || (await deletionOf(op, repository)).number === before.number) return report
  }
}

/** One that can't be read is a finding of its own. */
async function deletionOf(op: Operation, repository: Repository): Promise<Deletion> {
  try {
    return await readDeletion(op, repository)
  } catch (error) {
    if (!hasCode(error, 'CONFIGURATION_DAMAGED')) throw error
    return NO_DELETION
  }
}

async function verifyOnce(
  op: Operation,
  repository: Repository,
  options: { readData: boolean },
  deletion: Deletion,
  startMs: number,
): Promise<VerifyReport> {
  // The points first: what is named by one that is committed meanwhile need not be among what was looked at.
  const { points, damaged } = await repository.listPoints(op)
  const objects = await verifyObjects(op, repository, { ...options, doomed: tombstonedPacks(deletion) })
  const findings: Finding[] = [...objects.findings, ...damaged]
  findings.push(...verifyChain(points, damaged, deletion))
  const faults = await verifyTrees(op, repository, objects.usable, points)
  // A chunk that is lost because its pack is damaged is no finding of its own: its points are named at the pack.
  const byPack = new Map<string, Set<string>>()
  const blamed = new Set(objects.findings.map(({ object }) => object))
  for (const fault of faults.values()) {
    const location = objects.listed.find(fault.chunk)
    const pack = location && packName(location.pack)
    if (!pack || !blamed.has(pack)) findings.push({ ...fault.finding, recoveryPoints: [...fault.points] })
    else for (const id of fault.points) byPack.set(pack, (byPack.get(pack) ?? new Set()).add(id))
  }
  const attributed = findings.map((finding) => {
    const hit = finding.recoveryPoints.length === 0 ? byPack.get(finding.object) : undefined
    return hit ? { ...finding, recoveryPoints: [...hit] } : finding
  })
  return {
    findings: attributed,
    damage: objects.damage,
    points: points.length,
    packs: objects.packs,
    bytesRead: objects.bytesRead,
    durationMs: op.clock.monotonicMs() - startMs,
  }
}

interface Fault {
  readonly chunk: Buffer
  readonly finding: Finding
  readonly points: Set<string>
}

/** What was found wrong, by chunk, with the points that need it. Pages shared between points are read once. */
async function verifyTrees(
  op: Operation,
  repository: Repository,
  usable: ChunkIndex,
  points: readonly RecoveryPoint[],
): Promise<Map<string, Fault>> {
  const walker = new TreeVerifier(repository, usable)
  let done = 0
  for (const point of points) {
    await walker.verify(op, point)
    op.progress({ phase: 'recovery points', filesDone: ++done, filesTotal: points.length, bytesDone: 0 })
  }
  return walker.faults
}

class TreeVerifier {
  readonly faults = new Map<string, Fault>()
  readonly #reader: ChunkReader
  readonly #usable: ChunkIndex
  /** Faults below each page that was read, so that another point which shares it is blamed without reading it again. */
  readonly #below = new Map<string, readonly string[]>()

  constructor(repository: Repository, usable: ChunkIndex) {
    this.#reader = new ChunkReader(repository.store, repository.keys)
    this.#usable = usable
  }

  async verify(op: Operation, point: RecoveryPoint): Promise<void> {
    for (const key of await this.#page(op, Buffer.from(point.root, 'hex'))) this.faults.get(key)?.points.add(point.id)
  }

  async #page(op: Operation, id: Buffer): Promise<readonly string[]> {
    const key = id.toString('hex')
    const known = this.#below.get(key)
    if (known) return known
    op.check()
    const found = new Set<string>()
    const bytes = await this.#read(op, id, found)
    if (bytes) {
      const page = this.#attempt(id, () => decodePage(bytes), found)
      if (page && isLeaf(page)) {
        for (const chunk of page.chunks) this.#present(chunk, found)
        for (const entry of page.entries)
          for (const extent of entry.extents) if (extent.kind === 'list') await this.#list(op, extent, found)
      } else if (page) for (const child of page.children) for (const fault of await this.#page(op, child.id)) found.add(fault)
    }
    const all = [...found]
    this.#below.set(key, all)
    return all
  }

  async #list(op: Operation, list: Extract<Extent, { kind: 'list' }>, found: Set<string>): Promise<void> {
    const bytes = await this.#read(op, list.chunk, found)
    const extents = bytes && this.#attempt(list.chunk, () => decodeContentList(bytes), found)
    for (const extent of extents ?? []) {
      if (extent.kind === 'list') await this.#list(op, extent, found)
      else if (extent.kind === 'data') this.#present(extent.chunk, found)
    }
  }

  #present(chunk: Buffer, found: Set<string>): void {
    if (!this.#usable.find(chunk)) this.#fault(chunk, 'CHUNK_MISSING', 'no whole pack holds this chunk', found)
  }

  async #read(op: Operation, id: Buffer, found: Set<string>): Promise<Buffer | undefined> {
    try {
      return await this.#reader.read(op, locate(this.#usable, id))
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.#fault(id, error.code, error.message, found)
      return undefined
    }
  }

  #attempt<T>(id: Buffer, decode: () => T, found: Set<string>): T | undefined {
    try {
      return decode()
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.#fault(id, error.code, error.message, found)
      return undefined
    }
  }

  #fault(chunk: Buffer, code: string, message: string, found: Set<string>): void {
    const key = chunk.toString('hex')
    found.add(key)
    if (this.faults.has(key)) return
    const finding: Finding = { code, severity: 'damage', object: `chunk ${key}`, message, recoveryPoints: [] }
    this.faults.set(key, { chunk, finding, points: new Set() })
  }
}

/** Each manifest names the one before it; a gap is a manifest that someone took away. A damaged one is there, an expired one need not be. */
function verifyChain(points: readonly RecoveryPoint[], damaged: readonly Finding[], { expired, gone }: Deletion): Finding[] {
  const findings: Finding[] = []
  const names = new Set(
    [...[...points, ...damaged, ...expired].map(({ object }) => object), ...gone].map((object) => object.slice(-70, -6)),
  )
  for (const point of points) {
    const { previous } = point.publicPart
    if (previous === null || names.has(previous)) continue
    findings.push({
      code: 'MANIFEST_MISSING',
      severity: 'damage',
      object: point.object,
      message: `the manifest before this one (${previous.slice(0, 12)}…) is not there`,
      recoveryPoints: [],
    })
  }
  return findings
}
