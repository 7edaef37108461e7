/**
 * Writing to a repository: one session at a time, under a lock, with an epoch of its own (docs/format.md §13).
 *
 * 1. A new epoch is published: whoever held an older one can no longer commit.
 * 2. What a crash left is taken in: packs that no segment lists get one; damaged segments are replaced, then quarantined.
 * 3. Chunks of packs that are missing or have another size are not known: the next backup stores them again.
 * 4. Packs are published while the work goes on; segments when they are full and at the end; the manifest last, and only under the highest epoch.
 */
import { toTimestamp } from '../base/clock.ts'
import { hasCode, invariant, isKind, type TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import type { ObjectStore, PruningStore } from '../storage/index.ts'
import { isListed, readDamageList } from './damage-list.ts'
import { repositoryError } from './errors.ts'
import { healFormat } from './format/format-file.ts'
import { ChunkIndex } from './index/chunk-index.ts'
import { KnownChunks, type KnownChunksMemory } from './index/known-chunks.ts'
import { encodeSegment, MOST_RECORDS } from './index/segment.ts'
import { type RepositoryKeys, sourceId } from './keys/hierarchy.ts'
import {
  encodeManifest,
  type ManifestBody,
  type ManifestName,
  type ManifestStatistics,
  manifestOfName,
  type PathText,
  type RecoveryPoint,
} from './manifest/manifest.ts'
import { ChunkWriter } from './pack/chunk-writer.ts'
import { type PackClass, packName, packOfName, type SealedPack } from './pack/pack-format.ts'
import { readPackDirectory } from './pack/pack-reader.ts'
import type { Repository } from './repository.ts'

/** Proof that the caller holds the writer's lock of this repository. */
export interface WriterLock {
  release(): Promise<void>
}

/** Everything that a worker thread needs to store chunks for a session. Plain data. */
export interface WriterGrant {
  readonly keys: RepositoryKeys
  readonly known: KnownChunksMemory
  readonly packBytes: number
  readonly padding: 'none' | 'padme'
  /** For names of temporary files. */
  readonly tag: string
}

export interface NewPoint {
  readonly id?: string
  readonly source: string
  readonly started: string
  readonly host: string
  readonly paths: readonly PathText[]
  readonly excludes: readonly string[]
  readonly root: Buffer
  readonly level: number
  readonly program: string
  readonly statistics: ManifestStatistics
  readonly warnings: number
  readonly previousPoint: string | null
  /** For a vault: the names of all packs that the point needs. */
  readonly packs?: readonly string[]
  /** For a copy: when the original was finished. */
  readonly finished?: string
}

export class WriteSession {
  readonly repository: Repository
  readonly epoch: number
  readonly known: KnownChunks
  /** Of what was there when the session began, and of all packs sealed since. */
  readonly index: ChunkIndex
  /** True when packs are missing, cut short or damaged, or may be: then what older trees name need not be there. */
  readonly hasGaps: boolean
  #unindexed: SealedPack[] = []
  #unindexedRecords = 0
  #closed = false

  /** Held for as long as the session lives: a lock that nobody refers to could be closed with its file. */
  readonly lock: WriterLock

  constructor(parts: Pick<WriteSession, 'repository' | 'lock' | 'epoch' | 'known' | 'index' | 'hasGaps'>) {
    this.repository = parts.repository
    this.lock = parts.lock
    this.epoch = parts.epoch
    this.known = parts.known
    this.index = parts.index
    this.hasGaps = parts.hasGaps
  }

  get grant(): WriterGrant {
    const { keys, format } = this.repository
    return { keys, known: this.known.memory, packBytes: format.packBytes, padding: format.padding, tag: String(this.epoch) }
  }

  /** A writer on this thread. Its packs are taken in by themselves; call `flush` before `commit`. */
  chunkWriter(packClass: PackClass, inFlight?: number): ChunkWriter {
    const { store, keys, format } = this.repository
    return new ChunkWriter({
      store,
      keys,
      known: this.known,
      packClass,
      packBytes: format.packBytes,
      padding: format.padding,
      onSealed: (pack) => this.accept(pack),
      ...(inFlight === undefined ? {} : { inFlight }),
    })
  }

  /** Takes in a durable pack, also one that a worker published. */
  accept(pack: SealedPack): void {
    invariant(!this.#closed, 'no pack comes after the commit')
    this.#unindexed.push(pack)
    this.#unindexedRecords += pack.records.length
    this.index.addPack(pack)
  }

  /** Takes note that what an error is about can not be read: it is stored again when it comes again. */
  distrust(damage: TerpError): void {
    const { chunk, pack } = damage.context
    if (typeof chunk === 'string') this.known.distrust(Buffer.from(chunk, 'hex'))
    else if (typeof pack === 'string') for (const id of this.index.idsIn(pack)) this.known.distrust(Buffer.from(id))
  }

  /** Publishes the segment of what came so far. Between packs and manifest, and now and then in a long run. */
  async publishIndex(op: Operation, leastRecords = 1): Promise<void> {
    if (this.#unindexedRecords < leastRecords) return
    const packs = this.#unindexed
    this.#unindexed = []
    this.#unindexedRecords = 0
    const segment = encodeSegment(op.random, this.repository.keys, packs)
    await this.repository.store.put(op, segment.name, segment.bytes)
  }

  /** For a long run: a segment as soon as it would be full. */
  async publishFullIndex(op: Operation): Promise<void> {
    await this.publishIndex(op, MOST_RECORDS / 2)
  }

  /** The commit. All writers have been flushed. Once it returns, the recovery point survives any crash. */
  async commit(op: Operation, point: NewPoint): Promise<RecoveryPoint> {
    const { store, keys } = this.repository
    await this.publishIndex(op)
    await this.#checkEpoch(op)
    const source = sourceId(keys, point.source)
    const last = await lastManifest(op, store, source)
    // Its writer may have been killed before it was durable; then this one could survive a crash that takes the one before it.
    if (last && this.repository.format.kind === 'pool') await store.put(op, last.name, await store.get(op, last.name))
    const id = point.id ?? randomHex(op.random, 16)
    const sequence = (last?.sequence ?? 0) + 1
    const publicPart = { id, source, sequence, previous: last?.sha256 ?? null, ...(point.packs ? { packs: point.packs } : {}) }
    const body: ManifestBody = {
      id,
      source: point.source,
      sequence,
      started: point.started,
      finished: point.finished ?? toTimestamp(op.clock.nowMs()),
      host: point.host,
      paths: point.paths,
      excludes: point.excludes,
      root: point.root.toString('hex'),
      level: point.level,
      epoch: this.epoch,
      program: point.program,
      statistics: point.statistics,
      warnings: point.warnings,
      previous_point: point.previousPoint,
    }
    const manifest = encodeManifest(op.random, keys, publicPart, body)
    op.check()
    await store.put(op, manifest.name, manifest.bytes)
    this.#closed = true
    return { ...body, object: manifest.name, publicPart }
  }

  async #checkEpoch(op: Operation): Promise<void> {
    const highest = await highestEpoch(op, this.repository.store)
    if (highest !== this.epoch) {
      throw repositoryError('REPOSITORY_WRITER_SUPERSEDED', `this session has epoch ${this.epoch}, the repository is at ${highest}`)
    }
  }
}

/** `lock` is not used: it is the caller's proof that no other process writes. `pruning` where the store can also remove (a pool). */
export async function openWriteSession(
  op: Operation,
  repository: Repository,
  lock: WriterLock,
  pruning?: PruningStore,
): Promise<WriteSession> {
  const { store } = repository
  const epoch = await takeEpoch(op, store, pruning)
  await healFormat(op, store, pruning)
  const loaded = await repository.loadIndex(op, { listedOnly: true })
  const present = new Map<string, number>()
  for await (const { name, sizeBytes } of store.list(op, 'packs/')) {
    const sha256 = packOfName(name)
    if (sha256 !== undefined) present.set(sha256, sizeBytes)
  }
  const recovered = await readUnlistedPacks(op, repository, present, loaded.listed)
  if (pruning) await settlePacks(op, store, recovered)
  if (recovered.length > 0) {
    const segment = encodeSegment(op.random, repository.keys, recovered)
    await store.put(op, segment.name, segment.bytes)
  }
  if (pruning) for (const name of loaded.damagedSegments) await pruning.quarantine(op, name)
  const damage = await readDamageList(op, repository)
  const isWhole = (pack: string) => present.get(pack) === loaded.listed.get(pack)
  const isSound = (pack: string, id?: Buffer) => id === undefined || !isListed(damage, pack, id)
  const index = new ChunkIndex()
  for (const segment of loaded.segments) index.addSegment(segment, (pack, id) => isWhole(pack) && isSound(pack, id))
  for (const pack of recovered) index.addPack(pack, isSound)
  const known = KnownChunks.withRoomFor(index.size + 65_536)
  for (const id of index.ids()) {
    known.add(id)
    if (known.needsRoom) known.grow()
  }
  // A segment that is gone may have listed packs that are gone too.
  const mayLack = loaded.damagedSegments.length > 0 || recovered.length > 0 || damage.size > 0
  const hasGaps = mayLack || [...loaded.listed.keys()].some((pack) => !isWhole(pack))
  return new WriteSession({ repository, lock, epoch, known, index, hasGaps })
}

async function readUnlistedPacks(
  op: Operation,
  repository: Repository,
  present: ReadonlyMap<string, number>,
  listed: ReadonlyMap<string, number>,
): Promise<SealedPack[]> {
  const found: SealedPack[] = []
  for (const [sha256, sizeBytes] of present) {
    if (listed.has(sha256)) continue
    try {
      found.push({ sha256, sizeBytes, records: await readPackDirectory(op, repository.store, repository.keys, sha256, sizeBytes) })
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      op.warn({ code: error.code, message: error.message, item: sha256 }) // stays where it is; verify reports it
    }
  }
  return found
}

/**
 * A writer that was killed may have left packs that can be seen and are not durable yet. Putting one again makes its folder durable, and so
 * all packs in it: the smallest of each folder will do.
 */
async function settlePacks(op: Operation, store: ObjectStore, packs: readonly SealedPack[]): Promise<void> {
  const smallest = new Map<string, SealedPack>()
  for (const pack of packs) {
    const folder = pack.sha256.slice(0, 2)
    if (pack.sizeBytes < (smallest.get(folder)?.sizeBytes ?? Number.POSITIVE_INFINITY)) smallest.set(folder, pack)
  }
  for (const { sha256 } of smallest.values()) await store.put(op, packName(sha256), await store.get(op, packName(sha256)))
}

async function takeEpoch(op: Operation, store: ObjectStore, pruning: PruningStore | undefined): Promise<number> {
  const before = await highestEpoch(op, store)
  const epoch = before + 1
  const answer = await store.put(op, epochName(epoch), Buffer.from(`${randomHex(op.random, 16)}\n`)).catch((error: unknown) => {
    if (hasCode(error, 'STORAGE_OBJECT_EXISTS')) return 'already-there' as const
    throw error
  })
  if (answer === 'already-there') throw repositoryError('REPOSITORY_BUSY', `another writer has just begun in ${store.description}`)
  if (pruning) {
    await pruning.beginEpoch(op, epoch)
    if (before > 0) await pruning.remove(op, epochName(before))
  }
  return epoch
}

async function highestEpoch(op: Operation, store: ObjectStore): Promise<number> {
  let highest = 0
  for await (const { name } of store.list(op, 'epoch/')) highest = Math.max(highest, Number(name.slice('epoch/'.length)) || 0)
  return highest
}

function epochName(epoch: number): string {
  return `epoch/${String(epoch).padStart(12, '0')}`
}

/** Damaged manifests count: their number is taken, and their hash stands in their name. */
async function lastManifest(op: Operation, store: ObjectStore, source: string): Promise<(ManifestName & { name: string }) | undefined> {
  let last: (ManifestName & { name: string }) | undefined
  for await (const { name } of store.list(op, `points/${source}/`)) {
    const parts = manifestOfName(name)
    if (parts && parts.sequence > (last?.sequence ?? 0)) last = { ...parts, name }
  }
  return last
}
