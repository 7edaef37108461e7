/** Retention as the server does it: what the ledger says beforehand, what stops it, what brings points back; by the server's own time. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Clock } from '../../base/clock.ts'
import type { DataSource } from '../../catalog/index.ts'
import { DAY_MS, HOUR_MS, type ProtectionGroupInput, protectionGroupShape, type ReplicaEvent } from '../../protection/index.ts'
import { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { remember } from '../groups/source-memory.ts'
import { applyEvent } from '../groups/source-state.ts'
import { aServer } from '../server.fixture.ts'
import { asJson } from '../settings/setting.ts'
import { Ledger } from './ledger.ts'
import { Retention } from './retention.ts'
import { simulate, simulationShape } from './simulation.ts'

const hex = (n: number) => n.toString(16).padStart(32, '0')
const SOURCE = hex(1)

/** The server's parts over a catalog with one source and points of it; no pool is asked. */
async function aRetention(
  t: TestContext,
  shortTerm: ProtectionGroupInput['shortTerm'] = {},
  wrap: (clock: Clock) => Clock = (clock) => clock,
) {
  const server = await aServer(t)
  const outer = server.running().context
  const context: ServerContext = { ...outer, op: { ...outer.op, clock: wrap(server.clock) } }
  const { catalog } = context
  const pool = await catalog.pools.add({ name: 'one', folder: '/pool' })
  const agent = await catalog.agents.enrol({ name: 'srv1', publicKey: 'k', publicKeySha256: 'h' })
  const document = protectionGroupShape.parse({
    name: 'Files',
    members: [{ dataSourceId: SOURCE, agentId: agent.id, name: 'srv1:/srv' }],
    shortTerm,
  })
  const group = await catalog.groups.create({ name: 'Files', document: asJson(document) as never, by: 'test' })
  await catalog.sources.add({
    id: SOURCE,
    agentId: agent.id,
    workload: 'files',
    name: 'srv1:/srv',
    path: '/srv',
    groupId: group.id,
    poolId: pool.id,
    state: 'ok',
  })
  const ledger = new Ledger(context)
  const retention = new Retention({ context, ledger, alerts: new AlertDesk(context) })
  let count = 0
  const point = async (daysAgo: number, kind = 'scheduled', startedMs?: number) => {
    const finishedMs = server.clock.nowMs() - daysAgo * DAY_MS
    const id = hex(1000 + ++count)
    const facts = {
      id,
      sourceId: SOURCE,
      poolId: pool.id,
      objectName: id,
      sequence: count,
      startedMs: startedMs ?? finishedMs - 1000,
      finishedMs,
    }
    await catalog.points.record({ ...facts, bytes: 10, files: 1, storedBytes: 5, warnings: 0, kind })
    return id
  }
  const source = async (): Promise<DataSource> => await catalog.sources.get(SOURCE)
  const event = async (name: ReplicaEvent) => await applyEvent(catalog, await source(), name)
  const states = async (ids: readonly string[]) => await Promise.all(ids.map(async (id) => (await catalog.points.get(id)).state))
  const open = async () => (await catalog.deletions.list({ limit: 1000 }, { sourceId: SOURCE, states: ['held', 'due'] })).items
  return { server, context, catalog, ledger, retention, group, document, point, source, event, states, open }
}

const setRange = async ({ catalog, group, document }: Awaited<ReturnType<typeof aRetention>>, retentionDays: number) => {
  const { version } = await catalog.groups.get(group.id)
  const changed = { ...document, shortTerm: { ...document.shortTerm, retentionDays } }
  await catalog.groups.replace(group.id, { name: group.name, document: asJson(changed) as never, by: 'test' }, version)
}

test('the ledger says beforehand what goes, why, when and how many bytes; the last three good points are never in it', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const old = await on.point(6)
  const young = [await on.point(4), await on.point(3), await on.point(2), await on.point(1)]
  assert.equal(await on.retention.plan(SOURCE), 1)
  const [line] = await on.open()
  assert.deepEqual([line?.pointId, line?.reason, line?.bytes, line?.state], [old, 'range-over', 5, 'due'])
  assert.equal(line?.dueMs, on.server.clock.nowMs() + 14 * DAY_MS)
  assert.match(JSON.stringify(line?.details), /its last range was over at 2026-11-21/)
  assert.deepEqual(await on.states([old, ...young]), ['expired', 'valid', 'valid', 'valid', 'valid'])
  assert.deepEqual((await on.retention.why(old)).verdict, 'goes')
  const why = await on.retention.why(young[0] as string)
  assert.deepEqual([why.verdict, why.reasons[0]?.startsWith('within the retention range')], ['kept', true])

  // However old they are.
  on.server.clock.advance(400 * DAY_MS)
  await on.retention.plan(SOURCE)
  const kept = (await on.states(young)).filter((state) => state === 'valid')
  assert.ok(kept.length >= 3, String(kept))
  assert.match((await on.retention.why(young[3] as string)).reasons.join(), /newest good point/)
})

test('§3.4: days on which the replica was inconsistent do not count, and while it is nothing goes; not what was decided before either', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = [await on.point(4.5), await on.point(4.1), await on.point(3), await on.point(2), await on.point(1)]
  await on.event('become-inconsistent')
  on.server.clock.advance(2 * DAY_MS)
  assert.equal(await on.retention.plan(SOURCE), 0)
  assert.match((await on.retention.why(points[0] as string)).reasons.join(), /nothing goes while the replica is inconsistent/)
  // Also while a check runs.
  await on.event('start-check')
  on.server.clock.advance(HOUR_MS)
  assert.equal(await on.retention.plan(SOURCE), 0)
  await on.event('succeed')
  // The first is 6.5 days old, of which two and an hour do not count.
  assert.equal(await on.retention.plan(SOURCE), 0)
  on.server.clock.advance(0.6 * DAY_MS)
  await on.point(0)
  assert.equal(await on.retention.plan(SOURCE), 1)
  assert.equal((await on.states(points))[0], 'expired')

  // What was decided waits as long as the replica is inconsistent again.
  await on.event('become-inconsistent')
  on.server.clock.advance(20 * DAY_MS)
  const gone: string[] = []
  const pools = { expire: async (_: unknown, __: string, ids: readonly string[]) => void gone.push(...ids) } as never
  const [line] = await on.open()
  assert.equal((await on.ledger.carryOut(on.context.op, pools, line?.poolId ?? '')).kept, 1)
  await on.event('start-check')
  await on.event('succeed')
  assert.equal((await on.ledger.carryOut(on.context.op, pools, line?.poolId ?? '')).points, 1)
  assert.deepEqual([gone, (await on.states(points))[0]], [[points[0]], 'pruned'])
})

test('R12: more than 30 % of a source at once waits for a person, and the alert goes when there is nothing to ask any more', async (t) => {
  const on = await aRetention(t, { retentionDays: 30 })
  const points = []
  for (let day = 10; day > 0; day--) points.push(await on.point(day))
  await on.retention.plan(SOURCE)
  await setRange(on, 3)
  assert.ok((await on.retention.plan(SOURCE)) > 0)
  const held = await on.open()
  assert.ok(held.length >= 6 && held.every(({ state, holdReason }) => state === 'held' && /% of the source/.test(holdReason ?? '')))
  assert.ok(
    (await on.states(points)).every((state) => state === 'valid'),
    'nothing is out of sight before',
  )
  const alerts = async () => (await on.catalog.alerts.open()).map(({ code }) => code)
  assert.deepEqual(await alerts(), ['expiry-needs-person'])
  assert.match((await on.retention.why(points[0] as string)).reasons.join(), /a person must agree/)
  // Asked again and again, it is the same question.
  assert.equal(await on.retention.plan(SOURCE), 0)

  await on.ledger.approve([held[0]?.id ?? ''], 'somebody')
  const approved = (await on.open()).find(({ id }) => id === held[0]?.id)
  assert.deepEqual([approved?.state, approved?.dueMs], ['due', on.server.clock.nowMs() + 14 * DAY_MS])
  // The range is made longer again: nobody needs to decide on the others, and the first comes back.
  await setRange(on, 30)
  await on.retention.plan(SOURCE)
  assert.deepEqual([await on.open(), await alerts()], [[], []])
  assert.ok((await on.states(points)).every((state) => state === 'valid'))
})

test('§3.8: a longer range counts for points that are on their way out; a shorter one is decided with the next run', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = [await on.point(6), await on.point(4), await on.point(3), await on.point(2), await on.point(1)]
  await on.retention.plan(SOURCE)
  assert.equal((await on.states(points))[0], 'expired')
  await setRange(on, 10)
  await on.retention.plan(SOURCE)
  assert.deepEqual([(await on.states(points))[0], await on.open()], ['valid', []])
  await setRange(on, 5)
  await on.retention.plan(SOURCE)
  assert.equal((await on.states(points))[0], 'expired')
})

test('what a person takes back stays for another cool-off, although the policy is what it was; pins and holds stay for as long as they are there', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = [await on.point(8), await on.point(3), await on.point(2), await on.point(1)]
  const [old = ''] = points
  await on.retention.plan(SOURCE)
  await on.ledger.undelete(old, 'somebody')
  await on.retention.plan(SOURCE)
  assert.equal((await on.states(points))[0], 'valid')
  assert.match((await on.retention.why(old)).reasons.join(), /pinned until 2026-12-06/)
  on.server.clock.advance(14 * DAY_MS + HOUR_MS)
  for (let day = 4; day >= 0; day--) await on.point(day)
  await on.retention.plan(SOURCE)
  const [again] = (await on.open()).filter(({ pointId }) => pointId === old)
  assert.ok(again, 'then retention decides again')

  await on.catalog.points.setLegalHold(old, true)
  await on.ledger
    .approve([again.id], 'somebody')
    .catch((error: { code: string }) => assert.ok(['POINT_HELD', 'DELETION_NOT_HELD'].includes(error.code)))
  on.server.clock.advance(30 * DAY_MS)
  const gone: string[] = []
  const pools = { expire: async (_: unknown, __: string, ids: readonly string[]) => void gone.push(...ids) } as never
  await on.ledger.carryOut(on.context.op, pools, again.poolId)
  assert.ok(gone.length > 0 && !gone.includes(old), 'held points never go')
  assert.equal((await on.states([old]))[0], 'valid')
})

test('§7.2: 64 points of files stay at most, the oldest that nothing else holds go first; lifted caps know no such number', async (t) => {
  const on = await aRetention(t, { retentionDays: 21 })
  const points = []
  for (let n = 70; n > 0; n--) points.push(await on.point(n / 5, 'on-demand'))
  await on.catalog.points.pin(points[0] as string, {})
  assert.equal(await on.retention.plan(SOURCE), 6)
  const states = await on.states(points)
  assert.deepEqual(states.slice(0, 8), ['valid', ...Array(6).fill('expired'), 'valid'])
  assert.match((await on.retention.why(points[1] as string)).reasons.join(), /more than 64 points are not kept/)
  await on.catalog.settings.put('protection', { caps: 'lifted' }, { by: 'test' })
  await on.retention.plan(SOURCE)
  assert.deepEqual(await on.open(), [])
})

test('the time that an agent says changes nothing: points go by when this server had them', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const future = await on.point(6, 'scheduled', 4_000_000_000_000)
  const past = await on.point(1, 'scheduled', 0)
  for (const day of [0.9, 0.8, 0.7]) await on.point(day)
  await on.retention.plan(SOURCE)
  assert.deepEqual(await on.states([future, past]), ['expired', 'valid'])
})

test('a clock that jumps freezes retention, whatever would go, until a person says that it is right', async (t) => {
  let ahead = 0
  const on = await aRetention(t, { retentionDays: 5 }, (clock) => ({
    nowMs: () => clock.nowMs() + ahead,
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }))
  for (const day of [4.9, 3, 2, 1]) await on.point(day)
  assert.equal(await on.retention.plan(SOURCE), 0)
  ahead = 26 * HOUR_MS
  assert.equal(await on.retention.plan(SOURCE), 0)
  assert.match((await on.retention.clock.look()) ?? '', /jumped ahead/)
  assert.deepEqual(
    (await on.catalog.alerts.open()).map(({ code, severity }) => [code, severity]),
    [['clock-jumped', 'critical']],
  )
  ahead = 0
  assert.ok(await on.retention.clock.look(), 'that it is as before does not mend it by itself')
  ahead = 26 * HOUR_MS
  await on.retention.clock.clear()
  assert.equal(await on.retention.plan(SOURCE), 1)
  assert.deepEqual(await on.catalog.alerts.open(), [])
})

test('§11: what was retained stays until somebody deletes it, or as long as the range would have kept it, as was chosen', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = [await on.point(9), await on.point(3), await on.point(2), await on.point(1)]
  await on.event('stop')
  await on.event('retain')
  await on.catalog.sources.assign(SOURCE, { groupId: null })
  assert.equal(await on.retention.plan(SOURCE), 0)
  assert.match((await on.retention.why(points[0] as string)).reasons.join(), /no group protects its data source/)
  await remember(on.catalog, SOURCE, { retained: { timeZone: 'UTC', shortTermDays: 5 } })
  assert.equal(await on.retention.plan(SOURCE), 1)
})

test('synchronisations are superseded by the next point and go without a cool-off, but for the newest and while the replica is sound', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = [
    await on.point(0.5, 'scheduled'),
    await on.point(0.4, 'sync'),
    await on.point(0.3, 'sync'),
    await on.point(0.2, 'scheduled'),
    await on.point(0.1, 'sync'),
  ]
  await on.event('become-inconsistent')
  assert.equal(await on.retention.plan(SOURCE), 0)
  await on.event('start-check')
  await on.event('succeed')
  assert.equal(await on.retention.plan(SOURCE), 2)
  assert.deepEqual(await on.states(points), ['valid', 'expired', 'expired', 'valid', 'valid'])
  assert.ok((await on.open()).every(({ reason, dueMs }) => reason === 'superseded' && dueMs === on.server.clock.nowMs()))
})

test('§13: a simulation of a group, of what it is meant to be, and of a source with the points that it has', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const run = async (input: object) => await simulate(on.context, on.retention, simulationShape.parse(input))
  const asIs = await run({ group: on.group.id, days: 12 })
  assert.equal(asIs.days.at(-1)?.kept.length, 15)
  assert.equal((await run({ group: on.group.id, retentionDays: 2, days: 12 })).days.at(-1)?.kept.length, 6)
  for (let day = 20; day > 0; day--) await on.point(day)
  const ofSource = await run({ source: SOURCE, days: 12 })
  assert.equal(ofSource.days[0]?.needsPerson, true, 'fifteen of twenty at once')
  const monthly = { monthly: { months: 3, on: { kind: 'date', day: 1 }, times: ['08:00'] } }
  const vault = await run({ online: monthly, schedule: { kind: 'weekly', times: ['08:00'] }, days: 200 })
  assert.ok((vault.days.at(-1)?.kept.length ?? 0) <= 3 + 8)
  await assert.rejects(run({ days: 3 }), { code: 'RETENTION_RANGE_INVALID' })
})

test('what is being deleted can not be taken back any more, by nobody; what was taken back just before does not go', async (t) => {
  const on = await aRetention(t, { retentionDays: 5 })
  const points = await Promise.all([9, 8, 4, 3, 2, 1, 0].map((daysAgo) => on.point(daysAgo)))
  const [first = '', second = ''] = points
  await on.retention.plan(SOURCE)
  assert.deepEqual((await on.states(points)).slice(0, 2), ['expired', 'expired'])
  on.server.clock.advance(15 * DAY_MS)
  for (let day = 4; day >= 0; day--) await on.point(day)
  const { poolId } = await on.catalog.points.get(first)
  const asked: string[] = []
  const pools = {
    expire: async (_: unknown, __: string, ids: readonly string[]) => {
      asked.push(...ids)
      await assert.rejects(on.ledger.undelete(first, 'somebody'), { code: 'POINT_NOT_LEAVING' })
      await on.ledger.takeBack(await on.open(), 'server')
    },
  } as never
  // While it looks at what is due.
  const isNearlyGone = on.catalog.points.find.bind(on.catalog.points)
  on.catalog.points.find = async (id) => {
    const found = await isNearlyGone(id)
    if (id === second && (await on.catalog.deletions.openOf(id))) await on.ledger.undelete(id, 'somebody')
    return found
  }
  const { points: count, kept } = await on.ledger.carryOut(on.context.op, pools, poolId)
  assert.deepEqual([asked, count, kept], [[first], 1, 1])
  assert.deepEqual((await on.states(points)).slice(0, 2), ['pruned', 'valid'])
})
