/** What each kind of record promises, where it is more than to be there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/errors.ts'
import { aCatalog, aSource } from './catalog.fixture.ts'
import { canonicalJson } from './json.ts'
import { FOREVER_MS, type PointFacts } from './recovery-points.ts'

const DAY_MS = 86_400_000
const isCode = (code: string) => (error: unknown) => hasCode(error, code)

test('the same condition is one alert until it ends, and a new one after that', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { alerts } = catalog
  const subject = { kind: 'data-source', id: 's1' } as const
  const inconsistent = {
    code: 'replica-inconsistent',
    domainCode: 3106,
    severity: 'critical',
    subject,
    subjectName: 'srv1',
    hint: 'check',
  } as const
  const first = await alerts.raise({ ...inconsistent, message: 'one' })
  clock.advance(1000)
  const again = await alerts.raise({ ...inconsistent, message: 'two' })
  assert.deepEqual(
    [first.isNew, again.isNew, again.alert.id === first.alert.id, again.alert.times, again.alert.message],
    [true, false, true, 2, 'two'],
  )
  await alerts.actionStarted(first.alert.id, 'job')
  assert.equal((await alerts.open())[0]?.state, 'action-in-progress')
  assert.deepEqual([...(await alerts.countOpen())], [['critical', 1]])
  assert.equal((await alerts.resolve('replica-inconsistent', subject))?.endedBy, 'condition')
  assert.equal(await alerts.resolve('replica-inconsistent', subject), undefined)
  await assert.rejects(alerts.putAway(first.alert.id, 'ada'), isCode('CATALOG_STATE_CONFLICT'))
  const later = await alerts.raise({ ...inconsistent, message: 'three' })
  assert.equal(later.isNew, true)
  assert.equal((await alerts.putAway(later.alert.id, 'ada')).endedBy, 'ada')
})

test('news ends by itself', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const subject = { kind: 'recovery', id: 'r1' } as const
  const news = {
    code: 'recovery-succeeded',
    severity: 'informational',
    subject,
    subjectName: 'x',
    message: 'done',
    hint: '',
    lifeMs: 3 * DAY_MS,
  } as const
  await catalog.alerts.raise(news)
  clock.advance(3 * DAY_MS - 1)
  assert.deepEqual(await catalog.alerts.expire(), [])
  clock.advance(1)
  assert.equal((await catalog.alerts.expire())[0]?.endedBy, 'time')
})

test('a state changes only from where it may, and keeps its time while only the cause changes', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { sourceId } = await aSource(catalog)
  clock.advance(1000)
  const bad = await catalog.sources.setState(sourceId, 'inconsistent', { from: ['ok'], cause: { code: 'JOURNAL_LOST' } })
  clock.advance(1000)
  const still = await catalog.sources.setState(sourceId, 'inconsistent', { cause: { code: 'OTHER' } })
  assert.equal(still.stateSinceMs, bad.stateSinceMs)
  assert.deepEqual(still.cause, { code: 'OTHER' })
  await assert.rejects(catalog.sources.setState(sourceId, 'deleting', { from: ['ok'] }), isCode('CATALOG_STATE_CONFLICT'))
  const checked = await catalog.sources.setState(sourceId, 'verifying', { from: ['inconsistent'] })
  assert.deepEqual([checked.cause, checked.stateSinceMs], [undefined, clock.nowMs()])
})

test('one place of one agent is one data source, and moves between groups', async (t) => {
  const { catalog } = await aCatalog(t)
  const { sourceId, agentId } = await aSource(catalog)
  const place = { agentId, workload: 'files', path: '/home' }
  await assert.rejects(catalog.sources.add({ ...place, name: 'other' }), isCode('CATALOG_NAME_TAKEN'))
  assert.equal((await catalog.sources.findByPlace(agentId, 'files', '/home'))?.id, sourceId)
  const one = await catalog.groups.create({ name: 'One', document: { a: 1 }, by: 'ada' })
  await catalog.sources.assign(sourceId, { groupId: one.id })
  await assert.rejects(catalog.groups.remove(one.id, 1), isCode('CATALOG_STILL_USED'))
  await assert.rejects(catalog.groups.create({ name: 'ONE', document: {}, by: 'ada' }), isCode('CATALOG_NAME_TAKEN'))
  const changed = await catalog.groups.replace(one.id, { name: 'One', document: { a: 2 }, by: 'bob' }, 1)
  assert.deepEqual([changed.version, changed.document, changed.changedBy], [2, { a: 2 }, 'bob'])
  await assert.rejects(catalog.groups.replace(one.id, { name: 'One', document: {}, by: 'cyd' }, 1), isCode('CATALOG_VERSION_CONFLICT'))
  await catalog.sources.assign(sourceId, { groupId: null })
  await catalog.groups.remove(one.id, 2)
})

test('a request of an agent counts once, and those of an epoch before not at all', async (t) => {
  const { catalog } = await aCatalog(t)
  const { agentId } = await aSource(catalog)
  const { agents } = catalog
  assert.equal(await agents.beginEpoch(agentId), 1)
  assert.deepEqual(
    [
      await agents.acceptCounter(agentId, 1, 1),
      await agents.acceptCounter(agentId, 1, 1),
      await agents.acceptCounter(agentId, 1, 7),
      await agents.acceptCounter(agentId, 1, 6),
    ],
    [true, false, true, false],
  )
  assert.equal(await agents.beginEpoch(agentId), 2)
  assert.deepEqual([await agents.acceptCounter(agentId, 1, 8), await agents.acceptCounter(agentId, 2, 1)], [false, true])
})

test('a revoked agent is known, and its name is free', async (t) => {
  const { catalog } = await aCatalog(t)
  const { agentId } = await aSource(catalog)
  await assert.rejects(catalog.agents.enrol({ name: 'SRV1', publicKey: 'k', publicKeySha256: 'x' }), isCode('CATALOG_NAME_TAKEN'))
  assert.equal(await catalog.agents.revoke(agentId), true)
  assert.equal((await catalog.agents.findByKey('srv1'.padEnd(64, '0')))?.state, 'revoked')
  assert.equal(await catalog.agents.findByName('srv1'), undefined)
  await catalog.agents.enrol({ name: 'srv1', publicKey: 'k', publicKeySha256: 'x' })
})

test('an enrolment token is used once, in time', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { enrolmentTokens } = catalog
  const create = (tokenSha256: string) => enrolmentTokens.create({ tokenSha256, agentName: 'srv1', createdBy: 'ada', lifeMs: DAY_MS })
  await create('a')
  const used = await Promise.all([enrolmentTokens.use('a', '1'), enrolmentTokens.use('a', '2'), enrolmentTokens.use('none', '3')])
  assert.equal(used.filter((token) => token !== undefined).length, 1)
  clock.advance(1)
  const late = await create('b')
  clock.advance(DAY_MS)
  assert.equal(await enrolmentTokens.use('b', '1'), undefined)
  const revoked = await create('c')
  assert.equal(await enrolmentTokens.revoke(revoked.id), true)
  assert.equal(await enrolmentTokens.use('c', '1'), undefined)
  assert.deepEqual((await enrolmentTokens.list({ limit: 9 })).items.map(({ id }) => id).slice(0, 2), [revoked.id, late.id])
})

test('usage is thinned to one a day, and the newest stays', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { poolId } = await aSource(catalog)
  for (let n = 0; n < 8; n++) {
    await catalog.pools.recordUsage(poolId, { sizeBytes: 100, usedBytes: n, freeBytes: 100 - n })
    clock.advance(DAY_MS / 4)
  }
  await catalog.pools.thinUsage(clock.nowMs() - DAY_MS / 2)
  // From 10:00: two on the first day after noon, and so on.
  assert.deepEqual(
    (await catalog.pools.usageSince(poolId, 0)).map(({ usedBytes }) => usedBytes),
    [2, 6, 7],
  )
  assert.equal((await catalog.pools.latestUsage(poolId))?.usedBytes, 7)
})

test('a deletion is decided once, may be held, undone and done, and nothing twice', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { deletions } = catalog
  const plan = (pointId: string, holdReason?: string) =>
    deletions.plan([{ sourceId: 's', pointId, poolId: 'p', reason: 'retention', bytes: 10, dueMs: clock.nowMs() + DAY_MS, holdReason }])
  const [one] = await plan('p1')
  const [held] = await plan('p2', 'more than 30 %')
  await assert.rejects(plan('p1'), isCode('CATALOG_STATE_CONFLICT'))
  await assert.rejects(
    deletions.plan([
      { sourceId: 's', pointId: 'p3', poolId: 'p', reason: 'x', dueMs: 0 },
      { sourceId: 's', pointId: 'p2', poolId: 'p', reason: 'x', dueMs: 0 },
    ]),
    isCode('CATALOG_STATE_CONFLICT'),
  )
  assert.equal(await deletions.openOf('p3'), undefined)
  clock.advance(DAY_MS)
  assert.deepEqual(
    (await deletions.due(clock.nowMs())).map(({ pointId }) => pointId),
    ['p1'],
  )
  // After a catalog of before came back.
  await deletions.postpone(clock.nowMs() + DAY_MS)
  assert.deepEqual(await deletions.due(clock.nowMs()), [])
  clock.advance(DAY_MS)
  assert.equal((await deletions.due(clock.nowMs())).length, 1)
  await assert.rejects(deletions.done(held?.id ?? ''), isCode('CATALOG_STATE_CONFLICT'))
  await deletions.approve(held?.id ?? '', { by: 'ada', dueMs: clock.nowMs() })
  await deletions.undo(held?.id ?? '', 'ada')
  await deletions.done(one?.id ?? '', 12)
  await assert.rejects(deletions.undo(one?.id ?? '', 'ada'), isCode('CATALOG_STATE_CONFLICT'))
  assert.deepEqual((await deletions.list({ limit: 9 })).items.map(({ state, bytes }) => `${state} ${bytes}`).sort(), [
    'deleted 12',
    'undone 10',
  ])
  await plan('p2')
})

const aPoint = (sourceId: string, poolId: string, n: number): PointFacts & { kind: string } => ({
  id: String(n).padStart(32, '0'),
  sourceId,
  poolId,
  objectName: `points/${n}`,
  sequence: n,
  startedMs: 1000 * n,
  finishedMs: 1000 * n + 500,
  bytes: 10 * n,
  files: n,
  storedBytes: n,
  warnings: 0,
  kind: 'full',
})

test('points: the newest of each source, pins, and the same report twice', async (t) => {
  const { catalog } = await aCatalog(t)
  const { sourceId, poolId } = await aSource(catalog)
  for (const n of [1, 2, 3]) await catalog.points.record(aPoint(sourceId, poolId, n))
  const id = aPoint(sourceId, poolId, 2).id
  await catalog.points.pin(id, { note: 'audit' })
  await catalog.points.verified(id, 'good')
  await catalog.points.record(aPoint(sourceId, poolId, 2))
  const point = await catalog.points.get(id)
  assert.deepEqual([point.pinnedUntilMs, point.pinNote, point.verifiedResult], [FOREVER_MS, 'audit', 'good'])
  const [summary] = await catalog.points.summaries()
  assert.deepEqual([summary?.points, summary?.oldestMs, summary?.newestMs, summary?.newestId], [3, 1500, 3500, aPoint('', '', 3).id])
  assert.equal(summary?.lastVerifiedMs, point.verifiedMs)
  assert.equal((await catalog.points.newestOf(sourceId))?.sequence, 3)
  await assert.rejects(catalog.pools.setState(poolId, 'removed'), isCode('CATALOG_STILL_USED'))
  await assert.rejects(catalog.sources.remove(sourceId), isCode('CATALOG_STILL_USED'))
})

test('a rebuild makes the cache what the store is, and leaves what only the catalog knows', async (t) => {
  const { catalog } = await aCatalog(t)
  const { sourceId, poolId } = await aSource(catalog)
  for (const n of [1, 2, 3]) await catalog.points.record(aPoint(sourceId, poolId, n))
  await catalog.points.setLegalHold(aPoint('', '', 1).id, true)
  const strange = { ...aPoint('f'.repeat(32), poolId, 9) }
  const facts = {
    poolId,
    sources: [
      { id: sourceId, name: 'ignored', workload: 'files', path: '/home' },
      { id: 'f'.repeat(32), name: 'lost', workload: 'files', path: '/srv' },
    ],
    points: [aPoint(sourceId, poolId, 1), { ...aPoint(sourceId, poolId, 2), bytes: 77 }, strange].map(({ kind, ...point }) => point),
  }
  const differences = {
    points: 3,
    unknown: [strange.id],
    missing: [aPoint('', '', 3).id],
    different: [{ id: aPoint('', '', 2).id, fields: ['bytes'] }],
    copies: [],
  }
  assert.deepEqual(await catalog.mirror.compare(facts), differences)
  assert.deepEqual(await catalog.mirror.rebuild(facts), { added: 1, removed: 1, corrected: 1, sourcesAdded: 1 })
  assert.deepEqual(await catalog.mirror.compare(facts), { points: 3, unknown: [], missing: [], different: [], copies: [] })
  assert.equal((await catalog.points.get(aPoint('', '', 1).id)).hasLegalHold, true)
  assert.equal((await catalog.sources.get('f'.repeat(32))).state, 'inactive')
  assert.equal((await catalog.sources.get(sourceId)).name, 'srv1:/home')
})

test('a point on two volumes counts where the catalog has it; when that volume lost it, where it is', async (t) => {
  const { catalog } = await aCatalog(t)
  const { sourceId, poolId } = await aSource(catalog)
  const other = (await catalog.pools.add({ name: 'other', folder: '/other' })).id
  const facts = (pool: string, ...numbers: number[]) => ({
    poolId: pool,
    sources: [],
    points: numbers.map((n) => {
      const { kind, ...point } = aPoint(sourceId, pool, n)
      return point
    }),
  })
  await catalog.points.record(aPoint(sourceId, poolId, 1))
  await catalog.points.pin(aPoint('', '', 1).id, { note: 'mine' })
  const id = aPoint('', '', 1).id
  const agreed = { points: 2, unknown: [], missing: [], different: [], copies: [{ id, sourceId, poolId: other }] }
  assert.deepEqual(await catalog.mirror.compare(facts(other, 1), facts(poolId, 1)), agreed)
  // Of a volume that could not be listed nothing is forgotten.
  assert.deepEqual((await catalog.mirror.compare(facts(other, 1))).missing, [])
  await catalog.mirror.rebuild(facts(other, 1))
  assert.equal((await catalog.points.get(id)).poolId, poolId)
  assert.deepEqual((await catalog.mirror.compare(facts(other, 1), facts(poolId))).different, [{ id, fields: ['poolId'] }])
  await catalog.mirror.rebuild(facts(other, 1), facts(poolId))
  const moved = await catalog.points.get(id)
  assert.deepEqual([moved.poolId, moved.pinNote], [other, 'mine'])
})

test('a point whose manifest is there and can not be read keeps what only the catalog knows of it', async (t) => {
  const { catalog } = await aCatalog(t)
  const { sourceId, poolId } = await aSource(catalog)
  const [one, two] = [aPoint(sourceId, poolId, 1), aPoint(sourceId, poolId, 2)]
  for (const point of [one, two]) await catalog.points.record(point)
  await catalog.points.setLegalHold(one.id, true)
  const { kind: _, ...sound } = two
  const facts = { poolId, sources: [], points: [sound], unread: [one.objectName] }
  assert.deepEqual((await catalog.mirror.compare(facts)).missing, [])
  await catalog.mirror.rebuild(facts)
  assert.equal((await catalog.points.get(one.id)).hasLegalHold, true)
  // Of that name on another volume: then it is gone from this one.
  assert.deepEqual((await catalog.mirror.compare({ ...facts, unread: ['points/9'] })).missing, [one.id])
})

test('a catalog that lost all points has them again after a rebuild', async (t) => {
  const { catalog } = await aCatalog(t)
  const { poolId } = await aSource(catalog)
  const points = Array.from({ length: 300 }, (_, n) => {
    const { kind, ...point } = aPoint('e'.repeat(32), poolId, n + 1)
    return point
  })
  const facts = { poolId, sources: [{ id: 'e'.repeat(32), name: 'x', workload: 'files', path: '/' }], points }
  await catalog.mirror.rebuild(facts)
  assert.equal((await catalog.points.summaries())[0]?.points, 300)
  assert.deepEqual((await catalog.mirror.compare(facts)).unknown, [])
})

test('channels keep their secret unless a new one is given; deliveries are tried until they are given up', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const values = { name: 'Mail', options: { host: 'mx' }, severities: ['critical'], isEnabled: true } as const
  const { id } = await catalog.channels.create({ ...values, kind: 'smtp', secretSealed: new Uint8Array([1, 2]) })
  const changed = await catalog.channels.replace(id, { ...values, isEnabled: false }, 1)
  assert.deepEqual([changed.version, changed.isEnabled, [...(changed.secretSealed ?? [])]], [2, false, [1, 2]])
  assert.equal((await catalog.channels.replace(id, { ...values, secretSealed: null }, 2)).secretSealed, undefined)
  await catalog.deliveries.add([{ channelId: id, event: 'alert.raised', payload: { n: 1 } }])
  const [first] = await catalog.deliveries.due(9)
  await catalog.deliveries.failed(first?.id ?? '', 'refused', clock.nowMs() + 1000)
  assert.deepEqual(await catalog.deliveries.due(9), [])
  assert.equal(await catalog.deliveries.nextDueMs(), clock.nowMs() + 1000)
  clock.advance(1000)
  await catalog.deliveries.failed(first?.id ?? '', 'refused')
  const [last] = await catalog.deliveries.latest(id, 9)
  assert.deepEqual([last?.state, last?.attempts, last?.lastError], ['failed', 2, 'refused'])
})

test('a bucket fills with time, not when the clock goes back', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const policy = { capacity: 2, refillMs: 1000 }
  const take = () => catalog.limits.take('x', policy)
  assert.deepEqual([await take(), await take(), await take()], [0, 0, 1000])
  clock.advance(-DAY_MS)
  assert.equal(await take(), 1000)
  clock.advance(1500)
  assert.deepEqual([await take(), await take()], [0, 500])
})

test('a cursor of another list is refused', async (t) => {
  const { catalog } = await aCatalog(t)
  const foreign = Buffer.from('["a",1]').toString('base64url')
  for (const cursor of ['x', '', foreign, Buffer.from('[1]').toString('base64url')]) {
    await assert.rejects(catalog.jobs.list({ limit: 1, cursor }), isCode('CATALOG_CURSOR_INVALID'))
  }
})

test('canonical JSON does not depend on the order of keys', () => {
  assert.equal(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true, none: undefined }), '{"a":true,"b":[1,{"c":"x","d":null}]}')
})
