/**
 * What recovery points need, found by walking their trees: the mark of a prune, and what `expire` says about bytes. Everything that can't be read stops it,
 * because what is not known to be needed would be deleted (docs/adr/0010-prune.md).
 *
 * The order is what makes it right beside a backup: the index first, then the sessions, then the points. A session that ended before it was looked for
 * has its point in the list, and one that goes on has told which packs are its own.
 */
import { fromTimestamp } from '../../base/clock.ts'
import { hasCode, isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { LiveSession } from '../../storage/index.ts'
import { readDamageList } from '../damage-list.ts'
import type { DamageList } from '../damaged-chunks.ts'
import { openSegments } from '../index/open-index.ts'
import { decodeManifest, manifestOfName, type RecoveryPoint } from '../manifest/manifest.ts'
import { packOfName } from '../pack/pack-format.ts'
import type { Repository } from '../repository.ts'
import { type Accounting, accountFor } from './accounting.ts'
import { type Deletion, type ExpiredPoint, tombstonedPacks } from './deletion-record.ts'
import { pruneError } from './errors.ts'
import { LiveSet } from './live-set.ts'
import { SurveyIndex, unreadableSegment } from './survey-index.ts'

/** Adds a tree and all that it reaches to a set. Of `archive`, who knows trees. */
export type WalkTree = (op: Operation, repository: Repository, set: LiveSet, root: Buffer) => Promise<void>

export interface SurveyOptions {
  readonly walk: WalkTree
  readonly deletion: Deletion
  /** How long an expired point stays needed. */
  readonly keepTrashMs: number
  /** Go on where a manifest vanished that nobody expired. */
  readonly acceptVanished?: boolean
  /** Points that are taken for expired already: what would be, if they went? */
  readonly without?: ReadonlySet<string>
}

const FRESH_PACK = /^pack ([0-9a-f]{64})$/

export const TRASH = 'trash/'

export class Survey {
  readonly repository: Repository
  readonly index: SurveyIndex
  readonly sessions: readonly LiveSession[]
  readonly live: LiveSet
  /** What expired points reach whose time has come. */
  readonly explained: LiveSet
  /** Their manifests. */
  readonly due: ExpiredPoint[] = []
  readonly #damage: Map<string, Set<string> | 'all'>
  readonly listed = new Map<string, number>()
  readonly present = new Map<string, number>()
  readonly visible: RecoveryPoint[] = []
  readonly #options: SurveyOptions
  readonly #walked = new Set<string>()
  readonly #segments: Set<string>
  /** Of segments that came since. */
  readonly #later: SurveyIndex[] = []

  private constructor(
    repository: Repository,
    index: SurveyIndex,
    sessions: readonly LiveSession[],
    damage: DamageList,
    options: SurveyOptions,
  ) {
    this.repository = repository
    this.index = index
    this.sessions = sessions
    this.#damage = new Map([...damage].map(([pack, chunks]) => [pack, chunks === 'all' ? chunks : new Set(chunks)]))
    this.#options = options
    this.live = new LiveSet(index)
    this.explained = new LiveSet(index, { without: this.live, isPartial: true })
    this.#segments = new Set(index.segments)
    for (const [pack, sizeBytes] of index.packs.entries()) this.listed.set(pack, sizeBytes)
  }

  /** PRUNE_UNREADABLE. */
  static async take(
    op: Operation,
    repository: Repository,
    sessions: () => Promise<LiveSession[]>,
    options: SurveyOptions,
  ): Promise<Survey> {
    const { store, keys } = repository
    const { files, damaged } = await openSegments(op, store, keys)
    const [broken] = damaged
    if (broken !== undefined) {
      for (const file of files) file.close()
      throw unreadableSegment(broken)
    }
    const index = new SurveyIndex(files)
    const live = await sessions()
    const survey = new Survey(repository, index, live, await readDamageList(op, repository), options)
    for await (const { name, sizeBytes } of store.list(op, 'packs/')) {
      const pack = packOfName(name)
      if (pack === undefined) continue
      // One text for each pack, however often it is named: there may be hundreds of thousands.
      const number = index.packs.numberOf(pack)
      survey.present.set(number === undefined ? pack : index.packs.nameOf(number), sizeBytes)
    }
    await survey.walkNew(op, live)
    survey.#dueOf(op, live)
    return survey
  }

  /**
   * Walks the points that are needed now and were not walked yet: visible ones, and expired ones that a session may build on or that are kept
   * for a while. True when there were any. What was walked once stays needed, whatever becomes of it.
   */
  async walkNew(op: Operation, sessions: readonly LiveSession[], deletion: Deletion = this.#options.deletion): Promise<boolean> {
    const { points, damaged } = await this.repository.listPoints(op)
    const [first] = damaged
    if (first) throw pruneError('PRUNE_UNREADABLE', first.message, { context: { object: first.object } })
    const needed = points.filter(({ object }) => !this.#options.without?.has(object))
    if (!this.#options.acceptVanished) checkNoneVanished(deletion, points)
    const fresh = needed.filter(({ object }) => !this.#walked.has(object))
    const kept = deletion.expired.filter((one) => !this.#walked.has(one.object) && !this.#isDue(op, one, sessions))
    if (fresh.length + kept.length === 0) return false
    // Also the first time: a backup may have committed since the index was opened.
    await this.#openLater(op)
    let done = 0
    for (const point of fresh) {
      op.progress({ phase: 'recovery points', filesDone: done++, filesTotal: fresh.length, bytesDone: 0 })
      await this.#walk(op, Buffer.from(point.root, 'hex'), this.live)
      this.#walked.add(point.object)
      this.visible.push(point)
    }
    for (const expired of kept) {
      await this.#walkExpired(op, expired, this.live)
      this.#walked.add(expired.object)
    }
    return true
  }

  /** Something is needed that was not walked: to be asked under the gate. */
  async hasNew(op: Operation, sessions: readonly LiveSession[], deletion: Deletion): Promise<boolean> {
    const names: string[] = []
    for await (const { name } of this.repository.store.list(op, 'points/')) if (manifestOfName(name)) names.push(name)
    const isNew = (object: string) => !this.#walked.has(object)
    return (
      names.some((name) => isNew(name) && !this.#options.without?.has(name)) ||
      deletion.expired.some((one) => isNew(one.object) && !this.#isDue(op, one, sessions))
    )
  }

  /** Of one more set of points, what nobody else needs. */
  async only(op: Operation, points: readonly RecoveryPoint[]): Promise<LiveSet> {
    const set = new LiveSet(this.index, { without: this.live })
    for (const { root } of points) await this.#walk(op, Buffer.from(root, 'hex'), set)
    return set
  }

  /** Walks the expired points whose time has come. What they needed may be gone by now, or damaged: then they explain less. */
  async explain(op: Operation): Promise<void> {
    for (const expired of this.due) {
      try {
        await this.#walkExpired(op, expired, this.explained)
      } catch (error) {
        if (!isKind(error, 'corrupt')) throw error
      }
    }
  }

  /** What was found damaged, in this run or before. */
  get damage(): DamageList {
    return this.#damage
  }

  /** For this run. Only who writes may note it in the repository. */
  noteDamage(pack: string, id: Buffer): void {
    const chunks = this.#damage.get(pack) ?? new Set()
    if (chunks !== 'all') this.#damage.set(pack, chunks.add(id.toString('hex')))
  }

  account(): Accounting {
    const fresh = new Set<string>()
    for (const { lines } of this.sessions) {
      for (const line of lines) {
        const pack = FRESH_PACK.exec(line)?.[1]
        if (pack !== undefined) fresh.add(pack)
      }
    }
    const { index, live, explained, listed, present, damage } = this
    const tombstoned = tombstonedPacks(this.#options.deletion)
    return accountFor({ index, live, explained, listed, present, damage, fresh, tombstoned })
  }

  /** What was counted and listed can still be asked for; what chunks there are can not, since that is most of the memory. Fine to repeat. */
  close(): void {
    for (const index of [this.index, ...this.#later]) index.close()
    this.#later.length = 0
    this.live.forgetLater()
  }

  #dueOf(op: Operation, sessions: readonly LiveSession[]): void {
    for (const one of this.#options.deletion.expired)
      if (!this.#walked.has(one.object) && this.#isDue(op, one, sessions)) this.due.push(one)
  }

  #isDue(op: Operation, { at, waits_for }: ExpiredPoint, sessions: readonly LiveSession[]): boolean {
    if (sessions.some(({ name }) => waits_for.includes(name))) return false
    const { keepTrashMs } = this.#options
    return keepTrashMs === 0 || op.clock.nowMs() - fromTimestamp(at) >= keepTrashMs
  }

  async #openLater(op: Operation): Promise<void> {
    const { files, damaged } = await openSegments(op, this.repository.store, this.repository.keys)
    const [broken] = damaged
    if (broken !== undefined) throw unreadableSegment(broken)
    const later = files.filter(({ name }) => !this.#segments.has(name))
    for (const file of files) if (!later.includes(file)) file.close()
    for (const { name } of later) this.#segments.add(name)
    if (later.length === 0) return
    const index = new SurveyIndex(later)
    this.#later.push(index)
    this.live.addLater(index)
  }

  /** One whose manifest is gone from the trash too was dealt with. */
  async #walkExpired(op: Operation, { object }: ExpiredPoint, set: LiveSet): Promise<void> {
    const { store, keys } = this.repository
    for (const name of [TRASH + object, object]) {
      try {
        const point = decodeManifest(keys, object, await store.get(op, name))
        await this.#walk(op, Buffer.from(point.root, 'hex'), set)
        return
      } catch (error) {
        if (!hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) throw unreadable(error)
      }
    }
  }

  async #walk(op: Operation, root: Buffer, set: LiveSet): Promise<void> {
    try {
      await this.#options.walk(op, this.repository, set, root)
    } catch (error) {
      throw unreadable(error)
    }
  }
}

function unreadable(error: unknown): unknown {
  if (!isKind(error, 'corrupt') || error.code === 'PRUNE_UNREADABLE') return error
  return pruneError('PRUNE_UNREADABLE', error.message, { cause: error, context: error.context })
}

/** A list of points that lacks one would delete what it needs: each that was there is there, or was expired, and so is each that another one names. */
function checkNoneVanished(deletion: Deletion, points: readonly RecoveryPoint[]): void {
  const there = new Set(points.map(({ object }) => manifestOfName(object)?.hash))
  const expired = new Set([...deletion.expired.map(({ object }) => object), ...deletion.gone].map((object) => manifestOfName(object)?.hash))
  const vanished = (hash: string | null) => hash !== null && !there.has(hash) && !expired.has(hash)
  const known = deletion.known.find(vanished)
  const missing = known ?? points.map(({ publicPart }) => publicPart.previous).find(vanished)
  if (missing)
    throw pruneError('PRUNE_IMPLAUSIBLE', `the recovery point with the manifest ${missing.slice(0, 12)}… vanished, and nobody expired it`)
}
