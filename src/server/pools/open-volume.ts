/**
 * A pool volume that is held open: its lock, its writer with which all backups begin their sessions, threads that take in what agents send, and threads for
 * everything that reads much. Nobody else writes to it meanwhile.
 */
import { availableParallelism } from 'node:os'
import {
  backUp,
  openBackupView,
  openReceivers,
  openRestoreView,
  type ReadPlace,
  type Receivers,
  type VerifyReport,
} from '../../archive/index.ts'
import { hasCode, invariant, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { PointFacts } from '../../catalog/index.ts'
import type { Disk, DiskLock } from '../../platform/index.ts'
import {
  asSession,
  openPoolWriter,
  type PoolWriter,
  type PruneReport,
  packName,
  parseKeyFile,
  pruneError,
  type RecoveryPoint,
  Repository,
  readDamageList,
  repositoryError,
  type ViewKeys,
  type WriteSession,
} from '../../repository/index.ts'
import { LocalDiskStore } from '../../storage/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import { hasErrno } from '../data-folder.ts'
import type { TestRestoreReport, TestRestoreWish } from '../recovery/test-restore-task.ts'
import { poolError } from './errors.ts'
import type { Expired, PruneWish } from './maintenance.ts'
import { keyPath } from './make-volume.ts'
import { factsOf } from './point-facts.ts'
import type { SentJournal } from './sent-journal.ts'
import { TaskThread } from './task-thread.ts'

export interface VolumeSetup {
  readonly id: string
  readonly name: string
  readonly folder: string
  /** As it was when it was made; undefined for one that was never opened. */
  readonly repositoryId: string | undefined
  readonly keysFolder: string
  readonly journal: SentJournal
  /** Chunks that were found damaged just now, or sound again. */
  readonly onDamage?: ((change: { readonly fresh: number; readonly healed: number }) => void) | undefined
}

export interface BackupWish {
  readonly agentId: string
  readonly jobId: string
  readonly sourceId: string
  /** Of the recovery point that it makes; VIEW_COMMITTED when that is there. Undefined: any. */
  readonly pointId?: string | undefined
  /** The recovery point is durable. What becomes of this is waited for when the session ends. */
  readonly onCommitted: (facts: PointFacts, point: RecoveryPoint) => void | Promise<void>
}

/** Of what lies on this machine. */
export interface OwnBackup {
  readonly source: string
  readonly paths: readonly Buffer[]
  /** Where they are read, when that is not where they are recorded. */
  readonly readAt?: readonly ReadPlace[]
  readonly excludes?: readonly string[]
  readonly oneFileSystem?: boolean
  readonly host: string
  readonly program: string
  /** Some megabytes, and more. */
  readonly isLarge: boolean
}

export interface RestoreWish {
  /** Of the job or the grant: names the view, which nobody else has. */
  readonly scope: string
  readonly pointId: string
  /** Undefined for everything. */
  readonly paths?: readonly Buffer[] | undefined
}

const MOST_RECEIVERS = 4

export class OpenVolume {
  readonly id: string
  readonly folder: string
  readonly repository: Repository
  readonly store: LocalDiskStore
  /** For what is short: listing, looking into recovery points. */
  readonly reader: TaskThread
  /** For the index of names, which reads whole trees. */
  readonly searcher: TaskThread
  readonly #op: Operation
  readonly #writer: PoolWriter
  readonly #receivers: Receivers
  readonly #lock: DiskLock
  readonly #journal: SentJournal
  readonly #sessions = new Set<HeldSession>()
  /** Sessions that are being opened: none of the others yet, and the writer is theirs already. */
  readonly #openings = new Set<Promise<OpenedSession>>()
  readonly #sources = new Set<string>()
  /** Of the server itself. */
  readonly #works = new Set<Promise<unknown>>()
  readonly #threads = new Set<TaskThread>()
  readonly #pruning = new Semaphore(1)
  #isClosing = false

  private constructor(
    op: Operation,
    setup: VolumeSetup,
    lock: DiskLock,
    repository: Repository,
    store: LocalDiskStore,
    writer: PoolWriter,
  ) {
    this.id = setup.id
    this.folder = setup.folder
    this.repository = repository
    this.store = store
    this.#op = op
    this.#writer = writer
    this.#lock = lock
    this.#journal = setup.journal
    this.reader = this.#newThread()
    this.searcher = this.#newThread()
    writer.onDamage = (change) => setup.onDamage?.(change)
    this.#receivers = openReceivers({
      store: { kind: 'local', path: setup.folder },
      tag: String(writer.epoch),
      count: Math.min(MOST_RECEIVERS, availableParallelism()),
    })
  }

  /** `op` goes on as long as the volume is open. POOL_UNAVAILABLE, POOL_KEY_MISSING, POOL_REPLACED, REPOSITORY_BUSY, and what opening a repository says. */
  static async open(op: Operation, disk: Disk, setup: VolumeSetup): Promise<OpenVolume> {
    const { id, folder, repositoryId } = setup
    const context = { pool: id, folder }
    const store = new LocalDiskStore(disk, folder)
    // Before anything is made there: a disk that is not mounted leaves an empty folder behind.
    const isThere = await formatIsThere(op, store)
    if (!isThere)
      throw poolError('POOL_UNAVAILABLE', `the pool volume ${setup.name} is not in ${folder}`, {
        context: { ...context, domain_code: 33518 },
      })
    const secret = parseKeyFile(await readKey(disk, setup))
    const lock = await store.lock(op)
    if (!lock) throw repositoryError('REPOSITORY_BUSY', `another process writes to ${folder}`, { context })
    try {
      const repository = await Repository.open(op, store, secret, 'write')
      if (repositoryId !== undefined && repository.format.repositoryId !== repositoryId)
        throw poolError('POOL_REPLACED', `in ${folder} is another pool than ${setup.name}`, { context })
      const writer = await openPoolWriter(op, repository, lock, store)
      return new OpenVolume(op, setup, lock, repository, store, writer)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get sessions(): number {
    return this.#sessions.size
  }

  /** POOL_SOURCE_BUSY: what one session sends would be the other's. */
  async openBackup(wish: BackupWish): Promise<OpenedSession> {
    this.#checkOpen()
    return await this.#opening(this.#openBackup(wish))
  }

  async #opening(opening: Promise<OpenedSession>): Promise<OpenedSession> {
    this.#openings.add(opening)
    try {
      return await opening
    } finally {
      this.#openings.delete(opening)
    }
  }

  async #openBackup({ agentId, jobId, sourceId, pointId, onCommitted }: BackupWish): Promise<OpenedSession> {
    if (this.#sources.has(sourceId)) throw poolError('POOL_SOURCE_BUSY', `a backup of ${sourceId} runs`, { context: { source: sourceId } })
    this.#sources.add(sourceId)
    const op = this.#op
    const ends = new AsyncDisposableStack()
    ends.defer(() => void this.#sources.delete(sourceId))
    const told: Promise<void>[] = []
    ends.defer(async () => {
      await Promise.all(told)
    })
    try {
      const journal = await this.#journal.open(op, this.id, sourceId)
      ends.defer(() => journal.close())
      const session = await this.#writer.begin(op)
      ends.defer(() => session.end())
      const view = await openBackupView(op, {
        session,
        receivers: this.#receivers,
        scope: `backup ${agentId} ${jobId}`,
        source: sourceId,
        pointId,
        sentBefore: journal.sentBefore,
        onSent: (_, ids) => journal.add(ids),
        onCommitted: (point) => {
          const telling = this.#committed(journal, onCommitted, point)
          // It is waited for when the session ends; a failure meanwhile is nobody's surprise.
          telling.catch(() => undefined)
          told.push(telling)
        },
      })
      ends.defer(() => view.end())
      return this.#hold(ends, { answer: { kind: 'backup', ...keyTexts(view.keys) }, store: view.store })
    } catch (error) {
      await ends.disposeAsync()
      throw error
    }
  }

  async #committed(journal: { committed(): Promise<void> }, onCommitted: BackupWish['onCommitted'], point: RecoveryPoint): Promise<void> {
    try {
      await onCommitted(factsOf(this.id, point), point)
    } finally {
      // What stays is left out by the next session, or goes with it.
      await journal
        .committed()
        .catch((error: unknown) => this.#op.warn({ code: 'POOL_JOURNAL_LEFT', message: String(error), item: point.source }))
    }
  }

  /** A prune leaves what the point needs alone until the session ends. POINT_NOT_FOUND. */
  async openRestore(wish: RestoreWish): Promise<OpenedSession> {
    this.#checkOpen()
    return await this.#opening(this.#openRestore(wish))
  }

  async #openRestore({ scope, pointId, paths }: RestoreWish): Promise<OpenedSession> {
    const op = this.#op
    const { repository, store } = this
    const ended = Promise.withResolvers<void>()
    const opened = Promise.withResolvers<Omit<OpenedSession, 'end'>>()
    const reading = asSession(op, repository, store, 'restore', async () => {
      const point = await repository.findPoint(op, pointId)
      const { index } = await repository.loadIndex(op)
      // What the view shows, it has places of.
      const view = await openRestoreView(op, { repository, index, scope: `restore ${scope}`, point, paths }).finally(() => index.close())
      const read = view.store.get.bind(view.store)
      view.store.get = (...asked) =>
        read(...asked).catch((error: unknown) => {
          this.#damageMet(error)
          throw error
        })
      opened.resolve({ answer: { kind: 'restore', ...keyTexts(view.keys), point: point.id }, store: view.store })
      await ended.promise
      view.end()
    })
    reading.catch((error: unknown) => opened.reject(error))
    const view = await opened.promise
    const ends = new AsyncDisposableStack()
    ends.defer(async () => {
      ended.resolve()
      await reading
    })
    return this.#hold(ends, view)
  }

  #hold(ends: AsyncDisposableStack, view: Omit<OpenedSession, 'end'>): OpenedSession {
    const session = new HeldSession(view, async () => {
      this.#sessions.delete(session)
      await ends.disposeAsync()
    })
    this.#sessions.add(session)
    return session
  }

  /** A session for work of the server itself; it ends with that. */
  async withSession<T>(op: Operation, work: (session: WriteSession) => Promise<T>): Promise<T> {
    this.#checkOpen()
    const working = this.#inSession(op, work)
    this.#works.add(working)
    try {
      return await working
    } finally {
      this.#works.delete(working)
    }
  }

  async #inSession<T>(op: Operation, work: (session: WriteSession) => Promise<T>): Promise<T> {
    const session = await this.#writer.begin(op)
    try {
      return await work(session)
    } finally {
      await session.end()
    }
  }

  /** POOL_SOURCE_BUSY. */
  backUpHere(op: Operation, { isLarge, ...wish }: OwnBackup): Promise<PointFacts> {
    return this.holding(wish.source, () =>
      this.withSession(op, async (session) => {
        const { point } = await backUp(op, {
          excludes: [],
          oneFileSystem: false,
          ...wish,
          session,
          excludeCaches: false,
          forceRead: false,
          skipFolders: [],
          // To start a thread takes longer than to read what is small.
          ...(isLarge && { workerStore: { kind: 'local', path: this.folder }, lanes: 1 }),
        })
        return factsOf(this.id, point)
      }),
    )
  }

  /** No backup of the source begins here meanwhile. POOL_SOURCE_BUSY. */
  async holding<T>(sourceId: string, work: () => Promise<T>): Promise<T> {
    this.#checkOpen()
    if (this.#sources.has(sourceId)) throw poolError('POOL_SOURCE_BUSY', `a backup of ${sourceId} runs`, { context: { source: sourceId } })
    this.#sources.add(sourceId)
    try {
      return await work()
    } finally {
      this.#sources.delete(sourceId)
    }
  }

  /**
   * What it finds damaged is noted, so that the next backup stores it again where the source still has it; and what was noted and is sound, or gone since it was stored
   * again, is forgotten.
   */
  async verify(op: Operation, options: { readonly readData: boolean }): Promise<VerifyReport> {
    const before = await readDamageList(op, this.repository)
    const report = await this.inThread((thread) => thread.run(op, 'verify', options))
    const gone = new Set<string>()
    for (const pack of before.keys()) if (!(await this.store.head(op, packName(pack)))) gone.add(pack)
    const isSettled = (pack: string) => options.readData || gone.has(pack)
    await this.#writer.reviseDamage(this.#op, { before, found: report.damage, isSettled })
    return report
  }

  /** POOL_UNAVAILABLE. */
  async check(op: Operation): Promise<void> {
    if (await formatIsThere(op, this.store).catch(() => false)) return
    throw poolError('POOL_UNAVAILABLE', `the pool volume is no longer in ${this.folder}`, {
      context: { pool: this.id, folder: this.folder, domain_code: 33518 },
    })
  }

  /** Reads for long: in a thread of its own. */
  testRestore(op: Operation, wish: TestRestoreWish): Promise<TestRestoreReport> {
    return this.inThread((thread) => thread.run(op, 'testRestore', wish))
  }

  expire(op: Operation, points: readonly string[], { dryRun }: { readonly dryRun: boolean }): Promise<Expired> {
    return this.#pruneLocked(op, () => this.inThread((thread) => thread.run(op, 'expire', { points, dryRun })))
  }

  prune(op: Operation, wish: PruneWish): Promise<PruneReport> {
    return this.#pruneLocked(op, () => this.inThread((thread) => thread.run(op, 'prune', wish)))
  }

  /** In this process by turns. PRUNE_BUSY when another process does. */
  #pruneLocked<T>(op: Operation, work: () => Promise<T>): Promise<T> {
    return this.#pruning.run(async () => {
      op.check()
      this.#checkOpen()
      const lock = await this.store.lockPrune(this.#op)
      if (!lock) throw pruneError('PRUNE_BUSY', `another process expires or prunes in ${this.folder}`, { context: { folder: this.folder } })
      try {
        return await work()
      } finally {
        await lock.release()
      }
    })
  }

  /** In a thread of its own, which ends with it. */
  async inThread<T>(work: (thread: TaskThread) => Promise<T>): Promise<T> {
    this.#checkOpen()
    const thread = this.#newThread()
    this.#threads.add(thread)
    try {
      return await work(thread)
    } finally {
      this.#threads.delete(thread)
      await thread.close()
    }
  }

  #newThread(): TaskThread {
    return new TaskThread({ folder: this.folder, bundle: this.repository.bundle }, (error) => this.#damageMet(error))
  }

  /** Whoever reads and meets damage says so, and the next backup that meets the content stores it again. */
  #damageMet(error: unknown): void {
    if (!isKind(error, 'corrupt')) return
    const { pack, chunk } = error.context
    if (typeof pack !== 'string' || hasCode(error, 'PACK_MISSING')) return
    this.#writer.takeDamage(pack, typeof chunk === 'string' ? chunk : undefined)
    void this.#writer.noteDamage(this.#op).catch((failure: unknown) => {
      this.#op.warn({ code: 'POOL_DAMAGE_UNNOTED', message: String(failure), item: pack })
    })
  }

  #checkOpen(): void {
    if (this.#isClosing) throw poolError('POOL_CLOSING', 'the pool volume is being closed', { context: { pool: this.id } })
  }

  /** All sessions end first. The lock goes last: who takes it then is alone. */
  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    const failures: unknown[] = []
    const attempt = (work: () => Promise<void>) => work().catch((error: unknown) => void failures.push(error))
    await Promise.allSettled(this.#openings)
    await Promise.all([...this.#sessions].map((session) => attempt(() => session.end())))
    await Promise.all([this.reader, this.searcher, ...this.#threads].map((thread) => attempt(() => thread.close())))
    await Promise.allSettled(this.#works)
    // Who prunes gives PRUNE.LOCK back.
    await this.#pruning.run(async () => {})
    await attempt(() => this.#receivers.close())
    await attempt(() => this.#journal.settled())
    await attempt(() => this.#writer.close(this.#op))
    await attempt(() => this.#lock.release())
    if (failures.length > 0) throw failures[0]
  }
}

class HeldSession implements OpenedSession {
  readonly answer: OpenedSession['answer']
  readonly store: OpenedSession['store']
  readonly #end: () => Promise<void>
  #ending: Promise<void> | undefined

  constructor({ answer, store }: Omit<OpenedSession, 'end'>, end: () => Promise<void>) {
    this.answer = answer
    this.store = store
    this.#end = end
  }

  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }
}

function keyTexts({ bundle }: ViewKeys) {
  const text = (key: Uint8Array) => Buffer.from(key).toString('base64')
  return { masterKey: text(bundle.masterKey), idKey: text(bundle.idKey), chunkingKey: text(bundle.chunkingKey) }
}

async function formatIsThere(op: Operation, store: LocalDiskStore): Promise<boolean> {
  return ((await store.head(op, 'FORMAT')) ?? (await store.head(op, 'FORMAT.copy'))) !== undefined
}

async function readKey(disk: Disk, { id, keysFolder, name }: VolumeSetup): Promise<Buffer> {
  const path = keyPath(keysFolder, id)
  try {
    return await disk.read(path)
  } catch (cause) {
    invariant(cause instanceof Error, 'failures are errors')
    const what = hasErrno(cause, 'ENOENT') ? 'is missing' : 'can not be read'
    throw poolError('POOL_KEY_MISSING', `the key of the pool volume ${name} ${what}`, { cause, context: { pool: id, path } })
  }
}
