/**
 * Lets a world live: time runs fast while nothing is to do and slowly while something is, sources change between backups, the server is killed at random moments, and what it
 * ever told to have is remembered. Draws come from a seed; moments are of the machine.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as realSleep } from 'node:timers/promises'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { assertRestored, type ChangingSource } from '../support/changing-source.ts'
import type { SimulatedWorld, WorldAgent } from '../support/simulated-world.ts'
import type { Json } from '../support/terp.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

export interface Protected {
  readonly source: ChangingSource
  readonly agent: WorldAgent
  /** Of the data source, once a group has it. */
  id: string
}

export interface WorldRunOptions {
  readonly world: SimulatedWorld
  readonly sources: readonly Protected[]
  readonly seed: string
  /** Seconds that pass in one, while something is done and while nothing is. */
  readonly slow: number
  readonly fast: number
  readonly log: (text: string) => void
}

export interface Happening {
  readonly atMs: number
  readonly what: string
  /** Returns what follows from it, if anything does. */
  act(): Promise<Happening | undefined>
  /** Only when a job of this agent is at work. */
  readonly duringJobOf?: WorldAgent
}

export interface Life {
  readonly untilMs: number
  readonly serverKills?: number
  readonly changeEveryMs?: number
  readonly happenings?: readonly Happening[]
  /** While the server is down after a kill; nobody holds its pool then. */
  readonly onDown?: () => Promise<void>
}

interface Look {
  readonly isIdle: boolean
  /** Points are given up, or what they needed is freed. */
  readonly isDeleting: boolean
  /** Jobs that are not over. */
  readonly open: readonly Json[]
  readonly busyAgents: ReadonlySet<string>
}

export interface Point {
  readonly id: string
  readonly sourceId: string
  readonly kind: string
  readonly state: string
  readonly startedMs: number
  readonly finishedMs: number
}

/** Work that is not done after so much simulated time hangs. */
const HANG_MS = 12 * HOUR_MS
/** So long the answer to a request may seem to take. An agent that is not heard of for 65 seconds counts as away. */
const MOST_SEEMING_MS = { idle: 16_000, busy: 5000 }
const OPEN = 'state=scheduled,queued,in-progress'
const DONE = 'state=completed,completed-with-warnings'

export class WorldRun {
  readonly world: SimulatedWorld
  readonly sources: readonly Protected[]
  readonly counts: Record<string, number> = {}
  /** Every recovery point that the API ever told, with the way it told it. */
  readonly acknowledged = new Map<string, string>()
  /** Agents that can not be reached: what waits for them is nothing to wait for. */
  readonly away = new Set<string>()
  readonly #options: WorldRunOptions
  readonly #random: Random
  #busySinceMs: number | undefined
  /** Of asking what is to do; the longest lately. Real milliseconds. */
  #answerMs = 50

  constructor(options: WorldRunOptions) {
    this.#options = options
    this.world = options.world
    this.sources = options.sources
    this.#random = seededRandom(`${options.seed}/run`)
  }

  /** Below `limit`. */
  draw(limit: number): number {
    return Buffer.from(this.#random.bytes(6)).readUIntBE(0, 6) % limit
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by
  }

  log(text: string): void {
    this.#options.log(`${new Date(this.world.time.nowMs()).toISOString().slice(0, 16)} ${text}`)
  }

  async live({ untilMs, serverKills = 0, changeEveryMs = HOUR_MS, happenings = [], onDown }: Life): Promise<void> {
    const { time } = this.world
    const fromMs = time.nowMs()
    const coming = [...happenings].sort((a, b) => a.atMs - b.atMs)
    let changeMs = fromMs
    let kills = 0
    let isKillAtWork = true
    for (;;) {
      const nowMs = time.nowMs()
      const { isIdle, busyAgents, isDeleting } = await this.look()
      const due = coming.findIndex(({ atMs, duringJobOf }) => atMs <= nowMs && (!duringJobOf || busyAgents.has(duringJobOf.id)))
      if (due >= 0) {
        const [happening] = coming.splice(due, 1) as [Happening]
        this.log(happening.what)
        const following = await happening.act()
        if (following) coming.push(following)
        continue
      }
      const isKillDue = kills < serverKills && kills < serverKills * Math.min(1, (nowMs - fromMs) / (untilMs - fromMs))
      // What deletes is at work for moments only, and the most dangerous to cut off.
      const isAtDeletion = isDeleting && kills < serverKills && this.draw(3) === 0
      if (isAtDeletion || (isKillDue && (!isIdle || !isKillAtWork || nowMs >= untilMs))) {
        await realSleep(this.draw(isAtDeletion ? 150 : isIdle ? 300 : 900))
        if (isAtDeletion) this.count('killsAtDeletion')
        kills += await this.killServer(onDown)
        isKillAtWork = this.draw(4) !== 0
        if (kills % 10 === 0) this.log(`${kills} of ${serverKills} kills: ${JSON.stringify(this.counts)}`)
        continue
      }
      if (nowMs >= untilMs && kills >= serverKills && coming.length === 0) return
      if (isIdle && nowMs >= changeMs && (await this.#change())) changeMs = nowMs + (0.5 + this.draw(100) / 100) * changeEveryMs
      this.#pass(isIdle)
      await realSleep(isIdle ? 40 : 80)
    }
  }

  /** A machine that is busy with other things is given the time that it takes: what answers within milliseconds must not seem to take minutes. */
  #pass(isIdle: boolean): void {
    const { slow, fast } = this.#options
    const [rate, mostMs] = isIdle ? [fast, MOST_SEEMING_MS.idle] : [slow, MOST_SEEMING_MS.busy]
    this.world.time.run(Math.min(rate, mostMs / this.#answerMs))
  }

  /** What is to do; and remembers what is told. */
  async look(): Promise<Look> {
    const { person, time } = this.world
    const askedMs = performance.now()
    const open = await person.list(`/jobs?${OPEN}`)
    this.#answerMs = Math.max(performance.now() - askedMs, 0.9 * this.#answerMs)
    const { items: points } = await person.ask('/recovery-points?limit=50')
    for (const { id } of points) this.#acknowledge(id, 'listed')
    const { items: done } = await person.ask(`/jobs?${DONE}&limit=50`)
    for (const { pointId, type } of done) if (pointId !== undefined && type !== 'recovery') this.#acknowledge(pointId, 'completed')
    const waits = ({ waitsFor, agentId }: Json) => waitsFor === 'time' || (waitsFor === 'agent' && this.away.has(agentId))
    const busy = open.filter((job) => !waits(job))
    const nowMs = time.nowMs()
    this.#busySinceMs = busy.length === 0 ? undefined : (this.#busySinceMs ?? nowMs)
    if (this.#busySinceMs !== undefined && nowMs - this.#busySinceMs > HANG_MS) {
      assert.fail(`there was work all the time for ${(nowMs - this.#busySinceMs) / HOUR_MS} hours: ${JSON.stringify(busy, undefined, 1)}`)
    }
    const running = open.filter(({ state }) => state === 'in-progress')
    const isDeleting = running.some(({ type }) => type === 'prune' || type === 'expire-points')
    return { isIdle: busy.length === 0, isDeleting, open, busyAgents: new Set(running.map(({ agentId }) => agentId)) }
  }

  #acknowledge(id: string, how: string): void {
    if (!this.acknowledged.has(id)) this.acknowledged.set(id, how)
  }

  /** Returns how often. One in eight stays down for some time, one in eight is killed again while it starts. */
  async killServer(onDown: (() => Promise<void>) | undefined): Promise<number> {
    const { world } = this
    const { slow, fast } = this.#options
    let kills = 1
    await world.killServer()
    world.time.run(slow)
    if (this.draw(8) === 0) {
      world.time.run(fast)
      await realSleep(this.draw(2000))
      world.time.run(slow)
      this.count('longOutages')
    }
    await onDown?.()
    while (this.draw(8) === 0) {
      const starting = world.startServer().catch(() => undefined)
      await realSleep(this.draw(1200))
      await world.killServer()
      await starting
      this.count('killsAtStart')
      kills++
    }
    await world.startServer()
    this.count('serverKills', kills)
    return kills
  }

  /** While time stands still and nobody reads. */
  async #change(): Promise<boolean> {
    const { time } = this.world
    time.run(0)
    await realSleep(100)
    if (!(await this.look()).isIdle) return false
    for (const { source } of this.sources) {
      if (source.states.length > 0 && this.draw(4) === 0) continue
      if (source.states.length > 0) source.change()
      source.keep(time.nowMs())
      this.count('changes')
    }
    if (!(await this.look()).isIdle) this.count('changesDuringWork')
    return true
  }

  /** Until nothing is to do, and then for a while. */
  async settle(forMs: number): Promise<void> {
    const { time } = this.world
    for (let untilMs = Number.POSITIVE_INFINITY; ; ) {
      const { isIdle } = await this.look()
      if (isIdle && untilMs === Number.POSITIVE_INFINITY) untilMs = time.nowMs() + forMs
      if (isIdle && time.nowMs() >= untilMs) return this.#pass(false)
      this.#pass(isIdle)
      await realSleep(50)
    }
  }

  /** Whatever was begun has ended, or will begin at its time. Counts how it ended, and why where that was not well. */
  async assertNothingHangs(): Promise<void> {
    const { person } = this.world
    const hanging = (await this.look()).open.filter(({ waitsFor }) => waitsFor !== 'time')
    assert.deepEqual(hanging, [], 'jobs hang')
    for (const { id, type, state, started, finished, error, warnings } of await person.list('/jobs')) {
      this.count(`jobs ${state}`)
      if (error) this.count(`failed ${type} ${error.code}`)
      if (state.startsWith('completed')) assert.ok(started !== undefined && finished !== undefined, `the job ${id} has no beginning or end`)
      if (warnings === 0) continue
      const lines = await person.list(`/jobs/${id}/log`)
      for (const { level, code } of lines) if (level === 'warning') this.count(`warned ${type} ${code}`)
    }
  }

  /** As the API has them, in this state; the oldest first. */
  async points(state: string): Promise<Point[]> {
    const found: Point[] = []
    for (const { id, sourceId, kind, state: now, started, finished } of await this.world.person.list(`/recovery-points?state=${state}`))
      found.push({ id, sourceId, kind, state: now, startedMs: Date.parse(started), finishedMs: Date.parse(finished) })
    return found.sort((a, b) => a.finishedMs - b.finishedMs)
  }

  /** Job by job, each judged by rsync and sha256sum. Only what differs is left on the disk. */
  async restoreAll(points: readonly Point[], folder: string, agentOf: (point: Point, source: Protected) => WorldAgent): Promise<void> {
    for (const [n, point] of points.entries()) {
      const known = this.sources.find(({ id }) => id === point.sourceId)
      assert.ok(known, `the recovery point ${point.id} is of no source of this test`)
      const target = join(folder, point.id)
      await this.#restoreOne(point, target, agentOf(point, known))
      const states = known.source.during(point.startedMs, point.finishedMs)
      const restored = join(target, known.source.path)
      if (states.length > 1) this.count('pointsOfChangingSources')
      try {
        const fits = states.slice(1).some((state) => isRestored(state, restored))
        if (!fits) assertRestored(states[0] as (typeof states)[number], restored)
      } catch (error) {
        throw new Error(`the recovery point ${JSON.stringify(point)} is not what its source was`, { cause: error })
      }
      rmSync(target, { recursive: true, force: true })
      this.count('restored')
      if ((n + 1) % 20 === 0) this.log(`restored ${n + 1} of ${points.length}`)
    }
  }

  async #restoreOne(point: Point, target: string, agent: WorldAgent): Promise<void> {
    const { person, time } = this.world
    await this.look()
    this.#pass(false)
    const { grant } = await person.askProven(`/recovery-points/${point.id}/grants`, { method: 'POST', body: { agentId: agent.id } })
    const body = { target: Buffer.from(target).toString('base64'), grant }
    const { jobId } = await person.ask(`/recovery-points/${point.id}/restore`, { method: 'POST', body })
    for (const fromMs = time.nowMs(); ; ) {
      const job = await person.ask(`/jobs/${jobId}`)
      if (job.state === 'completed') return
      const isOver = ['failed', 'cancelled', 'completed-with-warnings'].includes(job.state)
      assert.ok(!isOver && time.nowMs() - fromMs < HANG_MS, `the recovery point ${point.id} was not restored: ${JSON.stringify(job)}`)
      await realSleep(30)
    }
  }
}

function isRestored(state: Parameters<typeof assertRestored>[0], restored: string): boolean {
  try {
    assertRestored(state, restored)
    return true
  } catch {
    return false
  }
}
