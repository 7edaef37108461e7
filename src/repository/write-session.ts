/**
 * Writing to a repository: one session at a time, under a lock, with an epoch of its own (docs/format.md §13).
 *
 * 1. A new epoch is published: whoever held an older one can no longer commit.
 * 2. What a crash left is taken in: packs that no segment lists get one; damaged segments are replaced, then quarantined.
 * 3. Chunks of packs that are missing or have another size are not known: the next backup stores them again. Sizes are looked at when they matter.
 * 4. What the session itself finds damaged is stored again, and noted before it commits.
 * 5. Packs are published while the work goes on; segments when they are full and at the end; the manifest last, and only under the highest epoch.
 * 6. So that a prune may run beside it (docs/adr/0010-prune.md), the session announces itself before it reads what is about to be deleted, and commits
 *    under the gate, if nobody took it for ended.
 * 7. What is wrong with the index, or has become too much of it, is settled after that.
 */
import { toTimestamp } from '../base/clock.ts'
import { hasCode, invariant, TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import type { Announcement, ObjectStore, PruningStore } from '../storage/index.ts'
import { noteDamage } from './damage-list.ts'
import { repositoryError } from './errors.ts'
import { healFormat } from './format/format-file.ts'
import type { ChunkIndex } from './index/chunk-index.ts'
import { keepIndex } from './index/index-upkeep.ts'
import { KnownChunks, type KnownChunksMemory } from './index/known-chunks.ts'
import { encodeSegment, MOST_RECORDS } from './index/segment.ts'
import { openWriterIndex } from './index/writer-index.ts'
import { type RepositoryKeys, sourceId } from './keys/hierarchy.ts'
import {
  encodeManifest,
  type ManifestBody,
  type ManifestName,
  type ManifestSelection,
  type ManifestStatistics,
  manifestOfName,
  type PathText,
  type RecoveryPoint,
} from './manifest/manifest.ts'
import { ChunkWriter } from './pack/chunk-writer.ts'
import type { PackClass, SealedPack } from './pack/pack-format.ts'
import { type Deletion, NO_DELETION, readDeletion, tombstonedPacks } from './prune/deletion-record.ts'
import type { Repository } from './repository.ts'

/** Chunks of this session that are expected at first; the table grows. */
const ROOM_FOR_NEW = 65_536

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
  readonly selection?: ManifestSelection | undefined
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
  #unindexed: SealedPack[] = []
  #unindexedRecords = 0
  readonly #damage = new Map<string, Set<string> | 'all'>()
  #closed = false

  /** Held for as long as the session lives: a lock that nobody refers to could be closed with its file. */
  readonly lock: WriterLock

  readonly #pruning: PruningStore | undefined
  readonly #announced: Announced | undefined
  #mayLack: boolean
  #areAllUsable: boolean | undefined

  constructor(
    parts: Pick<WriteSession, 'repository' | 'lock' | 'epoch' | 'known' | 'index'> & {
      mayLack: boolean
      pruning: PruningStore | undefined
      announced: Announced | undefined
    },
  ) {
    this.repository = parts.repository
    this.lock = parts.lock
    this.epoch = parts.epoch
    this.known = parts.known
    this.index = parts.index
    this.#mayLack = parts.mayLack
    this.#pruning = parts.pruning
    this.#announced = parts.announced
  }

  /**
   * True when packs are missing, cut short or damaged, or may be: then what older trees name need not be there. The first answer takes a look at every
   * pack, so it is for those who have to rely on chunks that they do not ask for.
   */
  get hasGaps(): boolean {
    if (this.#mayLack) return true
    this.#areAllUsable ??= this.index.packs.areAllUsable()
    return !this.#areAllUsable
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

  /** Takes note that what an error is about can not be read: it is stored again when it comes again, in whatever thread. */
  distrust(damage: TerpError): void {
    const { chunk, pack } = damage.context
    this.#mayLack = true
    if (typeof chunk === 'string') {
      this.known.distrust(Buffer.from(chunk, 'hex'))
      if (typeof pack === 'string') this.#note(pack, chunk)
    } else if (typeof pack === 'string') {
      this.index.packs.setUnusable(pack)
      for (const id of this.index.addedIdsIn(pack)) this.known.distrust(id)
      // One that is missing is seen by everybody.
      if (!hasCode(damage, 'PACK_MISSING')) this.#damage.set(pack, 'all')
    }
  }

  #note(pack: string, chunk: string): void {
    const chunks = this.#damage.get(pack) ?? new Set()
    if (chunks === 'all') return
    chunks.add(chunk)
    this.#damage.set(pack, chunks)
  }

  /** Publishes the segment of what came so far. Between packs and manifest, and now and then in a long run. */
  async publishIndex(op: Operation, leastRecords = 1): Promise<void> {
    if (this.#unindexedRecords < leastRecords) return
    const packs = this.#unindexed
    this.#unindexed = []
    this.#unindexedRecords = 0
    await this.#announced?.announcement.tell(packs.map(tellPack))
    const segment = encodeSegment(op.random, this.repository.keys, packs)
    await this.repository.store.put(op, segment.name, segment.bytes)
  }

  /** For a long run: a segment as soon as it would be full. */
  async publishFullIndex(op: Operation): Promise<void> {
    await this.publishIndex(op, MOST_RECORDS / 2)
  }

  /** The commit. All writers have been flushed. Once it returns, the recovery point survives any crash. */
  async commit(op: Operation, point: NewPoint): Promise<RecoveryPoint> {
    try {
      await this.publishIndex(op)
      // First: a prune that sees the point sees which copy of what it needs is the good one.
      if (this.#damage.size > 0) await noteDamage(op, this.repository, this.#damage)
      const publish = () => this.#publishPoint(op, point)
      const committed = this.#announced ? await this.#announced.store.sessions.gate(op, publish) : await publish()
      this.#closed = true
      await this.#keepIndex(op)
      return committed
    } finally {
      await this.end()
    }
  }

  /** Others need not wait for this session any more. What did not commit ends with it; fine to repeat. */
  async end(): Promise<void> {
    await this.#announced?.announcement.release()
  }

  async #publishPoint(op: Operation, point: NewPoint): Promise<RecoveryPoint> {
    const { store, keys } = this.repository
    await this.#checkEpoch(op)
    const deletion = this.#announced ? await checkStanding(op, this.repository, this.#announced) : NO_DELETION
    const source = sourceId(keys, point.source)
    const last = await lastManifest(op, store, source)
    // Its writer may have been killed before it was durable; then this one could survive a crash that takes the one before it.
    if (last && this.repository.format.kind === 'pool') await store.put(op, last.name, await store.get(op, last.name))
    const id = point.id ?? randomHex(op.random, 16)
    const sequence = Math.max(last?.sequence ?? 0, lastExpired(deletion, source)) + 1
    const publicPart = { id, source, sequence, previous: last?.hash ?? null, ...(point.packs ? { packs: point.packs } : {}) }
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
      ...(point.selection ? { selection: point.selection } : {}),
    }
    const manifest = encodeManifest(op.random, keys, publicPart, body)
    op.check()
    await store.put(op, manifest.name, manifest.bytes)
    return { ...body, object: manifest.name, publicPart }
  }

  /** The recovery point is there, whatever becomes of this: the next writer will try again. */
  async #keepIndex(op: Operation): Promise<void> {
    if (!this.#pruning) return
    try {
      await keepIndex(op, this.#pruning, this.repository.keys, {
        damaged: this.index.damagedSegments,
        beforeRemoval: () => this.#checkEpoch(op),
        doomed: async () => (this.#announced ? tombstonedPacks(await readDeletion(op, this.repository)) : new Set()),
      })
    } catch (error) {
      if (!(error instanceof TerpError)) throw error
      if (error.kind !== 'cancelled') op.warn({ code: error.code, message: `the index could not be merged: ${error.message}` })
    }
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
  const announced = pruning && repository.format.version >= 2 ? await announce(op, repository, pruning, epoch) : undefined
  try {
    const { index, mayLack } = await openWriterIndex(op, repository, {
      pruning,
      doomed: tombstonedPacks(announced?.seen ?? NO_DELETION),
      onRecovered: async (packs) => announced?.announcement.tell(packs.map(tellPack)),
    })
    const known = KnownChunks.over(index, repository.keys, ROOM_FOR_NEW)
    return new WriteSession({ repository, lock, epoch, known, index, mayLack, pruning, announced })
  } catch (error) {
    await announced?.announcement.release()
    throw error
  }
}

/** A session that others know of. */
interface Announced {
  readonly store: PruningStore
  readonly announcement: Announcement
  /** What was about to be deleted when it began. */
  readonly seen: Deletion
}

/** First announced, then read: of a tombstone that comes between the two, the prune waits for this session. */
function announce(op: Operation, repository: Repository, store: PruningStore, epoch: number): Promise<Announced> {
  return store.sessions.gate(op, async () => {
    const announcement = await store.sessions.announce(op, `${epoch}-${randomHex(op.random, 8)}`)
    try {
      return { store, announcement, seen: await readDeletion(op, repository) }
    } catch (error) {
      await announcement.release()
      throw error
    }
  })
}

/** What a prune need not look at while the session lives. */
function tellPack({ sha256 }: SealedPack): string {
  return `pack ${sha256}`
}

/** Under the gate. REPOSITORY_WRITER_SUPERSEDED when others took the session for ended, or a tombstone that it has not seen does not wait for it. */
async function checkStanding(op: Operation, repository: Repository, { announcement, seen }: Announced): Promise<Deletion> {
  const now = await readDeletion(op, repository)
  const before = tombstonedPacks(seen)
  const isForgotten = now.tombstones.some(
    ({ packs, waits_for }) => !waits_for.includes(announcement.name) && packs.some((pack) => !before.has(pack)),
  )
  if (!isForgotten && (await announcement.isStanding(op))) return now
  throw repositoryError(
    'REPOSITORY_WRITER_SUPERSEDED',
    `session ${announcement.name} was taken for ended, and packs may be gone that it relies on`,
  )
}

/** The highest number of an expired point of the source: numbers are not given twice. */
function lastExpired({ expired, gone }: Deletion, source: string): number {
  const names = [...expired.map(({ object }) => object), ...gone].map(manifestOfName)
  return names.reduce((highest, name) => (name?.source === source ? Math.max(highest, name.sequence) : highest), 0)
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
