/**
 * A month of simulated time: backups, retention, expiry and pruning beside each other, and a server that is killed at random moments. In the end every recovery point that the
 * policy keeps restores, nothing else is left, counted in bytes, and at no look did a chunk of a kept point have a tombstone.
 *
 * What the policy keeps is worked out here by rules of its own, from what was made and when.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ChangingSource } from '../support/changing-source.ts'
import { SimulatedWorld, type WorldAgent } from '../support/simulated-world.ts'
import { assertPoolIsSound, keyFileOf } from './pool-judge.ts'
import { TombstoneJudge } from './tombstone-judge.ts'
import { DAY_MS, type Happening, HOUR_MS, type Point, type Protected, WorldRun } from './world-run.ts'

export interface ThirtyDaysOptions {
  readonly folder: string
  readonly seed: string
  readonly days: number
  readonly serverKills: number
  readonly coolOffDays: number
  readonly slow: number
  readonly fast: number
  readonly log: (text: string) => void
}

const START_MS = Date.parse('2027-03-01T05:40:00Z')
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const RETENTION_DAYS = 4
const KEEP_LAST_GOOD = 3
const MACHINES = 2
/** A prune copies what is needed of packs that are more needless than this (docs/adr/0010-prune.md): so much of a pool may be garbage that is not worth the writing. */
const MOST_NEEDLESS = 0.3
/** For what a pool has beside packs of content: index, manifests, notes, and packs of a few kilobytes. */
const SMALL_BYTES = 2_000_000

export async function thirtyDays(options: ThirtyDaysOptions): Promise<Record<string, number>> {
  const { folder, seed, days, serverKills, coolOffDays, slow, fast, log } = options
  const world = new SimulatedWorld({ folder, startMs: START_MS, agents: Array.from({ length: MACHINES }, () => undefined) })
  try {
    const poolId = await world.setUp()
    // Before a session can end.
    await world.person.changeSetting('deletion', { coolOffDays, keepLastGood: KEEP_LAST_GOOD })
    // In the middle of what is made at noon.
    await world.person.changeSetting('protection', { maintenanceTime: '12:01' })
    world.time.run(slow)
    const sources: Protected[] = world.agents.map((agent, n) => {
      const size = { files: 80 + 40 * n, mostBytes: 60_000 }
      const source = new ChangingSource(join(folder, 'sources', agent.name), join(folder, 'kept', agent.name), `${seed}/${n}`, size)
      source.keep(world.time.nowMs())
      return { source, agent, id: '' }
    })
    const run = new WorldRun({ world, sources, seed, slow, fast, log })
    await protect(run)
    const judge = new TombstoneJudge(world.poolFolder, keyFileOf(world, poolId))
    const held = new Set<string>()
    const untilMs = world.time.nowMs() + days * DAY_MS
    const happenings = happeningsOf(run, poolId, days, held)
    await run.live({ untilMs, serverKills, changeEveryMs: 4 * HOUR_MS, happenings, onDown: () => judge.look() })
    run.log(`lived: ${JSON.stringify({ ...run.counts, ...judge.counts })}`)
    // What a point gives up, its cool-off, and the prune after it, with nobody to disturb.
    await run.settle((coolOffDays + 0.3) * DAY_MS)
    for (const what of ['expire-points', 'prune']) {
      await world.person.ask(`/pools/${poolId}/maintenance`, { method: 'POST', body: { what } })
      await run.settle(HOUR_MS / 6)
    }

    await run.assertNothingHangs()
    const valid = await assertPolicyIsKept(run, held, coolOffDays)
    mkdirSync(join(folder, 'restored'))
    await run.restoreAll(valid, join(folder, 'restored'), (_, { agent }) => world.agents.find((each) => each !== agent) ?? agent)
    const expired = await run.points('expired')
    await world.stopServer()
    await judge.look()
    await assertPoolIsSound(world, poolId, [...valid, ...expired])
    await assertNothingElseIsLeft(run, poolId, [...valid, ...expired])
    run.count('kept', valid.length)
    run.count('acknowledged', run.acknowledged.size)
    return { ...run.counts, ...judge.counts }
  } finally {
    await world.close()
  }
}

async function protect(run: WorldRun): Promise<void> {
  const { person } = run.world
  const group = {
    name: 'all',
    members: run.sources.map(({ agent, source }) => ({ agentId: agent.id, path: source.path })),
    shortTerm: {
      retentionDays: RETENTION_DAYS,
      synchronisation: { kind: 'every', minutes: 240 },
      recoveryPoints: { kind: 'weekly', times: ['06:00', '12:00', '18:00', '23:00'], weekdays: WEEKDAYS },
    },
  }
  await person.ask('/groups', { method: 'POST', body: group })
  for (const { id, path } of await person.list('/sources')) for (const each of run.sources) if (each.source.path === path) each.id = id
}

/** A prune beside backups now and then, a point on demand, one that is pinned; and a person who agrees where retention asks for one. */
function happeningsOf(run: WorldRun, poolId: string, days: number, held: Set<string>): Happening[] {
  const { person, time } = run.world
  const beginMs = time.nowMs()
  const happenings: Happening[] = []
  const [first] = run.sources
  assert.ok(first)
  for (let day = 0; day < days; day++) {
    const at = (hour: number, what: string, work: () => Promise<void>, duringJobOf?: WorldAgent) => {
      const act = async () => void (await work())
      happenings.push({ atMs: beginMs + day * DAY_MS + hour * HOUR_MS, what, act, ...(duringJobOf && { duringJobOf }) })
    }
    const prune = async () => {
      await person.ask(`/pools/${poolId}/maintenance`, { method: 'POST', body: { what: 'prune' } })
    }
    at(2, 'a prune beside a backup', prune, first.agent)
    at(10, 'a person looks what retention asks', async () => {
      const asked = await person.list('/retention/ledger?state=held')
      if (asked.length === 0) return
      run.count('approved', asked.length)
      await person.askProven('/retention/approve', { method: 'POST', body: { deletions: asked.map(({ id }) => id) } })
    })
    if (day % 4 !== 1) continue
    at(12, 'a point on demand', async () => {
      await person.ask(`/sources/${first.id}/recovery-points`, { method: 'POST', body: { kind: 'synchronise-and-point' } })
    })
    at(14, 'a point is pinned', async () => {
      const points = (await run.points('valid')).filter(({ kind }) => kind !== 'sync')
      const point = points[run.draw(points.length)]
      if (!point) return
      await person.ask(`/recovery-points/${point.id}/pin`, { method: 'PUT', body: { note: 'for the test' } })
      held.add(point.id)
      run.count('pinned')
    })
  }
  return happenings
}

/** By the time that it is now: pinned ones, the newest of all kinds, those of the last days, and the last three. */
function keptByPolicy(points: readonly Point[], nowMs: number, held: ReadonlySet<string>): Set<string> {
  const kept = new Set<string>()
  for (const sourceId of new Set(points.map((point) => point.sourceId))) {
    const own = points.filter((point) => point.sourceId === sourceId).sort((a, b) => a.finishedMs - b.finishedMs)
    const newest = own.at(-1)
    const lasting = own.filter((point) => point.kind !== 'sync' || point === newest || held.has(point.id))
    for (const point of lasting) {
      const isYoung = point.finishedMs + RETENTION_DAYS * DAY_MS > nowMs
      if (isYoung || held.has(point.id) || lasting.indexOf(point) >= lasting.length - KEEP_LAST_GOOD) kept.add(point.id)
    }
  }
  return kept
}

/** Returns what the API says is there. Of what policy let go since the last night the expiry may still be to come. */
async function assertPolicyIsKept(run: WorldRun, held: ReadonlySet<string>, coolOffDays: number): Promise<readonly Point[]> {
  const [valid, expired, pruned] = [await run.points('valid'), await run.points('expired'), await run.points('pruned')]
  const all = [...valid, ...expired, ...pruned]
  const known = new Set(all.map(({ id }) => id))
  const lost = [...run.acknowledged].filter(([id]) => !known.has(id))
  assert.deepEqual(lost, [], 'the API forgot recovery points')
  const nowMs = run.world.time.nowMs()
  const kept = keptByPolicy(all, nowMs, held)
  const there = new Set(valid.map(({ id }) => id))
  assert.deepEqual(
    [...kept].filter((id) => !there.has(id)),
    [],
    'policy keeps recovery points that are given up',
  )
  const lately = keptByPolicy(all, nowMs - 1.1 * DAY_MS, held)
  const beyond = valid.filter(({ id, kind }) => !kept.has(id) && !lately.has(id) && kind !== 'sync')
  assert.deepEqual(beyond, [], 'recovery points stay that no policy keeps')
  const sinceMs = nowMs - (coolOffDays + RETENTION_DAYS + 1.1) * DAY_MS
  assert.deepEqual(
    expired.filter(({ finishedMs, kind }) => kind !== 'sync' && finishedMs < sinceMs),
    [],
    'the grace of recovery points is over',
  )
  run.count('pruned', pruned.length)
  run.count('expired', expired.length)
  return valid
}

/** Compared with a pool that has never held anything else. */
async function assertNothingElseIsLeft(run: WorldRun, poolId: string, points: readonly Point[]): Promise<void> {
  const { world } = run
  const fresh = `${world.poolFolder}-fresh`
  const key = ['--key-file', keyFileOf(world, poolId), '--json']
  const ok = async (...args: string[]) => {
    const ran = await world.run(args)
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  }
  await ok('pool', 'init', fresh, ...key)
  for (const point of points) {
    const source = run.sources.find(({ id }) => id === point.sourceId)?.source
    const [state] = source?.during(point.startedMs, point.finishedMs) ?? []
    assert.ok(source && state)
    // At the same place in both pools, so that names and pages are as long.
    execFileSync('rsync', ['-aHAX', '--delete', `${state.copy}/`, `${source.path}/`])
    await ok('pool', 'backup', fresh, source.path, '--source', point.sourceId, ...key)
  }
  const [is, should] = [bytesOf(world.poolFolder), bytesOf(fresh)]
  run.count('poolBytes', is)
  run.count('freshPoolBytes', should)
  const most = should / (1 - MOST_NEEDLESS) + SMALL_BYTES
  assert.ok(is <= most, `the pool has ${is} bytes; one with the same recovery points alone ${should}, so at most ${most}`)
  rmSync(fresh, { recursive: true, force: true })
}

function bytesOf(folder: string): number {
  return Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0])
}
