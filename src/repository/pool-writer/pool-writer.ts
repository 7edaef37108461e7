/**
 * The writer of a repository: opened once under its lock, for as long as that is held (docs/format.md §13, docs/locking.md). It has one epoch, takes in what a
 * crash left, opens the index, and then begins any number of sessions, one after the other or at once. What keeps them apart, and right beside a prune, stands
 * in docs/adr/0014-many-sessions.md; test/model/many-sessions.model.test.ts explores it.
 *
 * Its memory does not grow with their number: what they listed is kept up to a bound, then the index is opened anew.
 */
import { invariant, TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { PruningStore } from '../../storage/index.ts'
import { noteDamage, type Revision, reviseDamage } from '../damage-list.ts'
import type { DamageList } from '../damaged-chunks.ts'
import { healFormat } from '../format/format-file.ts'
import { keepIndex } from '../index/index-upkeep.ts'
import { openWriterIndex, readPacks, settlePacks } from '../index/writer-index.ts'
import { packName, type SealedPack } from '../pack/pack-format.ts'
import { type Deletion, NO_DELETION, readDeletion, tombstonedPacks } from '../prune/deletion-record.ts'
import type { Repository } from '../repository.ts'
import { type SessionHost, type WriterLock, WriteSession } from '../write-session.ts'
import { checkEpoch, takeEpoch } from './epoch.ts'
import { Generation, type ListedPacks } from './generation.ts'
import { type Announced, announce, tellPack } from './standing.ts'
import { type Stray, StrayPacks } from './stray-packs.ts'

/** Segments that sessions listed before some of them are merged. */
const UPKEEP_AFTER = 32
/** After this, packs that vanished are noticed. */
const OPEN_ANEW_AFTER_MS = 3_600_000

interface Parts extends Pick<SessionHost, 'repository' | 'lock' | 'epoch' | 'isShared'> {
  /** Where the store can also remove. */
  readonly pruning: PruningStore | undefined
  readonly deletion: Deletion
  readonly generation: Generation
}

export class PoolWriter implements SessionHost {
  readonly repository: Repository
  readonly lock: WriterLock
  readonly epoch: number
  readonly isShared: boolean
  readonly #pruning: PruningStore | undefined
  #deletion: Deletion
  #generation: Generation
  /** Also those before it with which sessions are still at work. */
  readonly #generations: Set<Generation>
  readonly #live = new Set<WriteSession>()
  /** What was listed while the index is being opened anew. */
  #listedMeanwhile: ListedPacks[] | undefined
  #abandoned: SealedPack[] = []
  readonly #strays = new StrayPacks()
  #damage = new Map<string, Set<string> | 'all'>()
  /** So often the index had to be opened anew. */
  #changes = 0
  #segments = 0
  #isKeeping = false
  #isClosed = false
  readonly #atGate = new Semaphore(1)
  readonly #opening = new Semaphore(1)
  readonly #noting = new Semaphore(1)
  /** Chunks that were found damaged and were not noted before, and that were noted and are sound, or there no more. */
  onDamage: (change: { readonly fresh: number; readonly healed: number }) => void = () => {}

  private constructor(parts: Parts) {
    this.repository = parts.repository
    this.lock = parts.lock
    this.epoch = parts.epoch
    this.isShared = parts.isShared
    this.#pruning = parts.pruning
    this.#deletion = parts.deletion
    this.#generation = parts.generation
    this.#generations = new Set([parts.generation])
  }

  /** For many sessions. `lock` is the caller's proof that no other process writes; it stays the caller's, to be released after `close`. */
  static async open(op: Operation, repository: Repository, lock: WriterLock, store: PruningStore): Promise<PoolWriter> {
    const { writer, announced } = await PoolWriter.#open(op, repository, lock, store, true)
    await announced?.announcement.release()
    return writer
  }

  /** A writer for one session, and the session. */
  static async openOne(op: Operation, repository: Repository, lock: WriterLock, pruning?: PruningStore): Promise<WriteSession> {
    const { writer, announced } = await PoolWriter.#open(op, repository, lock, pruning, false)
    return writer.#start(writer.#use(writer.#generation), announced)
  }

  static async #open(
    op: Operation,
    repository: Repository,
    lock: WriterLock,
    pruning: PruningStore | undefined,
    isShared: boolean,
  ): Promise<{ writer: PoolWriter; announced: Announced | undefined }> {
    const epoch = await takeEpoch(op, repository.store, pruning)
    await healFormat(op, repository.store, pruning)
    const announced =
      pruning && repository.format.version >= 2
        ? await pruning.sessions.gate(op, () => announce(op, pruning, epoch, () => readDeletion(op, repository)))
        : undefined
    try {
      const seen = announced?.seen ?? NO_DELETION
      const { index, mayLack } = await openWriterIndex(op, repository, {
        pruning,
        doomed: tombstonedPacks(seen),
        onRecovered: async (packs) => announced?.announcement.tell(packs.map(tellPack)),
      })
      const generation = new Generation(op, repository, { index, mayLack, seen })
      return { writer: new PoolWriter({ repository, lock, epoch, isShared, pruning, deletion: seen, generation }), announced }
    } catch (error) {
      await announced?.announcement.release()
      throw error
    }
  }

  /** A session of its own, beside all others: its caller ends it, by `commit` or by `end`. */
  async begin(op: Operation): Promise<WriteSession> {
    invariant(!this.#isClosed, 'a writer that was closed begins nothing')
    const announced = await this.#announce(op)
    let session: WriteSession | undefined
    try {
      const generation = await this.#current(op, announced?.seen ?? NO_DELETION)
      session = this.#start(generation, announced && { ...announced, seen: generation.seen })
      const packs = this.#abandoned
      this.#abandoned = []
      if (packs.length > 0) await session.takeOver(op, packs)
      return session
    } catch (error) {
      await (session ? session.end() : announced?.announcement.release())
      throw error
    }
  }

  #start(generation: Generation, announced: Announced | undefined): WriteSession {
    const session = new WriteSession(this, generation, announced)
    this.#live.add(session)
    return session
  }

  #use(generation: Generation): Generation {
    generation.sessions++
    return generation
  }

  async #announce(op: Operation): Promise<Announced | undefined> {
    const pruning = this.#announcing
    return pruning && this.gate(op, () => announce(op, pruning, this.epoch, () => this.deletion(op)))
  }

  get #announcing(): PruningStore | undefined {
    return this.repository.format.version >= 2 ? this.#pruning : undefined
  }

  /** What was read by a session that was announced before; the generation may have been opened by a later record, which is as good. */
  async #current(op: Operation, seen: Deletion): Promise<Generation> {
    return this.#opening.run(async () => {
      const generation = this.#generation
      const isOld = op.clock.monotonicMs() - generation.openedMs > OPEN_ANEW_AFTER_MS
      if (generation.isStale || isOld) return this.#use(await this.#openAnew(op))
      if (seen.number <= generation.seen.number) return this.#use(generation)
      if (!(await generation.stillHolds(op, seen))) return this.#use(await this.#openAnew(op))
      generation.seen = seen
      return this.#use(generation)
    })
  }

  /** One at a time. */
  async #openAnew(op: Operation): Promise<Generation> {
    const before = this.#generation
    const changes = this.#changes
    this.#listedMeanwhile = []
    try {
      const fresh = await Generation.open(op, this.repository, await this.deletion(op), before)
      for (const listed of this.#listedMeanwhile) fresh.add(listed)
      // What it was opened for may have happened again since it looked.
      if (changes !== this.#changes) fresh.isStale = true
      // Nobody lists what such a segment did.
      if (fresh.unreadable.length > 0) this.#strays.want()
      this.#generation = fresh
      this.#generations.add(fresh)
      this.#closeUnused()
      return fresh
    } finally {
      this.#listedMeanwhile = undefined
    }
  }

  /** Segments with which nobody works any more: threads of a session may read by the handles of its generation. */
  #closeUnused(): void {
    const unused = [...this.#generations].filter((one) => one.sessions === 0 && (one !== this.#generation || this.#isClosed))
    for (const one of unused) this.#generations.delete(one)
    const used = new Set([...this.#generations].flatMap(({ index }) => index.parts.map(({ file }) => file)))
    for (const { index } of unused) for (const { file } of index.parts) if (!used.has(file)) file.close()
  }

  /** In this process by turns: who polls for a lock of the system does so alone. */
  gate<T>(op: Operation, work: () => Promise<T>): Promise<T> {
    const pruning = this.#announcing
    return pruning ? this.#atGate.run(() => pruning.sessions.gate(op, work)) : this.#atGate.run(work)
  }

  checkEpoch(op: Operation): Promise<void> {
    return checkEpoch(op, this.repository.store, this.epoch)
  }

  async deletion(op: Operation): Promise<Deletion> {
    const read = await readDeletion(op, this.repository, this.#deletion)
    if (read.number > this.#deletion.number) this.#deletion = read
    return read
  }

  offer(listed: ListedPacks): void {
    this.#segments++
    if (!this.isShared) return
    for (const generation of this.#generations) generation.add(listed)
    this.#listedMeanwhile?.push(listed)
  }

  openAnew(): void {
    this.#changes++
    this.#generation.isStale = true
  }

  takeDamage(pack: string, chunk: string | undefined): void {
    const before = this.#damage.get(pack)
    if (before === 'all') return
    this.#damage.set(pack, chunk === undefined ? 'all' : (before ?? new Set()).add(chunk))
  }

  /** Also what others found, such as a verification: sessions that begin later store it again. */
  async noteDamage(op: Operation, found: DamageList = new Map()): Promise<void> {
    this.#takeAll(found)
    await this.#noting.run(async () => {
      const damage = this.#damage
      if (damage.size === 0) return
      this.#damage = new Map()
      try {
        this.#damageChanged({ fresh: await noteDamage(op, this.repository, damage), healed: 0 })
      } catch (error) {
        this.#takeAll(damage)
        throw error
      }
    })
  }

  /** After all packs were looked at, or whether they are there. */
  async reviseDamage(op: Operation, revision: Revision): Promise<void> {
    await this.#noting.run(async () => this.#damageChanged(await reviseDamage(op, this.repository, revision)))
  }

  #damageChanged(change: { readonly fresh: number; readonly healed: number }): void {
    if (change.fresh + change.healed === 0) return
    this.openAnew()
    this.onDamage(change)
  }

  #takeAll(found: DamageList): void {
    for (const [pack, chunks] of found) {
      if (chunks === 'all') this.takeDamage(pack, undefined)
      else for (const chunk of chunks) this.takeDamage(pack, chunk)
    }
  }

  abandon(packs: readonly SealedPack[]): void {
    // The next writer finds them; this one has none that could.
    if (this.isShared) this.#abandoned.push(...packs)
  }

  ended(session: WriteSession): void {
    this.#live.delete(session)
    if (!session.isCommitted) this.#strays.want()
    session.generation.sessions--
    if (this.isShared) this.#closeUnused()
  }

  /** Under the announcement of the session that committed: so a prune waits for what is done here. */
  async committed(op: Operation, { generation }: WriteSession): Promise<void> {
    const isDue = !this.isShared || this.#segments >= UPKEEP_AFTER
    const isSearching = this.isShared && this.#strays.isDue(op, this.#others())
    if (!this.#pruning || this.#isKeeping || !(isDue || isSearching)) return
    this.#isKeeping = true
    try {
      if (isDue) await this.#keepIndex(op, this.#pruning, generation)
      if (isSearching) await this.#findStrays(op, this.#pruning)
    } catch (error) {
      if (!(error instanceof TerpError)) throw error
      if (error.kind !== 'cancelled') op.warn({ code: error.code, message: `the index could not be merged: ${error.message}` })
    } finally {
      this.#isKeeping = false
    }
  }

  async #keepIndex(op: Operation, pruning: PruningStore, generation: Generation): Promise<void> {
    this.#segments = 0
    const damaged = [...new Set([...this.#generations].flatMap(({ index }) => index.damagedSegments))]
    await keepIndex(op, pruning, this.repository.keys, {
      damaged,
      beforeRemoval: () => this.checkEpoch(op),
      open: generation.index.parts.map(({ file }) => file),
      doomed: async () => (this.#announcing ? tombstonedPacks(await this.deletion(op)) : new Set()),
    })
    if (damaged.length > 0) this.openAnew()
  }

  /** Those that have committed have told of all that they stored. */
  #others(): Set<WriteSession> {
    return new Set([...this.#live].filter(({ isCommitted }) => !isCommitted))
  }

  async #findStrays(op: Operation, pruning: PruningStore): Promise<void> {
    // By the index as it is now: a prune lists packs that it writes.
    if (this.#strays.hasSeen) await this.#opening.run(() => this.#openAnew(op))
    const isKnown = (pack: string) =>
      this.#generation.isListed(pack) ||
      this.#abandoned.some(({ sha256 }) => sha256 === pack) ||
      [...this.#live].some((session) => session.hasPack(pack))
    const strays = await this.#strays.look(op, this.repository.store, () => this.#others(), isKnown)
    const doomed = tombstonedPacks(await this.deletion(op))
    const there: Stray[] = []
    // A prune takes packs out of the index before they go.
    for (const stray of strays)
      if (!doomed.has(stray.sha256) && (await this.repository.store.head(op, packName(stray.sha256)))) there.push(stray)
    const packs = await readPacks(op, this.repository, there)
    await settlePacks(op, this.repository.store, packs)
    this.abandon(packs)
    const { unreadable } = this.#generation
    if (unreadable.length === 0) return
    // Once all packs are listed again, or told of, that can be.
    if (packs.length === 0 && !this.#strays.hasSeen) for (const name of unreadable) await pruning.quarantine(op, name)
    this.openAnew()
  }

  /** When all sessions have ended. What they left is taken in by the next writer. */
  async close(op: Operation): Promise<void> {
    invariant(this.#live.size === 0, 'a writer is closed after its sessions')
    this.#isClosed = true
    try {
      await this.noteDamage(op)
    } finally {
      this.#closeUnused()
    }
  }
}
