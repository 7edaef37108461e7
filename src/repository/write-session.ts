/**
 * One piece of work on a repository, such as a backup: chunks come in, and at the end one recovery point (docs/format.md §13). Of a writer, which holds the
 * lock and the epoch, there may be many at once (pool-writer/); each of them is alone with what it stored until that is durable and listed.
 *
 * 1. So that a prune may run beside it (docs/adr/0010-prune.md), a session is announced before what is about to be deleted is read.
 * 2. Chunks of packs that are missing or have another size are not known: they are stored again. Sizes are looked at when they matter.
 * 3. What the session itself finds damaged is stored again, and noted before it commits.
 * 4. Packs are published while the work goes on; segments when they are full and at the end.
 * 5. The commit, under the gate: the epoch is still the highest, nobody took the session for ended; what it listed is offered to the others; the manifest.
 * 6. One that ends without it leaves its packs to the next session, which lists them.
 */
import { toTimestamp } from '../base/clock.ts'
import { hasCode, invariant, type TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import type { ObjectStore } from '../storage/index.ts'
import { ChunkIndex } from './index/chunk-index.ts'
import type { KnownChunks, KnownChunksMemory } from './index/known-chunks.ts'
import { encodeSegment, MOST_RECORDS } from './index/segment.ts'
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
import { PACK_CLASS, type PackClass, packName, type SealedPack } from './pack/pack-format.ts'
import type { Generation, ListedPacks } from './pool-writer/generation.ts'
import { type Announced, checkStanding, tellPack } from './pool-writer/standing.ts'
import { type Deletion, NO_DELETION, tombstonedPacks } from './prune/deletion-record.ts'
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
  readonly selection?: ManifestSelection | undefined
  /** For a vault: the names of all packs that the point needs. */
  readonly packs?: readonly string[]
  /** For a copy: when the original was finished. */
  readonly finished?: string
  /** For a copy: the number of the original. The copy gets it, unless the source has that or a higher one here already. */
  readonly sequence?: number
}

/** What a session has of the writer to which it belongs. */
export interface SessionHost {
  readonly repository: Repository
  /** Held for as long as a session lives: a lock that nobody refers to could be closed with its file. */
  readonly lock: WriterLock
  readonly epoch: number
  /** Others may be at work beside the session. */
  readonly isShared: boolean
  /** Under it, one at a time decides. */
  gate<T>(op: Operation, work: () => Promise<T>): Promise<T>
  /** REPOSITORY_WRITER_SUPERSEDED. */
  checkEpoch(op: Operation): Promise<void>
  /** As it is now. */
  deletion(op: Operation): Promise<Deletion>
  /** Under the gate, by a session that stands. */
  offer(listed: ListedPacks): void
  takeDamage(pack: string, chunk: string | undefined): void
  /** All that was taken. A prune that sees a point sees which copy of what it needs is the good one. */
  noteDamage(op: Operation): Promise<unknown>
  /** Durable, and listed by nobody, unless a segment failed half-way. */
  abandon(packs: readonly SealedPack[]): void
  /** Something was listed that other sessions were not told of: those that begin later find it in the index. */
  openAnew(): void
  /** The recovery point is there, whatever becomes of what is done then. */
  committed(op: Operation, session: WriteSession): Promise<void>
  ended(session: WriteSession): void
}

export class WriteSession {
  readonly repository: Repository
  readonly epoch: number
  readonly known: KnownChunks
  /** Of what was there when the session began, what others listed since, and all packs of its own. */
  readonly index: ChunkIndex
  /** Also when the session commits after others began on a newer one. */
  readonly generation: Generation
  readonly #host: SessionHost
  readonly #announced: Announced | undefined
  readonly #packs = new Set<string>()
  #unindexed: SealedPack[] = []
  #unindexedRecords = 0
  /** Listed, and known to this session alone. */
  #unoffered: ListedPacks[] = []
  readonly #listing = new Set<Promise<void>>()
  #isCommitting = false
  #isCommitted = false
  #ending: Promise<void> | undefined

  constructor(host: SessionHost, generation: Generation, announced: Announced | undefined) {
    this.repository = host.repository
    this.epoch = host.epoch
    this.generation = generation
    this.known = generation.known()
    this.index = new ChunkIndex([], { below: generation.index })
    this.#host = host
    this.#announced = announced
  }

  /**
   * True when packs are missing, cut short or damaged, or may be: then what older trees name need not be there. The first answer takes a look at every
   * pack, so it is for those who have to rely on chunks that they do not ask for.
   */
  get hasGaps(): boolean {
    return this.generation.hasGaps
  }

  get isCommitted(): boolean {
    return this.#isCommitted
  }

  /** Whether the pack is one of those that it took in. */
  hasPack(pack: string): boolean {
    return this.#packs.has(pack)
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
      // No page or list is as large as a chunk of a file may be; but no limit of theirs stands in the format.
      ...(packClass === PACK_CLASS.data ? { mostContentBytes: format.chunking.maxBytes } : {}),
      ...(inFlight === undefined ? {} : { inFlight }),
    })
  }

  /** Takes in a durable pack, also one that a worker published. */
  accept(pack: SealedPack): void {
    invariant(!this.#isCommitted, 'no pack comes after the commit')
    if (this.#ending) {
      // Of a thread that was slower than the end of its work.
      this.#host.abandon([pack])
      return
    }
    // First: one that no index can list must not go from session to session, each of which would fail by it.
    this.index.addPack(pack)
    this.#packs.add(pack.sha256)
    this.#unindexed.push(pack)
    this.#unindexedRecords += pack.records.length
  }

  /**
   * Takes over what earlier sessions of this writer left: told first, and then looked at, since a segment of theirs may have become visible, and a prune
   * have deleted by it.
   */
  async takeOver(op: Operation, packs: readonly SealedPack[]): Promise<void> {
    const { store } = this.repository
    const kept: SealedPack[] = []
    try {
      await this.#host.gate(op, async () => {
        await this.#announced?.announcement.tell(packs.map(tellPack))
        const doomed = tombstonedPacks(await this.#host.deletion(op))
        for (const pack of packs) {
          if (doomed.has(pack.sha256)) continue
          if ((await store.head(op, packName(pack.sha256)))?.sizeBytes === pack.sizeBytes) kept.push(pack)
        }
      })
    } catch (error) {
      this.#host.abandon(packs)
      throw error
    }
    for (const pack of kept) {
      this.accept(pack)
      for (const { id } of pack.records) this.known.take(id)
    }
  }

  /** Takes note that what an error is about can not be read: it is stored again when it comes again, by whatever session, in whatever thread. */
  distrust(damage: TerpError): void {
    const { chunk, pack } = damage.context
    this.generation.noteLack()
    if (typeof chunk === 'string') {
      this.known.distrust(Buffer.from(chunk, 'hex'))
      if (typeof pack === 'string') this.#host.takeDamage(pack, chunk)
    } else if (typeof pack === 'string') {
      this.generation.distrustPack(pack)
      for (const id of this.index.addedIdsIn(pack)) this.known.distrust(id)
      // One that is missing is seen by everybody.
      if (!hasCode(damage, 'PACK_MISSING')) this.#host.takeDamage(pack, undefined)
    }
  }

  /** Publishes the segment of what came so far. Between packs and manifest, and now and then in a long run. */
  async publishIndex(op: Operation, leastRecords = 1): Promise<void> {
    if (this.#unindexedRecords < leastRecords || this.#ending) return
    const packs = this.#unindexed
    this.#unindexed = []
    this.#unindexedRecords = 0
    const listing = this.#list(op, packs)
    this.#listing.add(listing)
    await listing.finally(() => this.#listing.delete(listing))
  }

  async #list(op: Operation, packs: readonly SealedPack[]): Promise<void> {
    const groups = groupsOf(packs)
    try {
      await this.#announced?.announcement.tell(packs.map(tellPack))
      for (let group = groups[0]; group; group = groups[0]) {
        const segment = encodeSegment(op.random, this.repository.keys, group)
        await this.repository.store.put(op, segment.name, segment.bytes)
        this.#unoffered.push({ segment: segment.name, packs: group })
        groups.shift()
      }
    } catch (error) {
      // They count as unlisted still, whatever became of the segment: a manifest must not be published without it.
      for (const pack of groups.flat()) {
        this.#unindexed.push(pack)
        this.#unindexedRecords += pack.records.length
      }
      throw error
    }
  }

  /** For a long run: a segment as soon as it would be full, and then for others too. */
  async publishFullIndex(op: Operation): Promise<void> {
    await this.publishIndex(op, MOST_RECORDS / 2)
    if (!this.#host.isShared || this.#unoffered.length === 0) return
    await this.#host.gate(op, async () => {
      const deletion = await this.#checkStanding(op)
      this.#offer(deletion)
    })
  }

  async #checkStanding(op: Operation): Promise<Deletion> {
    if (!this.#announced) return NO_DELETION
    const deletion = await this.#host.deletion(op)
    await checkStanding(op, this.#announced, deletion)
    return deletion
  }

  /**
   * Under the gate, and while the session stands: so a tombstone that names a pack of it is one of these, or will wait for every session that learns of the
   * pack here.
   */
  #offer(deletion: Deletion): void {
    const doomed = tombstonedPacks(deletion)
    for (const { segment, packs } of this.#unoffered) {
      this.#host.offer({ segment, packs: packs.filter(({ sha256 }) => !doomed.has(sha256)) })
    }
    this.#unoffered = []
  }

  /** The commit. All writers have been flushed. Once it returns, the recovery point survives any crash. */
  async commit(op: Operation, point: NewPoint): Promise<RecoveryPoint> {
    invariant(!this.#ending && !this.#isCommitting, 'a session commits once')
    this.#isCommitting = true
    try {
      await this.publishIndex(op)
      await this.#host.noteDamage(op)
      const committed = await this.#host.gate(op, async () => {
        await this.#host.checkEpoch(op)
        const deletion = await this.#checkStanding(op)
        this.#offer(deletion)
        return this.#publishPoint(op, point, deletion)
      })
      this.#isCommitted = true
      await this.#host.committed(op, this)
      return committed
    } finally {
      await this.end()
    }
  }

  /** Others need not wait for this session any more. What did not commit ends with it; fine to repeat. */
  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    // A segment must not become visible when nobody stands for its packs any more.
    await Promise.allSettled(this.#listing)
    if (this.#unindexed.length > 0) this.#host.abandon(this.#unindexed)
    this.#unindexed = []
    this.#unindexedRecords = 0
    if (this.#unoffered.length > 0) this.#host.openAnew()
    try {
      await this.#announced?.announcement.release()
    } finally {
      this.#host.ended(this)
    }
  }

  /** Sessions that commit points of one source at once do it in the order in which they come through the gate. */
  async #publishPoint(op: Operation, point: NewPoint, deletion: Deletion): Promise<RecoveryPoint> {
    const { store, keys } = this.repository
    const source = sourceId(keys, point.source)
    const last = await lastManifest(op, store, source)
    // Its writer may have been killed before it was durable; then this one could survive a crash that takes the one before it.
    if (last && this.repository.format.kind === 'pool') await store.put(op, last.name, await store.get(op, last.name))
    const id = point.id ?? randomHex(op.random, 16)
    const sequence = Math.max(last?.sequence ?? 0, lastExpired(deletion, source), (point.sequence ?? 1) - 1) + 1
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
}

/** As many packs as one segment may list; a pack that holds more chunks is alone. */
function groupsOf(packs: readonly SealedPack[]): SealedPack[][] {
  const groups: SealedPack[][] = []
  let records = MOST_RECORDS
  for (const pack of packs) {
    records += pack.records.length
    if (records > MOST_RECORDS) {
      groups.push([])
      records = pack.records.length
    }
    groups.at(-1)?.push(pack)
  }
  return groups
}

/** The highest number of an expired point of the source: numbers are not given twice. */
function lastExpired({ expired, gone }: Deletion, source: string): number {
  const names = [...expired.map(({ object }) => object), ...gone].map(manifestOfName)
  return names.reduce((highest, name) => (name?.source === source ? Math.max(highest, name.sequence) : highest), 0)
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
