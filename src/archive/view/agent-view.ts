/**
 * What one agent sees of a pool (docs/adr/0015-an-agents-view.md): to back up, the last recovery point of its source and everything that this reaches; to restore, what
 * it was granted. An agent holds none of the pool's keys that open anything; what it stores is opened, checked and sealed again here, and a recovery point counts
 * only if it reaches nothing but what this source showed it has: chunks of its last point, and those that it sent.
 */
import { isKind, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import {
  type ChunkIndex,
  type ChunkLocation,
  IdTable,
  type RecoveryPoint,
  type Repository,
  type ViewKeys,
  ViewStore,
  viewKeys,
  type WriteSession,
} from '../../repository/index.ts'
import { archiveError } from '../errors.ts'
import { TreeVisit } from './reached.ts'
import type { Receivers } from './receivers.ts'

export interface AgentView {
  readonly store: ViewStore
  /** What the agent opens it with. */
  readonly keys: ViewKeys
  /** Lets go of what the view holds; the session of the pool is its caller's. */
  end(): void
}

export interface BackupViewOptions {
  readonly session: WriteSession
  /** Of the session's pool. */
  readonly receivers: Receivers
  /** Names the view: two agents never share one. */
  readonly scope: string
  /** The only source that may be written. */
  readonly source: string
  /** Of what an earlier session sent and did not commit: known to be this source's. What the pool no longer has is left out. */
  readonly sentBefore?: Iterable<Uint8Array>
  /** What the recovery point will be called, whatever the agent calls it: who asks for the same again is told that it is there (VIEW_COMMITTED). */
  readonly pointId?: string | undefined
  /** Told of chunks once they are durable, 32 bytes each, for `sentBefore` of a later session. */
  readonly onSent?: (op: Operation, ids: Uint8Array) => Promise<void>
  readonly onCommitted: (point: RecoveryPoint) => void
}

const ID_BYTES = 32

export async function openBackupView(op: Operation, options: BackupViewOptions): Promise<AgentView> {
  const { session, source } = options
  const { repository, index } = session
  const keys = viewKeys(repository, options.scope)
  const { points } = await repository.listPoints(op, source)
  // The answer to its commit was lost, or the server that gave it.
  if (options.pointId !== undefined && points.some(({ id }) => id === options.pointId))
    throw archiveError('VIEW_COMMITTED', `the recovery point ${options.pointId} is there`, { context: { point: options.pointId } })
  const base = points.findLast((point) => index.find(Buffer.from(point.root, 'hex')) !== undefined)
  const writer = new SourceWriter(randomHex(op.random, 8), options, keys, base)
  const store = new ViewStore(op, repository, keys, writer)
  if (base) {
    const isWhole = await writer.show(op, store, Buffer.from(base.root, 'hex'))
    // Otherwise the agent reads everything again, and sends what is lacking.
    if (isWhole) store.showPoint(op, base)
  }
  writer.showSent(store)
  await store.seal(op)
  return { store, keys, end: () => writer.end() }
}

export interface RestoreViewOptions {
  readonly repository: Repository
  readonly index: ChunkIndex
  readonly scope: string
  readonly point: RecoveryPoint
  /** Absolute, with or without their first slash; undefined for everything. */
  readonly paths?: readonly Buffer[] | undefined
}

/** Reads only, and only that. */
export async function openRestoreView(op: Operation, options: RestoreViewOptions): Promise<AgentView> {
  const { repository, index, point, paths } = options
  const keys = viewKeys(repository, options.scope)
  const store = new ViewStore(op, repository, keys)
  const shown = new IdTable()
  const visitor = {
    enter(location: ChunkLocation) {
      if (!shown.add(location.record.id).isNew) return false
      store.showChunk(location)
      return true
    },
  }
  await new TreeVisit(repository, index, visitor, { wanted: paths?.map(withoutSlashes) }).tree(op, Buffer.from(point.root, 'hex'))
  store.showPoint(op, point)
  await store.seal(op)
  return { store, keys, end: () => {} }
}

class SourceWriter {
  readonly source: string
  readonly #options: BackupViewOptions
  readonly #keys: ViewKeys
  readonly #base: RecoveryPoint | undefined
  /** Chunks that the source showed it has. */
  readonly #proven = new IdTable()
  /** So many of these are of the point before, with all that they reach. */
  #shownBefore = 0
  readonly #id: string
  #failure: unknown

  constructor(id: string, options: BackupViewOptions, keys: ViewKeys, base: RecoveryPoint | undefined) {
    this.#id = id
    this.source = options.source
    this.#options = options
    this.#keys = keys
    this.#base = base
  }

  /** False when something that the point reaches is missing or damaged: that is not shown, and is stored anew when it is sent. */
  async show(op: Operation, store: ViewStore, root: Buffer): Promise<boolean> {
    const { session, source } = this.#options
    const { repository, index } = session
    let isWhole = true
    const onDamage = (error: TerpError, entered: ChunkLocation | undefined) => {
      if (isWhole)
        op.warn({ code: error.code, message: `${source} is read anew, since its last recovery point lacks something: ${error.message}` })
      isWhole = false
      if (entered) store.hideChunk(entered)
      // Of what is in no pack that can be used, the session knows.
      if (error.context.pack !== undefined) session.distrust(error)
    }
    const visitor = {
      enter: (location: ChunkLocation) => {
        if (!this.#proven.add(location.record.id).isNew) return false
        store.showChunk(location)
        return true
      },
    }
    await new TreeVisit(repository, index, visitor, { onDamage }).tree(op, root)
    if (isWhole) this.#shownBefore = this.#proven.size
    return isWhole
  }

  showSent(store: ViewStore): void {
    for (const id of this.#options.sentBefore ?? []) {
      const location = this.#options.session.index.find(Buffer.from(id))
      if (location && this.#proven.add(id).isNew) store.showChunk(location)
    }
  }

  async takePack(op: Operation, name: string, bytes: Buffer): Promise<void> {
    const { session, receivers, onSent } = this.#options
    if (session.known.needsRoom) session.known.grow()
    const { grant } = session
    const mostContentBytes = session.repository.format.chunking.maxBytes * 2
    const sent = { session: this.#id, grant, keys: this.#keys.keys, name, bytes, mostContentBytes }
    if (this.#failure) throw this.#failure
    const { ids, sealed } = await receivers.take(op, sent).catch((error: unknown) => {
      // What is refused was not begun to be stored. Otherwise chunks count as known to this session that are in no pack: nothing of it goes on.
      if (!isKind(error, 'corrupt')) this.#failure ??= error
      throw error
    })
    for (const pack of sealed) session.accept(pack)
    await session.publishFullIndex(op)
    await onSent?.(op, ids)
    for (let at = 0; at < ids.length; at += ID_BYTES) this.#proven.add(ids.subarray(at, at + ID_BYTES))
  }

  end(): void {
    this.#options.receivers.forget(this.#id)
  }

  /** VIEW_UNPROVEN_CHUNK when the tree reaches a chunk that this source never showed it has. */
  async takePoint(op: Operation, point: RecoveryPoint): Promise<void> {
    const { session, onCommitted } = this.#options
    if (this.#failure) throw this.#failure
    await this.#check(op, Buffer.from(point.root, 'hex'))
    const committed = await session.commit(op, {
      id: this.#options.pointId ?? point.id,
      source: this.source,
      started: point.started,
      host: point.host,
      paths: point.paths,
      excludes: point.excludes,
      root: Buffer.from(point.root, 'hex'),
      level: point.level,
      program: point.program,
      statistics: point.statistics,
      warnings: point.warnings,
      previousPoint: this.#base?.id ?? null,
      selection: point.selection,
    })
    onCommitted(committed)
  }

  /** Pages of the point before are not gone through again: what they reach was shown. */
  async #check(op: Operation, root: Buffer): Promise<void> {
    const { repository, index } = this.#options.session
    const seen = new IdTable()
    const visitor = {
      enter: ({ record: { id } }: ChunkLocation) => {
        const number = this.#proven.numberOf(id)
        if (number === undefined) {
          throw archiveError(
            'VIEW_UNPROVEN_CHUNK',
            `the recovery point names chunk ${id.toString('hex').slice(0, 12)}…, which this source never had`,
          )
        }
        return number >= this.#shownBefore && seen.add(id).isNew
      },
    }
    await new TreeVisit(repository, index, visitor, { isStrict: true }).tree(op, root)
  }
}

function withoutSlashes(path: Buffer): Buffer {
  let [start, end] = [0, path.length]
  while (start < end && path[start] === 0x2f) start++
  while (end > start && path[end - 1] === 0x2f) end--
  return path.subarray(start, end)
}
