/**
 * Three machines in network namespaces of their own, and a server in another: days of simulated time, in which the server is killed at random moments, one machine is cut off for
 * hours, and the agent of another is killed in the middle of backups. In the end nothing that was ever acknowledged is lost, nothing hangs, and alerts said what happened and are over.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ChangingSource } from '../support/changing-source.ts'
import type { NetworkNamespaces } from '../support/network-namespaces.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'
import type { Json } from '../support/terp.ts'
import { assertPoolIsSound } from './pool-judge.ts'
import { type Happening, HOUR_MS, type Point, type Protected, WorldRun } from './world-run.ts'

export interface ThreeMachinesOptions {
  readonly folder: string
  readonly network: Pick<NetworkNamespaces, 'server' | 'agents' | 'setLine'>
  readonly seed: string
  readonly hours: number
  readonly serverKills: number
  readonly agentKills: number
  /** How often the line of a machine is cut. */
  readonly cuts: number
  readonly cutHours: number
  readonly slow: number
  readonly fast: number
  readonly log: (text: string) => void
}

const START_MS = Date.parse('2027-03-01T05:40:00Z')
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const CUT_OFF = 1
const KILLED = 2

export async function threeMachines(options: ThreeMachinesOptions): Promise<Record<string, number>> {
  const { folder, network, seed, hours, serverKills, slow, fast, log } = options
  const world = new SimulatedWorld({ folder, startMs: START_MS, server: network.server, agents: network.agents })
  try {
    const poolId = await world.setUp()
    world.time.run(slow)
    const sources: Protected[] = world.agents.map((agent, n) => {
      const size = { files: 60 + 40 * n, mostBytes: 40_000 * (n + 1) }
      const source = new ChangingSource(join(folder, 'sources', agent.name), join(folder, 'kept', agent.name), `${seed}/${n}`, size)
      source.keep(world.time.nowMs())
      return { source, agent, id: '' }
    })
    const run = new WorldRun({ world, sources, seed, slow, fast, log })
    await protect(run)
    const untilMs = world.time.nowMs() + hours * HOUR_MS
    await run.live({ untilMs, serverKills, changeEveryMs: 0.8 * HOUR_MS, happenings: happeningsOf(run, options) })
    run.log(`lived: ${JSON.stringify(run.counts)}`)
    await run.settle(1.5 * HOUR_MS)
    await run.assertNothingHangs()
    await assertAlertsTold(run, options)
    const valid = await assertNothingIsLost(run)
    mkdirSync(join(folder, 'restored'))
    await run.restoreAll(valid, join(folder, 'restored'), ({ id }, { agent }) => {
      const others = world.agents.filter((each) => each !== agent)
      return others[Number.parseInt(id.slice(0, 4), 16) % others.length] as (typeof others)[number]
    })
    const kept = [...(await run.points('valid')), ...(await run.points('expired'))]
    await world.stopServer()
    await assertPoolIsSound(world, poolId, kept)
    run.count('points', valid.length)
    run.count('acknowledged', run.acknowledged.size)
    return run.counts
  } finally {
    await world.close()
  }
}

/** Hourly synchronisations and eight recovery points a day, kept for longer than the test lasts. */
async function protect(run: WorldRun): Promise<void> {
  const { person } = run.world
  const group = {
    name: 'all',
    members: run.sources.map(({ agent, source }) => ({ agentId: agent.id, path: source.path })),
    shortTerm: {
      retentionDays: 7,
      synchronisation: { kind: 'every', minutes: 60 },
      recoveryPoints: {
        kind: 'weekly',
        times: ['00:30', '03:30', '06:30', '09:30', '12:30', '15:30', '18:30', '21:30'],
        weekdays: WEEKDAYS,
      },
    },
  }
  await person.ask('/groups', { method: 'POST', body: group })
  for (const { id, path } of await person.list('/sources')) for (const each of run.sources) if (each.source.path === path) each.id = id
}

function happeningsOf(run: WorldRun, { network, hours, agentKills, cuts, cutHours }: ThreeMachinesOptions): Happening[] {
  const { time, agents } = run.world
  const beginMs = time.nowMs()
  const at = (n: number, of: number) => beginMs + ((n + 0.4 + run.draw(20) / 100) / of) * hours * HOUR_MS
  const [cutOff, killed] = [agents[CUT_OFF], agents[KILLED]]
  assert.ok(cutOff && killed)
  const happenings: Happening[] = []
  for (let n = 0; n < cuts; n++) {
    const atMs = at(n, cuts)
    const mend = async () => {
      network.setLine(CUT_OFF, 'up')
      run.away.delete(cutOff.id)
      return undefined
    }
    const cut = async () => {
      network.setLine(CUT_OFF, 'down')
      run.away.add(cutOff.id)
      run.count('cuts')
      return { atMs: time.nowMs() + cutHours * HOUR_MS, what: `${cutOff.name} is back on the line`, act: mend }
    }
    // Every second time in the middle of a job.
    happenings.push({ atMs, what: `${cutOff.name} is cut off`, act: cut, ...(n % 2 === 0 && { duringJobOf: cutOff }) })
  }
  for (let n = 0; n < agentKills; n++) {
    const act = async () => {
      await run.world.killAgent(killed)
      run.count('agentKills')
      // Every third time its machine stays off for some time.
      if (n % 3 === 2) {
        run.away.add(killed.id)
        await run.live({ untilMs: time.nowMs() + HOUR_MS / 3 })
        run.away.delete(killed.id)
      }
      run.world.startAgent(killed)
      return undefined
    }
    happenings.push({ atMs: at(n, agentKills), what: `the agent of ${killed.name} is killed`, act, duringJobOf: killed })
  }
  return happenings
}

async function assertAlertsTold(run: WorldRun, { cuts, agentKills }: ThreeMachinesOptions): Promise<void> {
  const { person, agents } = run.world
  const alerts = await person.list('/alerts?state=all')
  const about = (agent: number) =>
    alerts.filter(({ code, subject }: Json) => code === 'agent-unreachable' && subject.id === agents[agent]?.id)
  for (const { code } of alerts) run.count(`alerts ${code}`)
  assert.ok(about(CUT_OFF).length >= cuts, `${cuts} cuts, ${about(CUT_OFF).length} alerts of ${agents[CUT_OFF]?.name}`)
  const longKills = Math.floor(agentKills / 3)
  assert.ok(about(KILLED).length >= longKills, `${longKills} long absences, ${about(KILLED).length} alerts of ${agents[KILLED]?.name}`)
  const open = alerts.filter(({ ended, severity }: Json) => ended === undefined && severity !== 'informational')
  assert.deepEqual(open, [], 'alerts are still open')
}

/** Returns what can be restored. What is gone was a synchronisation that a later point stands for. */
async function assertNothingIsLost(run: WorldRun): Promise<readonly Point[]> {
  const [valid, expired, pruned] = [await run.points('valid'), await run.points('expired'), await run.points('pruned')]
  const known = new Map([...valid, ...expired, ...pruned].map((point) => [point.id, point]))
  const lost = [...run.acknowledged].filter(([id]) => !known.has(id))
  assert.deepEqual(lost, [], 'acknowledged recovery points are lost')
  for (const point of [...expired, ...pruned]) {
    const later = valid.some(({ sourceId, finishedMs }) => sourceId === point.sourceId && finishedMs > point.finishedMs)
    assert.ok(point.kind === 'sync' && later, `the recovery point ${JSON.stringify(point)} is gone`)
  }
  run.count('superseded', expired.length + pruned.length)
  return valid
}
