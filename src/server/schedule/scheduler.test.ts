/** Schedules through the scheduler: which jobs it asks for, and when they are due, as the clock goes on. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fromTimestamp, letOthersRun, toTimestamp } from '../../base/clock.ts'
import {
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  type ProtectionGroupInput,
  protectionGroupShape,
  type ReplicaState,
  type Schedule,
} from '../../protection/index.ts'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { JobEngine } from '../jobs/engine.ts'
import { aServer } from '../server.fixture.ts'
import { asJson } from '../settings/setting.ts'
import { endLateChecks } from './check-windows.ts'
import { Scheduler } from './scheduler.ts'

const hex = (n: number) => n.toString(16).padStart(32, '0')
const NEVER: Schedule = { kind: 'calendar', expression: '2199-12-31 23:59' }
type Rest = Partial<Omit<ProtectionGroupInput, 'name' | 'members'>>

/** The scheduler over a catalog; jobs are made and stay where they are, since no engine begins them. */
async function aScheduler(t: TestContext, from: string, spreadSeconds = 0) {
  const server = await aServer(t)
  server.clock.advance(fromTimestamp(from) - server.clock.nowMs())
  const { context } = server.running()
  const { catalog } = context
  await catalog.settings.put('protection', { spreadSeconds }, { by: 'test' })
  const pool = await catalog.pools.add({ name: 'one', folder: '/pool' })
  const agent = await catalog.agents.enrol({ name: 'srv1', publicKey: 'k', publicKeySha256: 'h' })
  const line = { isConnected: () => false, send: () => '', holds: () => false, withdraw: () => {} }
  const engine = new JobEngine({ context, line, gate: async () => undefined, parallelJobs: async () => 8 })
  const parts = { context, engine, alerts: new AlertDesk(context) }
  let scheduler = new Scheduler(parts)
  t.after(() => scheduler.close())
  let count = 0
  const protect = async (rest: Rest, state: ReplicaState = 'ok', members = 1) => {
    const ids = Array.from({ length: members }, () => hex(++count))
    const document = protectionGroupShape.parse({
      name: `Group ${count}`,
      timeZone: 'Europe/Amsterdam',
      members: ids.map((id) => ({ dataSourceId: id, agentId: agent.id, name: `source ${id}` })),
      ...rest,
    })
    const group = await catalog.groups.create({ name: document.name, document: asJson(document) as never, by: 'test' })
    for (const id of ids)
      await catalog.sources.add({
        id,
        agentId: agent.id,
        workload: 'files',
        name: id,
        path: `/${id}`,
        groupId: group.id,
        poolId: pool.id,
        state,
      })
    scheduler.reload()
    return { id: ids[0] as string, ids, group }
  }
  const settle = async () => {
    for (let n = 0; n < 60; n++) await letOthersRun()
  }
  /** What was asked for meanwhile, as `type at source`; taken away, as if it had run. */
  const taken: { readonly type: string; readonly at: string; readonly dueMs: number; readonly sourceId: string }[] = []
  const take = async () => {
    const jobs = await catalog.jobs.list({ limit: 10_000 }, { states: ['scheduled', 'queued'] })
    for (const { id, type, dueMs, sourceId = '' } of jobs.items.toReversed()) {
      taken.push({ type, at: toTimestamp(dueMs), dueMs, sourceId })
      await catalog.jobs.cancel(id, 'test')
    }
  }
  const pass = async (ms: number, stepMs: number) => {
    for (let left = ms; left > 0; left -= stepMs) {
      server.clock.advance(Math.min(left, stepMs))
      await settle()
      await take()
    }
  }
  return {
    server,
    context,
    engine,
    catalog,
    protect,
    settle,
    pass,
    taken,
    start: async () => {
      await scheduler.start()
      await settle()
    },
    restart: async (awayMs: number) => {
      const closed = scheduler.close()
      await closed
      server.clock.advance(awayMs)
      scheduler = new Scheduler(parts)
      await scheduler.start()
      await settle()
      await take()
    },
    timesOf: (sourceId: string, type = 'recovery-point') =>
      taken.filter((job) => job.sourceId === sourceId && job.type === type).map(({ at }) => at.slice(0, 16)),
  }
}

const points = (recoveryPoints: Schedule): Rest => ({ shortTerm: { recoveryPoints, synchronisation: { kind: 'before-recovery-point' } } })

test('§3.4, complaint 15: over the change to summer time and back each schedule runs once a day, however it is written', async (t) => {
  const on = await aScheduler(t, '2026-03-28T00:00:00Z')
  const ways = [
    await on.protect(points({ kind: 'weekly', times: ['02:30'], weekdays: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] })),
    await on.protect(points({ kind: 'cron', expression: '30 2 * * *' })),
    await on.protect(points({ kind: 'calendar', expression: '*-*-* 02:30' })),
    await on.protect(points({ kind: 'every', every: 1, unit: 'day', from: '2026-01-01', times: ['02:30'] })),
  ]
  const noon = await on.protect(points({ kind: 'cron', expression: '0 12 * * *' }))
  await on.start()
  await on.pass(3 * DAY_MS, 10 * MINUTE_MS)
  // 02:30 does not exist on the 29th: it runs at the end of the gap, at 03:00.
  for (const { id } of ways) assert.deepEqual(on.timesOf(id), ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'])
  assert.deepEqual(on.timesOf(noon.id), ['2026-03-28T11:00', '2026-03-29T10:00', '2026-03-30T10:00'])

  on.taken.length = 0
  await on.restart(fromTimestamp('2026-10-24T00:00:00Z') - on.server.clock.nowMs())
  on.taken.length = 0
  await on.pass(3 * DAY_MS, 10 * MINUTE_MS)
  // It comes twice on the 25th, and runs the first time.
  for (const { id } of ways) assert.deepEqual(on.timesOf(id), ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'])
})

test('§3.4: a synchronisation never pauses for longer than its frequency, in the hour that comes twice neither; its offset shifts it', async (t) => {
  const on = await aScheduler(t, '2026-10-24T23:00:00Z')
  const plain = await on.protect({ shortTerm: { recoveryPoints: NEVER, synchronisation: { kind: 'every', minutes: 15 } } })
  const shifted = await on.protect({
    startOffsetMinutes: 7,
    shortTerm: { recoveryPoints: NEVER, synchronisation: { kind: 'every', minutes: 30 } },
  })
  await on.start()
  await on.pass(4 * HOUR_MS, 5 * MINUTE_MS)
  const times = on.taken.filter(({ sourceId }) => sourceId === plain.id).map(({ dueMs }) => dueMs)
  assert.equal(times.length, 16)
  for (const [i, at] of times.entries()) if (i > 0) assert.equal(at - (times[i - 1] ?? 0), 15 * MINUTE_MS)
  assert.ok(
    on.timesOf(shifted.id, 'synchronisation').every((at) => /:(07|37)$/.test(at)),
    String(on.timesOf(shifted.id, 'synchronisation')),
  )
})

test('what came due while the server was away is made up for once, by its newest; a clock that was set back repeats nothing', async (t) => {
  const on = await aScheduler(t, '2026-06-01T00:00:00Z')
  const { id } = await on.protect({
    shortTerm: { recoveryPoints: { kind: 'cron', expression: '0 8,20 * * *' }, synchronisation: { kind: 'every', minutes: 60 } },
  })
  await on.start()
  await on.pass(2 * HOUR_MS, 10 * MINUTE_MS)
  on.taken.length = 0
  await on.restart(3 * DAY_MS)
  assert.deepEqual(on.timesOf(id), ['2026-06-03T18:00'])
  assert.deepEqual(on.timesOf(id, 'synchronisation'), ['2026-06-04T02:00'])
  on.taken.length = 0
  await on.restart(-2 * HOUR_MS)
  await on.pass(HOUR_MS, 10 * MINUTE_MS)
  assert.deepEqual(on.taken, [])
  await on.pass(2 * HOUR_MS, 10 * MINUTE_MS)
  assert.equal(on.timesOf(id, 'synchronisation').length, 1, 'then it goes on')
  // It had been a year ahead: nobody waits for that year to come again.
  on.server.clock.jump(365 * DAY_MS)
  await on.pass(2 * MINUTE_MS, MINUTE_MS)
  on.server.clock.jump(-365 * DAY_MS)
  on.taken.length = 0
  await on.pass(3 * HOUR_MS, 10 * MINUTE_MS)
  assert.ok(on.timesOf(id, 'synchronisation').length >= 3)
  // What waits already is not asked for twice.
  on.server.clock.advance(2 * HOUR_MS)
  await on.settle()
  on.server.clock.advance(2 * HOUR_MS)
  await on.settle()
  const waiting = await on.catalog.jobs.list({ limit: 100 }, { sourceId: id, states: ['scheduled', 'queued'], types: ['synchronisation'] })
  assert.equal(waiting.items.length, 1)
})

test('§3.10: jobs begin in their windows and in no blackout; what never may begin is told (3170)', async (t) => {
  const on = await aScheduler(t, '2026-06-01T00:00:00Z')
  const window = [{ start: '22:00', durationMinutes: 480 }]
  const noon: Schedule = { kind: 'weekly', times: ['12:00'], weekdays: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] }
  const night = await on.protect({ ...points(noon), backupWindows: window })
  const holiday = await on.protect({ ...points(noon), blackouts: [{ fromDate: '2026-06-01', toDate: '2026-06-03' }] })
  const nowhere = await on.protect({ ...points(noon), backupWindows: window, blackouts: [{ start: '00:00', durationMinutes: 1440 }] })
  await on.start()
  await on.pass(DAY_MS, 30 * MINUTE_MS)
  assert.deepEqual(on.timesOf(night.id), ['2026-06-01T20:00'])
  assert.deepEqual(on.timesOf(holiday.id), ['2026-06-03T22:00'])
  assert.deepEqual(on.timesOf(nowhere.id), [])
  const alerts = await on.catalog.alerts.open()
  assert.deepEqual(
    alerts.map(({ domainCode, subject }) => [domainCode, subject.id]),
    [[3170, nowhere.id]],
  )
})

test('§3.10: many sources of one schedule are spread over some minutes, each always at the same moment of them', async (t) => {
  const on = await aScheduler(t, '2026-06-01T09:00:00Z', 300)
  const { ids } = await on.protect(points({ kind: 'cron', expression: '0 12,13 * * *' }), 'ok', 40)
  await on.start()
  await on.pass(3 * HOUR_MS, 30 * MINUTE_MS)
  const offsets = (at: string) =>
    new Map(
      on.taken.map(({ sourceId, dueMs }) => [sourceId, dueMs - fromTimestamp(at)] as const).filter(([, ms]) => ms >= 0 && ms < 300_000),
    )
  const [first, second] = [offsets('2026-06-01T10:00:00Z'), offsets('2026-06-01T11:00:00Z')]
  assert.deepEqual([first.size, second.size], [40, 40])
  assert.deepEqual(first, second)
  assert.ok(new Set(first.values()).size > 35, 'not all at once')
  assert.ok(ids.every((id) => first.has(id)))
})

test('§3.6: a daily check is made of what is flagged alone, in its window; one that outlasts window or duration goes on in the next', async (t) => {
  const on = await aScheduler(t, '2026-06-01T00:00:00Z')
  const consistencyCheck = { daily: { time: '21:00', maxDurationMinutes: 60 }, windows: [{ start: '22:00', durationMinutes: 120 }] }
  const rest = { ...points(NEVER), consistencyCheck }
  const sound = await on.protect(rest)
  const flagged = await on.protect(rest, 'inconsistent')
  await on.start()
  await on.pass(DAY_MS, 30 * MINUTE_MS)
  assert.deepEqual([on.timesOf(sound.id, 'consistency-check'), on.timesOf(flagged.id, 'consistency-check')], [[], ['2026-06-01T20:00']])

  // It is at work when its window closes, at midnight in Amsterdam.
  const { id, group } = flagged
  on.server.clock.advance(fromTimestamp('2026-06-02T20:00:00Z') - on.server.clock.nowMs())
  await on.settle()
  const begin = async (createdBy: string) => {
    const job = await on.engine.create({
      type: 'consistency-check',
      sourceId: id,
      groupId: group.id,
      createdBy,
      isAdHoc: createdBy === 'person',
    })
    await on.catalog.jobs.claim(job.id, { epoch: 1, leaseMs: DAY_MS })
    return job.id
  }
  for (const waiting of (await on.catalog.jobs.list({ limit: 10 }, { states: ['scheduled', 'queued'] })).items)
    await on.catalog.jobs.cancel(waiting.id, 'test')
  const late = await begin('server')
  on.server.clock.advance(119 * MINUTE_MS)
  await endLateChecks(on.context, on.engine)
  assert.equal((await on.catalog.jobs.get(late)).cancelRequestedMs, undefined)
  on.server.clock.advance(2 * MINUTE_MS)
  await endLateChecks(on.context, on.engine)
  assert.ok((await on.catalog.jobs.get(late)).cancelRequestedMs)
  const next = (await on.catalog.jobs.list({ limit: 10 }, { sourceId: id, states: ['scheduled'] })).items
  assert.deepEqual(
    next.map(({ type, dueMs }) => [type, toTimestamp(dueMs)]),
    [['consistency-check', '2026-06-03T20:00:00.000Z']],
  )
})
