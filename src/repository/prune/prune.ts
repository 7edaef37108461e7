/**
 * Prune: deletes what no recovery point needs, while backups go on. The protocol is that of docs/adr/0010-prune.md, and test/model/prune.model.test.ts explores
 * it under the names of the functions here:
 *
 * 1. listAndMark: the index, the sessions, the points; their trees are walked. Whatever can't be read ends the run. Of chunks that stand in several packs, the
 *    copies that are to stay are read, and count only if they can be.
 * 2. repack: what is needed of mostly needless packs is copied, published and listed.
 * 3. entomb, under the gate: points committed since are walked; tombstones become durable, with the sessions that are open. Sessions that begin later
 *    take the chunks of these packs for unknown.
 * 4. When all those sessions have ended, now or in a later run – recheck, under the gate: what lives again stays, and so does what can't be read elsewhere.
 * 5. rewriteIndex, deletePacks, forget: no index names what is gone, no tombstone is dropped before its pack is.
 *
 * It may be cut off anywhere; the next run goes on from the tombstones. Over 400 lines, because the order of these steps is what keeps data: it is read in one place.
 */
import { toTimestamp } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { LiveSession, PruningStore } from '../../storage/index.ts'
import { manifestOfName } from '../manifest/manifest.ts'
import { packName } from '../pack/pack-format.ts'
import type { Repository } from '../repository.ts'
import type { Accounting } from './accounting.ts'
import {
  type Deletion,
  type ExpiredPoint,
  NO_DELETION,
  readDeletion,
  resetDeletion,
  type TombstoneGroup,
  tombstonedPacks,
  writeDeletion,
} from './deletion-record.ts'
import { pruneError } from './errors.ts'
import { checkPlausible, isPlausible, type PrunePlan, planPrune } from './plan.ts'
import { Recheck } from './recheck.ts'
import { repack, repackedBytes } from './repack.ts'
import { rewriteIndex } from './rewrite-index.ts'
import { SoundCopies } from './sound-copies.ts'
import { Survey, TRASH, type WalkTree } from './survey.ts'

export interface PruneOptions {
  readonly repository: Repository
  readonly store: PruningStore
  readonly walk: WalkTree
  /** Reports what would be done and writes nothing. */
  readonly dryRun: boolean
  /** How long expired points stay whole. */
  readonly keepTrashMs: number
  /** How long to wait for backups that were open when tombstones were published. */
  readonly waitMs: number
  /** Go on although much of the pool is garbage that nothing explains. */
  readonly acceptUnexplained: boolean
}

export interface PruneReport {
  readonly points: number
  /** Stored bytes that no point needs: exact, also those in packs that are worth keeping. */
  readonly unreferencedBytes: number
  /** By which the packs shrank: what was deleted less what was written anew. Negative when all that was written anew waits to be deleted. */
  readonly freedBytes: number
  readonly packsDropped: number
  readonly packsRepacked: number
  readonly packsWritten: number
  readonly packsResurrected: number
  /** Packs with tombstones that wait for sessions. */
  readonly packsWaiting: number
  readonly bytesWaiting: number
  readonly sessionsAwaited: number
  /** Stored bytes that no point needs, in packs that stay for now. */
  readonly unreferencedLeftBytes: number
  readonly durationMs: number
}

const POLL_MS = 500

/** PRUNE_FORMAT_OLD. */
export function checkPrunable({ format }: Repository): void {
  if (format.version >= 2 && format.kind === 'pool') return
  throw pruneError('PRUNE_FORMAT_OLD', `this ${format.kind} has format ${format.version}, of which nothing is deleted`)
}

/** The caller holds PRUNE.LOCK, but for a dry run. */
export async function prune(op: Operation, options: PruneOptions): Promise<PruneReport> {
  checkPrunable(options.repository)
  const run = new PruneRun(options)
  return options.dryRun ? run.dryRun(op) : run.run(op)
}

class PruneRun {
  readonly #options: PruneOptions
  readonly #store: PruningStore
  readonly #repository: Repository
  #deletion: Deletion = NO_DELETION
  #into: ReadonlyMap<string, readonly string[]> = new Map()
  /** The last account, and how many chunks were marked then. */
  #accounted: { readonly packs: Accounting['packs']; readonly marked: number } | undefined
  #resurrected = 0
  #deletedBytes = 0

  constructor(options: PruneOptions) {
    this.#options = options
    this.#store = options.store
    this.#repository = options.repository
  }

  async dryRun(op: Operation): Promise<PruneReport> {
    const startMs = op.clock.monotonicMs()
    this.#deletion = await readDeletion(op, this.#repository)
    const survey = await this.#listAndMark(op)
    try {
      const { accounting, plan } = await this.#plan(op, survey, new SoundCopies(survey))
      const written = await repackedBytes(op, survey, accounting, plan.repack)
      const ready = this.#deletion.tombstones.filter((group) => !isAwaited(group, survey.sessions)).flatMap(({ packs }) => packs)
      // What gets a tombstone now goes with it, unless a session is open.
      if (survey.sessions.length === 0) for (const { pack } of [...plan.drop, ...plan.repack]) ready.push(pack)
      return {
        ...this.#report(op, startMs, survey, accounting, plan),
        freedBytes: ready.reduce((sum, pack) => sum + (survey.present.get(pack) ?? 0), 0) - written,
        packsRepacked: plan.repack.length,
      }
    } finally {
      survey.close()
    }
  }

  async run(op: Operation): Promise<PruneReport> {
    const startMs = op.clock.monotonicMs()
    await this.#begin(op)
    const survey = await this.#listAndMark(op)
    try {
      const copies = new SoundCopies(survey)
      const { accounting, plan } = await this.#plan(op, survey, copies)
      const repacked = await repack(op, survey, accounting, plan.repack)
      this.#into = repacked.into
      await this.#entomb(op, survey, accounting, [...plan.drop.map(({ pack }) => pack), ...repacked.into.keys()])
      await this.#awaitSessions(op)
      const doomed = await this.#recheck(op, survey, copies)
      // Nobody asks for chunks any more, and writing the index anew takes memory too.
      survey.close()
      await rewriteIndex(op, this.#store, this.#repository.keys, new Set(doomed))
      await this.#deletePacks(op, survey, doomed)
      await this.#forget(op, survey, new Set(doomed))
      await this.#emptyTrash(op)
      const report = this.#report(op, startMs, survey, accounting, plan)
      const left = this.#leftBytes(accounting, new Set(doomed))
      await this.#remember(op, survey, left)
      return {
        ...report,
        freedBytes: this.#deletedBytes - repacked.newBytes,
        packsRepacked: repacked.into.size,
        packsWritten: new Set([...repacked.into.values()].flat()).size,
        unreferencedLeftBytes: left,
      }
    } finally {
      survey.close()
    }
  }

  async #begin(op: Operation): Promise<void> {
    const place = { store: this.#store, keys: this.#repository.keys }
    try {
      this.#deletion = await readDeletion(op, place)
    } catch (error) {
      if (!hasCode(error, 'CONFIGURATION_DAMAGED')) throw error
      op.warn({ code: error.code, message: error.message, item: String(error.context.object) })
      this.#deletion = await resetDeletion(op, place, await this.#expiredInTrash(op))
    }
    await this.#store.beginPrune(op, this.#deletion.number + 1)
    await finishExpirations(op, this.#store, this.#deletion)
  }

  /** Who knew when they were expired, and for whom they wait, can't be read any more. */
  async #expiredInTrash(op: Operation): Promise<ExpiredPoint[]> {
    const waits_for = (await this.#store.sessions.live(op)).map(({ name }) => name)
    const at = toTimestamp(op.clock.nowMs())
    const found: ExpiredPoint[] = []
    for await (const { name } of this.#store.list(op, `${TRASH}points/`)) found.push({ object: name.slice(TRASH.length), at, waits_for })
    return found
  }

  #listAndMark(op: Operation): Promise<Survey> {
    const { repository, walk, keepTrashMs, acceptUnexplained } = this.#options
    const sessions = () => this.#store.sessions.live(op)
    return op.step('mark', () =>
      Survey.take(op, repository, sessions, { walk, keepTrashMs, acceptVanished: acceptUnexplained, deletion: this.#deletion }),
    )
  }

  #account(survey: Survey): Accounting {
    const accounting = survey.account()
    this.#accounted = { packs: accounting.packs, marked: survey.live.count }
    return accounting
  }

  /** One that relies on no copy of a chunk that can't be read. */
  async #plan(op: Operation, survey: Survey, copies: SoundCopies): Promise<{ accounting: Accounting; plan: PrunePlan }> {
    let accounting = await this.#plausible(op, survey)
    let plan = planPrune(accounting)
    while (!(await copies.hold(op, accounting, plan))) {
      accounting = this.#account(survey)
      plan = planPrune(accounting)
    }
    const [first] = accounting.lost
    if (first) {
      const message = `${accounting.lost.length} chunks can be read in none of several packs, such as ${first.slice(0, 12)}…: all of these packs stay`
      op.warn({ code: 'PRUNE_COPIES_DAMAGED', message, item: first })
    }
    return { accounting, plan }
  }

  /** What expired points explain is asked only when there is much to be explained: to walk them costs as much as those that are needed. */
  async #plausible(op: Operation, survey: Survey): Promise<Accounting> {
    const accounting = this.#account(survey)
    const leftBytes = this.#deletion.unreferenced_bytes
    if (this.#options.acceptUnexplained || isPlausible(accounting, leftBytes)) return accounting
    await survey.explain(op)
    const explained = this.#account(survey)
    checkPlausible(explained, leftBytes)
    return explained
  }

  /** Empty when something was marked since the packs were looked through. */
  #needless(survey: Survey): Set<string> {
    if (this.#accounted?.marked !== survey.live.count) return new Set()
    return new Set([...this.#accounted.packs.values()].filter(({ liveBytes }) => liveBytes === 0).map(({ pack }) => pack))
  }

  /** Runs `decide` under the gate, when every point that is needed was walked: walking takes long, and is done outside. */
  async #settled<T>(op: Operation, survey: Survey, decide: (sessions: readonly LiveSession[]) => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await this.#store.sessions.gate(op, async () => {
        const sessions = await this.#store.sessions.live(op, { clean: true })
        if (await survey.hasNew(op, sessions, this.#deletion)) return { sessions }
        return { decided: await decide(sessions) }
      })
      if ('decided' in answer) return answer.decided
      await survey.walkNew(op, answer.sessions, this.#deletion)
    }
  }

  async #entomb(op: Operation, survey: Survey, accounting: Accounting, victims: readonly string[]): Promise<void> {
    let chosen = victims
    let marked = survey.live.count
    for (let isDone = victims.length === 0; !isDone; ) {
      isDone = await this.#settled(op, survey, async (sessions) => {
        if (survey.live.count !== marked) return false
        const group: TombstoneGroup = { packs: chosen, waits_for: sessions.map(({ name }) => name) }
        if (chosen.length > 0) await this.#write(op, { tombstones: [...this.#deletion.tombstones, group] })
        return true
      })
      if (isDone) return
      // Something was committed meanwhile that needs more: packs that hold it stay.
      marked = survey.live.count
      const { packs } = this.#account(survey)
      chosen = victims.filter((pack) => packs.get(pack)?.liveBytes === accounting.packs.get(pack)?.liveBytes)
    }
  }

  async #awaitSessions(op: Operation): Promise<void> {
    const untilMs = op.clock.monotonicMs() + this.#options.waitMs
    while (op.clock.monotonicMs() < untilMs && this.#isAnyAwaited(await this.#store.sessions.live(op))) {
      await op.clock.sleep(POLL_MS, op.signal)
    }
  }

  #isAnyAwaited(sessions: readonly LiveSession[]): boolean {
    return this.#deletion.tombstones.some((group) => isAwaited(group, sessions))
  }

  /** Of the packs with tombstones that wait for nobody, those that may go; the others are resurrected. */
  async #recheck(op: Operation, survey: Survey, copies: SoundCopies): Promise<string[]> {
    for (;;) {
      // Directories are read before the gate is closed; under it, only whether anything came since is asked.
      const marked = survey.live.count
      const sessions = await this.#store.sessions.live(op)
      const ready = this.#deletion.tombstones.filter((group) => !isAwaited(group, sessions))
      const recheck = new Recheck({
        survey,
        copies,
        tombstoned: tombstonedPacks(this.#deletion),
        into: this.#into,
        needless: this.#needless(survey),
      })
      const doomed: string[] = []
      const alive = new Set<string>()
      // What waits longer is looked at too: a copy in a pack with a tombstone is no copy, so that order plays no part.
      for (const pack of ready.flatMap(({ packs }) => packs)) {
        op.check()
        if (await recheck.mayGo(op, pack)) doomed.push(pack)
        else alive.add(pack)
      }
      const isDecided = await this.#settled(op, survey, async () => {
        if (survey.live.count !== marked) return false
        if (alive.size > 0) {
          const tombstones = this.#deletion.tombstones.map((group) => ({ ...group, packs: group.packs.filter((pack) => !alive.has(pack)) }))
          await this.#write(op, { tombstones: tombstones.filter(({ packs }) => packs.length > 0) })
        }
        return true
      })
      if (!isDecided) continue
      this.#resurrected = alive.size
      for (const pack of alive)
        op.warn({ code: 'PRUNE_RESURRECTED', message: `${packName(pack)} is needed again and stays`, item: packName(pack) })
      return doomed
    }
  }

  async #deletePacks(op: Operation, survey: Survey, doomed: readonly string[]): Promise<void> {
    await this.#checkHolds(op)
    const there = doomed.filter((pack) => survey.present.has(pack))
    await this.#store.moveAll(
      op,
      there.map((pack) => ({ from: packName(pack), to: TRASH + packName(pack) })),
    )
    for (const pack of there) this.#deletedBytes += survey.present.get(pack) ?? 0
  }

  /** Tombstones of packs that are gone, and, when none is left, the expired points that explained them. */
  async #forget(op: Operation, survey: Survey, doomed: ReadonlySet<string>): Promise<void> {
    const tombstones = this.#deletion.tombstones
      .map((group) => ({ ...group, packs: group.packs.filter((pack) => !doomed.has(pack)) }))
      .filter(({ packs }) => packs.length > 0)
    const due = new Set(tombstones.length === 0 ? survey.due.map(({ object }) => object) : [])
    if (doomed.size === 0 && due.size === 0) return
    const expired = this.#deletion.expired.filter(({ object }) => !due.has(object))
    const gone = await this.#goneNames(
      op,
      [...this.#deletion.gone, ...due],
      expired.map(({ object }) => object),
    )
    await this.#write(op, { tombstones, expired, gone })
  }

  /** Those that a manifest names as the one before it, and the last of each source, whose number must not be given again. */
  async #goneNames(op: Operation, gone: readonly string[], inTrash: readonly string[]): Promise<string[]> {
    const { points } = await this.#repository.listPoints(op)
    const named = new Set(points.map(({ publicPart }) => publicPart.previous))
    const last = new Map<string, number>()
    for (const object of gone) {
      const name = manifestOfName(object)
      if (name) last.set(name.source, Math.max(last.get(name.source) ?? 0, name.sequence))
    }
    return gone.filter((object) => {
      const name = manifestOfName(object)
      // What a manifest in the trash names is not known without reading it; there are few, and soon none.
      return name && (inTrash.length > 0 || named.has(name.hash) || last.get(name.source) === name.sequence)
    })
  }

  /** All packs, and manifests that were forgotten: also what a prune that was cut off left there. */
  async #emptyTrash(op: Operation): Promise<void> {
    const kept = new Set(this.#deletion.expired.map(({ object }) => TRASH + object))
    const names: string[] = []
    for await (const { name } of this.#store.list(op, TRASH)) if (!kept.has(name)) names.push(name)
    await this.#store.removeAll(op, names)
  }

  /** What no point needs, in packs that stay. */
  #leftBytes({ packs }: Accounting, doomed: ReadonlySet<string>): number {
    const waiting = tombstonedPacks(this.#deletion)
    let left = 0
    for (const { pack, isFresh, totalBytes, keptBytes } of packs.values()) {
      if (!isFresh && !doomed.has(pack) && !waiting.has(pack)) left += totalBytes - keptBytes
    }
    return left
  }

  async #remember(op: Operation, survey: Survey, left: number): Promise<void> {
    const known = survey.visible.flatMap(({ object }) => manifestOfName(object)?.hash ?? [])
    const isSame = left === this.#deletion.unreferenced_bytes && known.length === this.#deletion.known.length
    if (isSame && known.every((hash, i) => hash === this.#deletion.known[i])) return
    // A point that was expired while this ran can not be: that needs the lock which this run holds.
    await this.#write(op, { known, unreferenced_bytes: left })
  }

  async #write(op: Operation, change: Partial<Deletion>): Promise<void> {
    this.#deletion = await writeDeletion(op, { store: this.#store, keys: this.#repository.keys }, { ...this.#deletion, ...change })
  }

  /** Somebody else who deletes would have changed the record: where locks do not hold, this one ends here. */
  async #checkHolds(op: Operation): Promise<void> {
    const { number } = await readDeletion(op, this.#repository)
    if (number !== this.#deletion.number) throw pruneError('PRUNE_SUPERSEDED', 'another process changed what is to be deleted')
  }

  #report(op: Operation, startMs: number, survey: Survey, accounting: Accounting, plan: PrunePlan): PruneReport {
    const waiting = [...tombstonedPacks(this.#deletion)]
    const awaited = new Set(this.#deletion.tombstones.flatMap(({ waits_for }) => waits_for))
    return {
      points: survey.visible.length,
      unreferencedBytes: accounting.unreferencedBytes,
      freedBytes: 0,
      packsDropped: plan.drop.length,
      packsRepacked: 0,
      packsWritten: 0,
      packsResurrected: this.#resurrected,
      packsWaiting: waiting.length,
      bytesWaiting: waiting.reduce((sum, pack) => sum + (survey.present.get(pack) ?? 0), 0),
      sessionsAwaited: waiting.length === 0 ? 0 : awaited.size,
      unreferencedLeftBytes: accounting.unreferencedBytes,
      durationMs: op.clock.monotonicMs() - startMs,
    }
  }
}

function isAwaited({ waits_for }: TombstoneGroup, sessions: readonly LiveSession[]): boolean {
  return sessions.some(({ name }) => waits_for.includes(name))
}

/** An expiration is decided when its record is durable; a crash may have left the manifest where it was. */
export async function finishExpirations(op: Operation, store: PruningStore, { expired }: Deletion): Promise<void> {
  const wanted = new Set(expired.map(({ object }) => object))
  const visible: string[] = []
  for await (const { name } of store.list(op, 'points/')) if (wanted.has(name)) visible.push(name)
  if (visible.length === 0) return
  await store.sessions.gate(op, () =>
    store.moveAll(
      op,
      visible.map((object) => ({ from: object, to: TRASH + object })),
    ),
  )
}
