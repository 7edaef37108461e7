/** Words that get lost between an agent, its server and its pool, with all three real: nothing is made twice, and nothing hangs. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aControl, type TestControl } from './control.fixture.ts'

function aFolder(control: TestControl, name: string): string {
  const folder = join(control.root, name)
  mkdirSync(folder, { recursive: true })
  for (let n = 0; n < 20; n++) writeFileSync(join(folder, `f${n}`), `${name} ${n} `.repeat(500))
  return folder
}

/** The server takes in nothing that agents tell of the end of a job, as one that is killed at that moment. */
function loseEnds(control: TestControl): void {
  const { engine } = control.control()
  const events = engine.events.bind(engine)
  engine.events = async (agentId, jobId, first, told) => {
    if (told.some(({ type }) => type === 'finished' || type === 'failed')) throw new Error('cut off')
    return await events(agentId, jobId, first, told)
  }
}

test('§10.10: a commit whose answer is lost with the server and the agent makes one recovery point, not two', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')
  loseEnds(control)
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await control.ask('GET', '/sources')).items
  const [first] = (await control.ask('GET', `/jobs?source=${source.id}`)).items
  const points = async () => (await control.ask('GET', `/recovery-points?source=${source.id}`)).items
  await control.until('the point is committed', async () => (await points()).length === 1)
  assert.equal((await control.ask('GET', `/jobs/${first.id}`)).state, 'in-progress')
  await agent.stop()
  await control.server.restart()
  await control.admin.signIn()
  agent.start()
  const done = await control.ended(first.id)
  assert.equal(done.state, 'completed', JSON.stringify(done))
  assert.deepEqual(
    (await points()).map(({ id, kind }: { id: string; kind: string }) => [id, kind]),
    [[done.pointId, 'full']],
  )
  assert.equal(done.pointId, first.id, 'the recovery point of a job has its id')
  assert.equal((await control.ask('GET', `/sources/${source.id}`)).state, 'ok')

  await t.test('§5.2: a recovery that runs when the server is killed goes on, and needs no second grant', async () => {
    const other = await control.agent('srv2')
    await control.admin.stepUp()
    const { grant } = await control.ask('POST', `/recovery-points/${done.pointId}/grants`, { agentId: other.id })
    // The grant outlives the server, and so does the job that was started by it.
    await control.server.restart()
    await control.admin.signIn()
    await other.stop()
    const target = join(control.root, 'target')
    const started = await control.ask('POST', `/recovery-points/${done.pointId}/restore`, {
      grant,
      target: Buffer.from(target).toString('base64'),
    })
    await control.server.restart()
    await control.admin.signIn()
    other.start()
    const restored = await control.ended(started.jobId)
    assert.equal(restored.state, 'completed', JSON.stringify(restored))
    assert.equal(readFileSync(join(target, folder, 'f7'), 'utf8'), readFileSync(join(folder, 'f7'), 'utf8'))
    const again = control.ask('POST', `/recovery-points/${done.pointId}/restore`, { grant, target: Buffer.from(target).toString('base64') })
    await assert.rejects(again, /RECOVERY_GRANT_INVALID/)
  })
})

test('§10.10: a job that was to end when the server ended is cancelled with the next, and its data source is free again', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = aFolder(control, 'data')
  loseEnds(control)
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }] })
  const [source] = (await control.ask('GET', '/sources')).items
  const [first] = (await control.ask('GET', `/jobs?source=${source.id}`)).items
  await control.until('the point is committed', async () => {
    return (await control.ask('GET', `/recovery-points?source=${source.id}`)).items.length === 1
  })
  await agent.stop()
  await control.ask('POST', `/jobs/${first.id}/cancel`)
  assert.equal((await control.ask('GET', `/jobs/${first.id}`)).state, 'in-progress')
  await control.server.restart()
  await control.admin.signIn()
  assert.equal((await control.ended(first.id)).state, 'cancelled')
  agent.start()
  const next = await control.ask('POST', `/sources/${source.id}/check`, {})
  assert.equal((await control.ended(next.id)).state, 'completed')
})
