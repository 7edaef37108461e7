/** Alerts of §5.4 by what causes them, through a whole server with a real agent and a real pool: raised where their cause is, and over when that is. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tellFindings } from '../jobs/backup-alerts.ts'
import { aControl, type TestControl } from '../jobs/control.fixture.ts'

interface Told {
  readonly code: string
  readonly domainCode?: number
  readonly severity: string
  readonly state: string
  readonly message: string
  readonly hint: string
  readonly times: number
}

async function alertsOf(control: TestControl, state: 'open' | 'inactive' | 'all' = 'open'): Promise<Told[]> {
  return (await control.ask('GET', `/alerts?state=${state}&limit=200`)).items
}

async function hasAlert(control: TestControl, number: number, state: 'open' | 'inactive' = 'open'): Promise<Told | undefined> {
  return (await alertsOf(control, state)).find(({ domainCode }) => domainCode === number)
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('§5.4: alerts are raised by their causes and resolved by the end of these', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = join(control.root, 'data')
  mkdirSync(folder)
  for (let n = 0; n < 5; n++) writeFileSync(join(folder, `f${n}`), `content ${n}`)
  const shortTerm = {
    retentionDays: 5,
    synchronisation: { kind: 'every', minutes: 1440 },
    recoveryPoints: { kind: 'weekly', times: ['12:00'] },
  }
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }], shortTerm })
  const [source] = (await control.ask('GET', '/sources')).items
  const stateIs = (state: string) =>
    control.until(`the replica is ${state}`, async () => (await control.ask('GET', `/sources/${source.id}`)).state === state)
  const isOpen = (number: number) => control.until(`${number} is raised`, () => hasAlert(control, number))
  const isOver = (number: number) =>
    control.until(`${number} is over`, async () => !(await hasAlert(control, number)) && (await hasAlert(control, number, 'inactive')))
  const point = async () => await control.ended((await control.ask('POST', `/sources/${source.id}/recovery-points`, {})).id)
  await stateIs('ok')

  await t.test('3105: the first copy is told while it is made', async () => {
    assert.equal((await isOver(3105)).severity, 'informational')
  })

  await t.test(
    '3106, 3104, 3109, 3112, §3.6, §10.7: a recovery to the original location makes the replica inconsistent, and a check that is explained mends it',
    async () => {
      const made = await point()
      writeFileSync(join(folder, 'f1'), 'changed since')
      const begun = await control.ask('POST', `/recovery-points/${made.pointId}/restore`, { target: base64('/'), overwrite: 'always' })
      assert.equal((await control.ended(begun.jobId)).state, 'completed')
      await control.until(
        'the check is there',
        async () => (await control.ask('GET', `/jobs?source=${source.id}&type=consistency-check`)).items[0],
      )
      const [check] = (await control.ask('GET', `/jobs?source=${source.id}&type=Validation`)).items
      const done = await control.ended(check.id)
      assert.equal(done.state, 'completed')
      const { cause, causeCode, depth, compared, before, after } = done.result.check
      assert.deepEqual([causeCode, depth, before, after], ['restored-to-original', 'light', made.pointId, done.pointId])
      assert.match(cause, /original location/)
      assert.ok(compared >= 1)
      await stateIs('ok')
      const inconsistent = await isOver(3106)
      assert.equal(inconsistent.severity, 'critical')
      assert.match(inconsistent.message, /original location/)
      await isOver(3104)
      await isOver(3109)
      assert.equal((await isOpen(3112)).severity, 'informational')
    },
  )

  await t.test('3.6 heavy: a check that reads every byte says so', async () => {
    const asked = await control.ask('POST', `/sources/${source.id}/check`, { isHeavy: true })
    const done = await control.ended(asked.id)
    assert.deepEqual([done.state, done.result.check.depth, done.result.check.wasConsistent], ['completed', 'heavy', true])
    assert.equal(await hasAlert(control, 3106), undefined, 'a check of a sound replica is no alarm')
  })

  await t.test('3125, 33505: items that a backup left out are told with examples, until a backup without any', async () => {
    const { context } = control.server.running()
    const { alerts } = control.control()
    const request = { type: 'recovery-point', sourceId: source.id, createdBy: 'test', dueMs: Number.MAX_SAFE_INTEGER } as const
    const { id } = await context.catalog.jobs.create(request)
    await context.catalog.jobs.claim(id, { epoch: 999, leaseMs: 60_000 })
    await context.catalog.jobLog.write(id, [
      { level: 'warning', code: 'SOURCE_UNREADABLE', message: 'EIO', item: '/data/f1' },
      { level: 'warning', code: 'SNAPSHOT_FAILED', message: 'no room for a snapshot' },
    ])
    const ended = await context.catalog.jobs.finish(id, 999, { state: 'completed-with-warnings', warnings: 2 })
    await tellFindings(context, alerts, await context.catalog.sources.get(source.id), ended)
    assert.match((await isOpen(3125)).message, /SOURCE_UNREADABLE \(1\)/)
    assert.equal((await isOpen(33_505)).severity, 'warning')
    await point()
    await isOver(3125)
    await isOver(33_505)
  })

  await t.test('3155, 3114: a source that is gone is told, and comes back', async () => {
    renameSync(folder, `${folder}.away`)
    const failed = await point()
    assert.deepEqual([failed.state, failed.error.code], ['failed', 'SOURCE_NOT_FOUND'])
    assert.equal((await isOpen(3114)).severity, 'critical')
    await isOpen(3155)
    renameSync(`${folder}.away`, folder)
    assert.equal((await point()).state, 'completed')
    await isOver(3114)
    await isOver(3155)
  })

  await t.test('33518, 3101, §10.7: a volume that is gone makes its replicas missing; when it is back, a check proves them', async () => {
    const pool = join(control.root, 'pool')
    renameSync(pool, `${pool}.away`)
    await control.pass(11 * 60_000)
    await stateIs('missing')
    assert.equal((await isOpen(33_518)).severity, 'critical')
    assert.equal((await isOpen(3101)).severity, 'critical')
    renameSync(`${pool}.away`, pool)
    await control.pass(11 * 60_000)
    await stateIs('ok')
    await isOver(33_518)
    await isOver(3101)
  })

  await t.test('3122, 3170: an agent that is not heard of, and a job that can not begin', async () => {
    await control.admin.signIn()
    await agent.stop()
    await control.pass(2 * 60_000)
    const asked = await control.ask('POST', `/sources/${source.id}/recovery-points`, {})
    await control.pass(75 * 60_000)
    await control.admin.signIn()
    assert.equal((await isOpen(3122)).severity, 'critical')
    assert.match((await isOpen(3170)).message, /agent is not connected/)
    const status = await control.ask('GET', '/status')
    assert.equal(status.isGreen, false)
    assert.match(status.sources[0].reasons.join(), /nothing was heard of the agent/)
    agent.start()
    assert.equal((await control.ended(asked.id)).state, 'completed')
    await isOver(3122)
    await isOver(3170)
  })

  await t.test('3154, auto-discovery: what is new on a machine and unprotected', async () => {
    const discover = async () => await control.ended((await control.control().engine.create({ type: 'discovery', createdBy: 'server' })).id)
    const first = await discover()
    assert.ok(first.result.found > 0)
    assert.equal(await hasAlert(control, 3154), undefined, 'what was there from the start is nothing new')
    control.alsoThere.push({ workload: 'files', name: '/new-disk', path: Buffer.from('/new-disk'), sizeBytes: 1, detail: {} })
    assert.equal((await discover()).result.fresh, 1)
    assert.match((await isOpen(3154)).message, /\/new-disk/)
    control.alsoThere.length = 0
    await discover()
    await isOver(3154)
  })

  await t.test(
    '3610, §10.11: who inactivates "inconsistent" says that the replica is OK; the same condition again is a new alert',
    async () => {
      const { catalog } = control.server.running().context
      const { id } = await catalog.sources.get(source.id)
      const spoil = async () => {
        await catalog.sources.setState(id, 'inconsistent', { cause: { code: 'disk-error', message: 'a disk failed' } })
        await control.pass(11 * 60_000)
        return (await control.ask('GET', '/alerts')).items.find(({ domainCode }: Told) => domainCode === 3106)
      }
      const first = await spoil()
      await control.ask('POST', `/alerts/${first.id}/put-away`)
      await stateIs('ok')
      const second = await spoil()
      assert.notEqual(second.id, first.id)
      await control.ended((await control.ask('POST', `/sources/${source.id}/check`, {})).id)
      await stateIs('ok')
    },
  )

  await t.test('§5.4: after all of it, only news is left', async () => {
    await control.until('all is well', async () => (await alertsOf(control)).every(({ severity }) => severity === 'informational'))
    assert.ok((await alertsOf(control, 'all')).every(({ hint }) => hint.length > 0))
  })
})
