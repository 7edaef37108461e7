/** Rules of jobs (§5.1, §5.2, §10.10) and of recoveries (§4.1) through the server, with a real agent and a real pool. */
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import type { JobType } from '../../protection/index.ts'
import { aControl } from './control.fixture.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('§5: jobs and recoveries', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = join(control.root, 'data')
  mkdirSync(folder)
  for (let n = 0; n < 30; n++) writeFileSync(join(folder, `f${n}`), `content ${n} `.repeat(100), { mode: 0o640 })
  const shortTerm = {
    retentionDays: 5,
    synchronisation: { kind: 'every', minutes: 1440 },
    recoveryPoints: { kind: 'weekly', times: ['12:00'] },
  }
  await control.ask('POST', '/groups', { name: 'Servers', members: [{ agentId: agent.id, path: folder }], shortTerm })
  const [source] = (await control.ask('GET', '/sources')).items
  await control.until('the first copy', async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok')
  const [first] = (await control.ask('GET', `/recovery-points?source=${source.id}`)).items
  const { catalog } = control.server.running().context
  const send = (method: string, path: string, body?: unknown) =>
    control.admin.send(`/api/v1${path}`, { method, ...(body !== undefined && { body }) })

  const holders: readonly (readonly [number, JobType])[] = [
    [95, 'synchronisation'],
    [96, 'replica-creation'],
    [97, 'consistency-check'],
    [98, 'recovery'],
    [99, 'stop-protection'],
    [100, 'recovery-point'],
    [101, 'delete-replica'],
  ]
  for (const [number, type] of holders) {
    await t.test(`${number}: while a job of type ${type} holds the replica, nothing else is begun on it`, async () => {
      const lock = `source:${source.id}`
      const holder = await catalog.jobs.create({ type, sourceId: source.id, lock, createdBy: 'test', dueMs: Date.UTC(2100, 0) })
      assert.ok(await catalog.jobs.claim(holder.id, { epoch: 999, leaseMs: 60_000 }))
      for (const path of ['check', 'recovery-points']) {
        const got = await send('POST', `/sources/${source.id}/${path}`, {})
        assert.equal(got.json.context?.domain_code, number, got.text)
      }
      // One that waits already has to wait on: the database holds the lock.
      const second = await catalog.jobs.create({
        type: 'synchronisation',
        sourceId: source.id,
        lock,
        createdBy: 'test',
        dueMs: Date.UTC(2100, 0),
      })
      assert.equal(await catalog.jobs.claim(second.id, { epoch: 999, leaseMs: 60_000 }), undefined)
      await catalog.jobs.cancel(second.id, 'test')
      await catalog.jobs.finish(holder.id, 999, { state: 'completed' })
    })
  }

  await t.test('§5.2: jobs are found by state, type and its other name, person or schedule, size and time', async () => {
    const ids = async (query: string) =>
      (await control.ask('GET', `/jobs?source=${source.id}&${query}`)).items.map(({ type }: { type: string }) => type)
    // The other one is of the test before.
    assert.deepEqual(await ids('type=InitialReplication'), ['replica-creation', 'replica-creation'])
    const creation = (await control.ask('GET', `/jobs?source=${source.id}&type=InitialReplication`)).items.at(-1)
    assert.ok(creation.bytesTransferred > 0, JSON.stringify(creation))
    assert.deepEqual(await ids('type=InitialReplication&minBytes=1'), ['replica-creation'])
    assert.deepEqual(await ids('type=replica-creation&isAdHoc=true'), [])
    assert.deepEqual(await ids('type=replica-creation&minElapsedSeconds=100000'), [])
    assert.deepEqual(await ids('state=failed'), [])
    assert.equal((await send('GET', '/jobs?type=unheard-of')).json.code, 'API_REQUEST_INVALID')
  })

  await t.test('§5.2: filters are saved by name, each person their own', async () => {
    const saved = { list: 'jobs', query: { state: 'failed', type: 'recovery' } }
    await control.ask('PUT', '/saved-filters/Failed%20recoveries', saved)
    assert.deepEqual((await control.ask('GET', '/saved-filters')).items, [{ name: 'Failed recoveries', ...saved }])
    const bob = await control.server.person('bob', ['reader'])
    assert.deepEqual((await bob.send('/api/v1/saved-filters')).json.items, [])
    assert.equal((await send('PUT', '/saved-filters/x', { list: 'jobs', query: { nothing: 1 } })).json.code, 'API_REQUEST_INVALID')
    assert.equal((await send('DELETE', '/saved-filters/Failed%20recoveries')).status, 204)
    assert.equal((await send('DELETE', '/saved-filters/Failed%20recoveries')).json.code, 'FILTER_UNKNOWN')
  })

  await t.test('§10.10: one that waits is cancelled at once, and started again as another job', async () => {
    await agent.stop()
    // Until it counts as away.
    await control.pass(2 * 60_000)
    const asked = await control.ask('POST', `/sources/${source.id}/recovery-points`, {})
    assert.equal((await control.ask('POST', `/jobs/${asked.id}/cancel`)).state, 'cancelled')
    assert.equal((await send('POST', `/jobs/${asked.id}/cancel`)).json.code, 'CATALOG_STATE_CONFLICT')
    const again = await control.ask('POST', `/jobs/${asked.id}/retry`)
    assert.equal(again.retryOf, asked.id)
    agent.start()
    assert.equal((await control.ended(again.id)).state, 'completed')
    assert.equal((await send('POST', `/jobs/${again.id}/retry`)).json.code, 'JOB_NOT_RETRYABLE')
  })

  await t.test('§4.1: existing version: create a copy, skip, overwrite', async () => {
    const target = join(control.root, 'versions')
    const restore = async (overwrite: string) => {
      const { jobId } = await control.ask('POST', `/recovery-points/${first.id}/restore`, {
        target: base64(target),
        overwrite,
        paths: [base64(join(folder, 'f3'))],
      })
      return await control.ended(jobId)
    }
    const there = join(target, folder)
    assert.equal((await restore('never')).state, 'completed')
    writeFileSync(join(there, 'f3'), 'mine')
    assert.equal((await restore('never')).result.filesSkipped, 1)
    assert.equal(readFileSync(join(there, 'f3'), 'utf8'), 'mine')
    await restore('copy')
    assert.equal(readFileSync(join(there, 'f3'), 'utf8'), 'mine')
    assert.equal(readdirSync(there).length, 2)
    await restore('always')
    assert.equal(readFileSync(join(there, 'f3'), 'utf8'), readFileSync(join(folder, 'f3'), 'utf8'))
  })

  await t.test('§4.1: security of the recovery point, or of the destination', async () => {
    const target = join(control.root, 'security')
    mkdirSync(target, { mode: 0o750 })
    const restore = async (security: string, below: string) => {
      const to = join(target, below)
      mkdirSync(to, { mode: 0o750 })
      const { jobId } = await control.ask('POST', `/recovery-points/${first.id}/restore`, {
        target: base64(to),
        security,
        paths: [base64(join(folder, 'f3'))],
      })
      assert.equal((await control.ended(jobId)).state, 'completed')
      return statSync(join(to, folder, 'f3')).mode & 0o777
    }
    assert.equal(await restore('recovery-point', 'a'), 0o640)
    assert.equal(await restore('destination', 'b'), 0o640 & 0o750)
    assert.equal(statSync(join(target, 'b', folder)).mode & 0o777, 0o750)
  })

  await t.test('§4.1: a dry run and a plan say what a recovery comes to, and change nothing', async () => {
    const target = join(control.root, 'dry')
    const plan = await control.ask('POST', `/recovery-points/${first.id}/plan`, {})
    assert.equal(plan.files, 30)
    const { jobId } = await control.ask('POST', `/recovery-points/${first.id}/restore`, { target: base64(target), dryRun: true })
    const done = await control.ended(jobId)
    assert.deepEqual([done.state, done.result.filesRestored], ['completed', 30])
    assert.throws(() => statSync(target))
  })

  await t.test('250: what is due on the machine within ten minutes gives way to a recovery, and is told before', async () => {
    const request = {
      type: 'synchronisation',
      sourceId: source.id,
      agentId: agent.id,
      createdBy: 'schedule',
      dueMs: control.server.clock.nowMs() + 5 * 60_000,
    } as const
    const due = await control.control().engine.create(request)
    const later = await control.control().engine.create({ ...request, dueMs: control.server.clock.nowMs() + 11 * 60_000 })
    const plan = await control.ask('POST', `/recovery-points/${first.id}/plan`, {})
    assert.deepEqual(
      plan.cancels.map(({ jobId }: { jobId: string }) => jobId),
      [due.id],
    )
    const begun = await control.ask('POST', `/recovery-points/${first.id}/restore`, { target: base64(join(control.root, 'due')) })
    assert.deepEqual(
      begun.cancelled.map(({ jobId }: { jobId: string }) => jobId),
      [due.id],
    )
    assert.equal((await control.ask('GET', `/jobs/${due.id}`)).state, 'cancelled')
    assert.equal((await control.ask('GET', `/jobs/${later.id}`)).state, 'scheduled')
    await control.ask('POST', `/jobs/${later.id}/cancel`)
    await control.ended(begun.jobId)
  })

  await t.test('219, 218, §4.1: who asked for it is told by mail how a recovery ended; mail has to be set up before', async () => {
    const wish = { target: base64(join(control.root, 'mail')), notify: ['one@example.org', 'two@example.org'] }
    const refused = await send('POST', `/recovery-points/${first.id}/restore`, wish)
    assert.deepEqual([refused.json.code, refused.json.context.domain_code], ['CHANNEL_NO_MAIL', 219])
    const letters: { to: string[]; text: string }[] = []
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData(stream, session, done) {
        const parts: Buffer[] = []
        stream.on('data', (part: Buffer) => parts.push(part))
        stream.on('end', () => {
          letters.push({ to: session.envelope.rcptTo.map(({ address }) => address), text: Buffer.concat(parts).toString('utf8') })
          done()
        })
      },
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.server.address() as AddressInfo
    const options = { host: '127.0.0.1', port, security: 'none', from: 'terp@example.org', to: ['admin@example.org'] }
    assert.equal(
      (await send('POST', '/channels', { kind: 'smtp', name: 'mail', options: { ...options, to: [] } })).json.code,
      'API_REQUEST_INVALID',
      '218',
    )
    await control.ask('POST', '/channels', { kind: 'smtp', name: 'mail', options, severities: ['critical'] })
    await control.ended((await control.ask('POST', `/recovery-points/${first.id}/restore`, wish)).jobId)
    await control.until('the mail is there', async () => letters.some(({ to }) => to.length === 2))
    const letter = letters.find(({ to }) => to.length === 2)
    assert.deepEqual(letter?.to, wish.notify)
    assert.match(letter?.text ?? '', /recovery succeeded/i)

    // A storm of alerts is a few letters, not one each.
    const { alerts } = control.control()
    const before = letters.length
    for (let n = 0; n < 40; n++) await alerts.raise('agent-unreachable', { id: `${n}`.padStart(32, '0'), name: `srv${n}`, message: 'gone' })
    await control.pass(3 * 60_000)
    await control.until('all of them were told', async () => letters.slice(before).some(({ text }) => /alerts/.test(text)))
    assert.ok(letters.length - before <= 5, `${letters.length - before} letters`)
    await new Promise<void>((resolve) => server.close(resolve))
  })

  await t.test('complaint 21: a test restore proves a point, and says when it was verified', async () => {
    assert.equal((await control.ask('GET', `/sources/${source.id}`)).lastVerified, undefined)
    const done = await control.ended((await control.ask('POST', `/recovery-points/${first.id}/test-restore`)).id)
    assert.deepEqual([done.state, done.result.files, done.result.failed, done.result.isGood], ['completed', 30, 0, true])
    assert.ok((await control.ask('GET', `/sources/${source.id}`)).lastVerified)
    const status = await control.ask('GET', '/status')
    assert.ok(status.sources[0].lastVerified)
    // Each week by itself, of those that had none.
    await control.ask('POST', `/sources/${source.id}/test-restore`)
    const nightly = async () => (await control.ask('GET', `/jobs?source=${source.id}&type=test-restore&isAdHoc=false`)).items.length
    assert.equal(await nightly(), 0)
  })

  await t.test('§3.6 of deletion: a point that a recovery waits for does not go', async () => {
    await agent.stop()
    // Until it counts as away.
    await control.pass(2 * 60_000)
    const { jobId } = await control.ask('POST', `/recovery-points/${first.id}/restore`, { target: base64(join(control.root, 'waits')) })
    await catalog.deletions.plan([
      { sourceId: source.id, pointId: first.id, poolId: control.poolId, reason: 'protection-stopped', dueMs: 0 },
    ])
    const done = await control.ended(
      (await control.control().engine.create({ type: 'expire-points', poolId: control.poolId, createdBy: 'test' })).id,
    )
    assert.deepEqual([done.result.points, done.result.kept], [0, 1])
    agent.start()
    assert.equal((await control.ended(jobId)).state, 'completed')
    const after = await control.ended(
      (await control.control().engine.create({ type: 'expire-points', poolId: control.poolId, createdBy: 'test' })).id,
    )
    assert.equal(after.result.points, 1)
  })

  await t.test('a test restore that meets damage says of which files, and the point counts as damaged', async () => {
    const made = await control.ended((await control.ask('POST', `/sources/${source.id}/recovery-points`, {})).id)
    const packs = join(control.root, 'pool', 'packs')
    for (const name of readdirSync(packs, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.pack'))) {
      const path = join(packs, name)
      const bytes = readFileSync(path)
      // Data, not trees: those of files that are small lie in the same packs, so the whole of the middle.
      const fd = openSync(path, 'r+')
      writeSync(fd, Buffer.alloc(64, 7), 0, 64, Math.floor(bytes.length / 3))
      closeSync(fd)
    }
    const done = await control.ended((await control.ask('POST', `/recovery-points/${made.pointId}/test-restore`)).id)
    assert.ok(['completed-with-warnings', 'failed'].includes(done.state), JSON.stringify(done))
  })
})
