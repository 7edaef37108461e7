/** End to end in one process: real agents over real TLS, real pools, the API as people use it. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aControl, type TestControl } from './control.fixture.ts'

function aFolder(control: TestControl, name: string): string {
  const folder = join(control.root, name)
  mkdirSync(join(folder, 'deep'), { recursive: true })
  for (let n = 0; n < 20; n++) writeFileSync(join(folder, 'deep', `f${n}`), `${name} ${n} `.repeat(500))
  return folder
}

test('an agent is enrolled, protected by a group, backed up, and its files restored', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')

  const { group, warnings } = await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  assert.deepEqual(warnings, [])
  const [source] = (await control.ask('GET', '/sources')).items
  assert.equal(source.groupName, 'Servers')
  const [first] = (await control.ask('GET', `/jobs?source=${source.id}`)).items
  assert.equal(first.type, 'replica-creation')
  const done = await control.ended(first.id)
  assert.equal(done.state, 'completed', JSON.stringify(done))
  assert.ok(done.steps.length > 0)
  assert.equal((await control.ask('GET', `/sources/${source.id}`)).state, 'ok')

  const points = (await control.ask('GET', `/recovery-points?source=${source.id}`)).items
  assert.deepEqual(
    points.map((point: { id: string; kind: string }) => [point.id, point.kind]),
    [[done.pointId, 'full']],
  )

  // On demand, after a change.
  writeFileSync(join(folder, 'new'), 'new')
  const asked = await control.ask('POST', `/sources/${source.id}/recovery-points`, {})
  const second = await control.ended(asked.id)
  assert.deepEqual([second.state, second.result.filesNew], ['completed', 1])

  const restore = await control.control().engine.create({
    type: 'recovery',
    sourceId: source.id,
    groupId: group.id,
    agentId: agent.id,
    pointId: second.pointId,
    createdBy: control.admin.id,
    parameters: { target: Buffer.from(join(control.root, 'target')).toString('base64'), overwrite: 'never', dryRun: false },
  })
  const restored = await control.ended(restore.id)
  assert.equal(restored.state, 'completed', JSON.stringify(restored))
  assert.equal(readFileSync(join(control.root, 'target', folder, 'new'), 'utf8'), 'new')
})

test('the server is restarted while a job waits for its agent, which was cut off: it runs when both are back', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await control.ask('GET', '/sources')).items
  await control.until('the first copy', async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok')

  await agent.stop()
  writeFileSync(join(folder, 'later'), 'later')
  const asked = await control.ask('POST', `/sources/${source.id}/recovery-points`, {})
  await control.server.restart()
  await control.admin.signIn()
  assert.equal((await control.ask('GET', `/jobs/${asked.id}`)).waitsFor, 'agent')

  // Nothing was heard of the agent since the start: told, and over when it is back.
  await control.pass(10 * 60_000)
  await control.until('the agent is told to be unreachable', async () => (await openAlerts(control)).includes('agent-unreachable'))
  agent.start()
  const done = await control.ended(asked.id)
  assert.deepEqual([done.state, done.result.filesNew], ['completed', 1])
  await control.until('the alert is over', async () => !(await openAlerts(control)).includes('agent-unreachable'))
})

test('a server that is killed while an agent works takes the job up again', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await control.ask('GET', '/sources')).items
  const [first] = (await control.ask('GET', `/jobs?source=${source.id}`)).items
  await control.until('it runs', async () => (await control.ask('GET', `/jobs/${first.id}`)).state !== 'queued')
  await control.server.restart()
  await control.admin.signIn()
  const done = await control.ended(first.id)
  assert.equal(done.state, 'completed', JSON.stringify(done))
  assert.equal((await control.ask('GET', `/recovery-points?source=${source.id}`)).items.length, 1)
})

test('days of schedules: points are made, given up by retention, and gone for good after the cool-off', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')
  const { catalog } = control.server.running().context
  await catalog.settings.put('deletion', { coolOffDays: 1 }, { by: 'test' })
  await catalog.settings.put('protection', { spreadSeconds: 0 }, { by: 'test' })
  const recoveryPoints = { kind: 'weekly', times: ['12:00'] }
  await control.ask('POST', '/groups', {
    name: 'Servers',
    members: [{ agentId: agent.id, path: folder }],
    shortTerm: { retentionDays: 2, synchronisation: { kind: 'every', minutes: 1440 }, recoveryPoints },
  })
  const [source] = (await control.ask('GET', '/sources')).items
  await control.until('the first copy', async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok')

  for (let day = 0; day < 7; day++) {
    writeFileSync(join(folder, `day${day}`), `day ${day}`.repeat(1000))
    await control.pass(12 * 3_600_000)
    await idle(control)
    await control.pass(12 * 3_600_000)
    await idle(control)
  }
  const points = await catalog.points.list({ limit: 500 }, { sourceId: source.id })
  const states = Map.groupBy(points.items, ({ state }) => state)
  const scheduled = points.items.filter(({ kind }) => kind === 'scheduled')
  assert.ok(scheduled.length >= 6, `${scheduled.length} scheduled points`)
  assert.ok((states.get('pruned')?.length ?? 0) > 0, JSON.stringify([...states].map(([state, list]) => [state, list.length])))
  // What the catalog says is there is what the pool holds.
  const { facts } = await control.keeper().facts(control.server.op, control.poolId)
  const there = facts.points.map(({ id }) => id).sort()
  const known = points.items
    .filter(({ state }) => state !== 'pruned')
    .map(({ id }) => id)
    .sort()
  assert.deepEqual(there, known)
  await control.admin.signIn()
  const why = await control.ask('GET', `/recovery-points/${scheduled[0]?.id}/why`)
  assert.equal(why.verdict, 'kept')
  assert.deepEqual(await openAlerts(control), [])
})

async function openAlerts(control: TestControl): Promise<string[]> {
  return (await control.server.running().context.catalog.alerts.open())
    .filter(({ severity }) => severity !== 'informational')
    .map(({ code }) => code)
}

/** Until no job runs or is due. */
async function idle(control: TestControl): Promise<void> {
  const { catalog } = control.server.running().context
  await control.until('all jobs are done', async () => {
    const waiting = await catalog.jobs.list({ limit: 10 }, { states: ['queued', 'in-progress'] })
    return waiting.items.length === 0
  })
}
