/** The agent against a real port over TLS: what happens when the server goes away, comes back, cancels, or is not the one that was enrolled with. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AgentServer, aBackup, anAgentServer } from '../../test/support/agent-server.ts'
import { aLine } from '../../test/support/delay-proxy.ts'
import { noise, writeFiles } from '../../test/support/pool.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { hasCode } from '../base/errors.ts'
import { startOperation, type Warning } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { serverError } from '../server/errors.ts'
import { type AgentState, runAgent } from './agent.ts'
import { timestampOf } from './answers.ts'
import { enroll } from './enroll.ts'
import { type AgentIdentity, readIdentity } from './identity.ts'
import { describeAgent, startAgent } from './program.ts'

const DISK = systemDisk()

interface Running {
  readonly identity: AgentIdentity
  readonly folder: string
  readonly states: AgentState[]
  readonly warnings: Warning[]
  readonly ended: Promise<unknown>
  stop(): Promise<unknown>
}

async function enrolled(t: TestContext, server: AgentServer): Promise<{ identity: AgentIdentity; folder: string }> {
  const folder = join(temporaryFolder(t), 'agent')
  const token = server.tokenText(server.token())
  const identity = await enroll(server.op, { disk: DISK, folder, token, name: 'a1', version: 'v', replace: false })
  return { identity, folder }
}

/** It runs until the test ends, at the latest. Waits are a twentieth of what they are, unless said otherwise. */
function run(t: TestContext, { identity, folder }: { identity: AgentIdentity; folder: string }, times = 20): Running {
  const states: AgentState[] = []
  const warnings: Warning[] = []
  const over = new AbortController()
  const op = startOperation({ signal: over.signal, onWarning: (warning) => warnings.push(warning) })
  const clock = { ...op.clock, sleep: (ms: number, signal?: AbortSignal) => op.clock.sleep(ms / times, signal) }
  const ended = runAgent({ ...op, clock }, { identity, folder, version: 'v', onState: (state) => states.push(state) }).catch(
    (error: unknown) => error,
  )
  const stop = () => {
    over.abort()
    return ended
  }
  t.after(stop)
  return { identity, folder, states, warnings, ended, stop }
}

function aFolder(t: TestContext, files: number, bytes = 20_000): string {
  const folder = temporaryFolder(t)
  writeFiles(folder, Object.fromEntries(Array.from({ length: files }, (_, n) => [`f${n}`, noise(`f${n}`, bytes)])))
  return folder
}

test('its identity is a file that nobody else may read, and damage in it is told without its content', async (t) => {
  const server = await anAgentServer(t)
  const { identity, folder } = await enrolled(t, server)
  const path = join(folder, 'identity.json')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(await readIdentity(DISK, folder), identity)
  const token = server.tokenText(server.token())
  const again = { disk: DISK, folder, token, name: 'a1', version: 'v' }
  await assert.rejects(enroll(server.op, { ...again, replace: false }), (error) => hasCode(error, 'AGENT_ENROLLED_ALREADY'))
  const other = await enroll(server.op, { ...again, replace: true })
  assert.notEqual(other.agentId, identity.agentId)
  for (const damaged of ['', '{', readFileSync(path, 'utf8').replace('"version": 1', '"version": 2')]) {
    writeFileSync(path, damaged)
    await assert.rejects(readIdentity(DISK, folder), (error) => hasCode(error, 'AGENT_IDENTITY_DAMAGED') && !error.message.includes('KEY'))
  }
})

test('a token of another server is not shown to this one, and what is no token is told', async (t) => {
  const [server, other] = [await anAgentServer(t), await anAgentServer(t)]
  const folder = join(temporaryFolder(t), 'agent')
  const settings = { disk: DISK, folder, name: 'a1', version: 'v', replace: false }
  const token = other.token()
  await assert.rejects(enroll(server.op, { ...settings, token: other.tokenText(token), url: server.url }), (error) =>
    hasCode(error, 'SERVER_KEY_WRONG'),
  )
  assert.equal(other.desk.tokens.has(token), true)
  await assert.rejects(enroll(server.op, { ...settings, token: 'terp1.nonsense' }), (error) => hasCode(error, 'AGENT_TOKEN_UNREADABLE'))
  assert.equal(await readIdentity(DISK, folder), undefined)
})

test('a backup, one more, and a restore', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  const source = aFolder(t, 20)
  const first = server.desk.begin(agent.identity.agentId, aBackup(source))
  assert.equal((await server.desk.last(first)).type, 'finished')
  const second = server.desk.begin(agent.identity.agentId, aBackup(source))
  const ended = await server.desk.last(second)
  assert.equal(ended.type === 'finished' && ended.report.dataAdded, 0)
  assert.ok(second.point)
  const target = temporaryFolder(t)
  const restore = server.desk.begin(agent.identity.agentId, {
    kind: 'restore',
    target: Buffer.from(target).toString('base64'),
    overwrite: 'never',
    dryRun: false,
    point: second.point,
  })
  assert.equal((await server.desk.last(restore)).type, 'finished')
  assert.ok(readFileSync(join(target, source, 'f7')).equals(noise('f7', 20_000)))
})

test('events are numbered without gaps, and those whose answer was lost come again', async (t) => {
  const server = await anAgentServer(t)
  let lost = 0
  server.desk.onEvents = (job, first, events) => {
    if (lost++ % 2 === 1) return
    job.events.push(...events.slice(Math.max(0, job.events.length - first)))
    if (lost % 4 === 1) throw new Error('a fault of the server that passes')
    throw serverError('SERVER_STOPPING', 'in place of the answer')
  }
  const agent = run(t, await enrolled(t, server))
  const job = server.desk.begin(agent.identity.agentId, aBackup(aFolder(t, 3)))
  assert.equal((await server.desk.last(job)).type, 'finished')
  const told = job.events.filter((event) => event.type !== 'progress').map((event) => (event.type === 'step' ? event.name : event.type))
  assert.equal(told.filter((name) => name === 'started').length, 1)
  assert.equal(new Set(told).size, told.length)
  assert.ok(lost > 1)
})

test('a job that is cancelled ends, says so, and the agent goes on', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  const { agentId } = agent.identity
  const wish = { ...aBackup(aFolder(t, 40, 60_000)), throttle: 200_000 }
  const byAnswer = server.desk.begin(agentId, wish)
  server.desk.onEvents = (job) => {
    if (job.sessions > 0) job.isCancelled = true
  }
  const ended = await server.desk.last(byAnswer)
  assert.equal(ended.type === 'failed' && ended.error.code, 'CANCELLED')
  server.desk.onEvents = undefined
  const byCommand = server.desk.begin(agentId, wish)
  await server.desk.until(() => (byCommand.events.length > 0 ? true : undefined))
  server.desk.send(agentId, { kind: 'cancel', jobId: byCommand.id })
  const ended2 = await server.desk.last(byCommand)
  assert.equal(ended2.type === 'failed' && ended2.error.code, 'CANCELLED')
  const asked = server.desk.send(agentId, { kind: 'discover' })
  assert.equal((await server.desk.until(() => server.desk.replies.get(asked))).kind, 'discover')
})

test('while the server is away it waits longer each time; back again, it goes on in its epoch', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  await server.desk.until(() => server.desk.polls[0])
  await server.stop()
  const waits = () => agent.states.flatMap((state) => (state.kind === 'waiting' ? [state.againInMs] : []))
  while (waits().length < 4) await server.op.clock.sleep(20)
  assert.deepEqual(waits().slice(0, 4), [1000, 2000, 4000, 8000])
  await server.start()
  const asked = server.desk.send(agent.identity.agentId, { kind: 'discover' })
  await server.desk.until(() => server.desk.replies.get(asked))
  assert.equal(server.desk.agents.get(agent.identity.agentId)?.hellos.length, 1)
})

test('a backup survives a restart of the port: it begins a new session and ends well', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  const source = aFolder(t, 40, 60_000)
  const job = server.desk.begin(agent.identity.agentId, { ...aBackup(source), throttle: 1_000_000 })
  await server.desk.until(() => (job.sessions > 0 ? true : undefined))
  await server.op.clock.sleep(700)
  assert.equal(job.point, undefined)
  await server.stop()
  await server.op.clock.sleep(100)
  await server.start()
  assert.equal((await server.desk.last(job)).type, 'finished')
  assert.equal(job.sessions, 2)
  assert.ok(job.point)
})

test('a line that is cut again and again delays a backup, and the session goes on', async (t) => {
  const server = await anAgentServer(t)
  const place = await enrolled(t, server)
  const line = await aLine({ toPort: Number(new URL(server.url).port), delayMs: 10 })
  t.after(() => line.close())
  const agent = run(t, { ...place, identity: { ...place.identity, url: `https://127.0.0.1:${line.port}` } })
  const job = server.desk.begin(agent.identity.agentId, { ...aBackup(aFolder(t, 30, 60_000)), throttle: 1_000_000 })
  await server.desk.until(() => (job.sessions > 0 ? true : undefined))
  for (let n = 0; n < 5; n++) {
    await server.op.clock.sleep(200)
    line.cut()
  }
  assert.equal((await server.desk.last(job)).type, 'finished')
  assert.deepEqual([job.sessions, server.desk.agents.get(place.identity.agentId)?.hellos.length], [1, 1])
})

test('stopped while a job runs, it tells the server that the job was interrupted', async (t) => {
  const server = await anAgentServer(t)
  // Its last words have the time that they have: a twentieth is less than a busy machine needs.
  const agent = run(t, await enrolled(t, server), 1)
  const job = server.desk.begin(agent.identity.agentId, { ...aBackup(aFolder(t, 40, 60_000)), throttle: 200_000 })
  await server.desk.until(() => (job.sessions > 0 ? true : undefined))
  assert.ok(hasCode(await agent.stop(), 'CANCELLED'))
  const last = job.events.at(-1)
  assert.equal(last?.type === 'failed' && last.error.code, 'CANCELLED')
})

test('a newer process of the same agent ends the older one; one that the server forgot ends too', async (t) => {
  const server = await anAgentServer(t)
  const place = await enrolled(t, server)
  const older = run(t, place)
  await server.desk.until(() => server.desk.polls[0])
  const newer = run(t, place)
  await server.desk.until(() => (server.desk.agents.get(place.identity.agentId)?.hellos.length === 2 ? true : undefined))
  server.desk.send(place.identity.agentId, { kind: 'discover' })
  assert.ok(hasCode(await older.ended, 'AGENT_SUPERSEDED'))
  server.desk.agents.delete(place.identity.agentId)
  await server.stop()
  await server.start()
  assert.ok(hasCode(await newer.ended, 'AGENT_UNKNOWN'))
})

test('a command that comes twice is done once', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  const job = server.desk.begin(agent.identity.agentId, aBackup(aFolder(t, 2)))
  await server.desk.last(job)
  const id = 'c'.repeat(32)
  const task = { ...aBackup('/nowhere'), jobId: 'd'.repeat(32) }
  server.desk.send(agent.identity.agentId, task, id)
  server.desk.send(agent.identity.agentId, task, id)
  const asked = server.desk.send(agent.identity.agentId, { kind: 'discover' })
  await server.desk.until(() => server.desk.replies.get(asked))
  assert.equal(agent.states.filter((state) => state.kind === 'job' && state.jobId === task.jobId).length, 1)
})

test('browsing tells odd names and times, and what can not be looked into', async (t) => {
  const server = await anAgentServer(t)
  const agent = run(t, await enrolled(t, server))
  const folder = temporaryFolder(t)
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff, 0xfe])])
  writeFileSync(odd, 'x')
  mkdirSync(join(folder, 'sub'))
  const browse = async (path: string, limit = 10) => {
    const asked = server.desk.send(agent.identity.agentId, { kind: 'browse', path: Buffer.from(path).toString('base64'), limit })
    return server.desk.until(() => server.desk.replies.get(asked))
  }
  const found = await browse(folder)
  assert.ok(found.kind === 'browse' && found.isComplete)
  assert.deepEqual(
    found.items.map(({ path, kind }) => [Buffer.from(path, 'base64').equals(odd), kind]),
    [
      [true, 'file'],
      [false, 'folder'],
    ],
  )
  const one = await browse(folder, 1)
  assert.ok(one.kind === 'browse' && !one.isComplete && one.items.length === 1)
  for (const [path, code] of [
    [join(folder, 'none'), 'SOURCE_NOT_FOUND'],
    [`${folder}/f\0g`, 'SOURCE_NOT_FOUND'],
    [`${folder}/${'x'.repeat(300)}`, 'SOURCE_UNREADABLE'],
    [join(folder, odd.subarray(folder.length + 1).toString('latin1')), 'SOURCE_NOT_FOUND'],
  ] as const) {
    const told = await browse(path)
    assert.equal(told.kind === 'error' && told.error.code, code)
  }
})

test('times that RFC 3339 can not write are left out', () => {
  assert.deepEqual([timestampOf(0), timestampOf(-5000)], ['1970-01-01T00:00:00.000Z', '1969-12-31T23:59:55.000Z'])
  for (const ms of [undefined, Number.NaN, Number.POSITIVE_INFINITY, 8.64e15, -8.64e15, 253_402_300_800_000])
    assert.equal(timestampOf(ms), undefined)
})

test('as a program: one process for a data folder, and what it is doing can be looked up', async (t) => {
  const server = await anAgentServer(t)
  const { folder } = await enrolled(t, server)
  const over = new AbortController()
  const op = startOperation({ signal: over.signal })
  const options = { folder, disk: DISK, version: 'v', onState: () => {} }
  const ended = startAgent(op, options).catch((error: unknown) => error)
  await server.desk.until(() => server.desk.polls[0])
  await assert.rejects(startAgent(startOperation(), options), (error) => hasCode(error, 'AGENT_RUNNING'))
  assert.equal((await describeAgent(folder, DISK)).isRunning, true)
  over.abort()
  await ended
  const described = await describeAgent(folder, DISK)
  assert.deepEqual([described.isRunning, described.last?.state, described.last?.text], [false, 'connected', 'epoch 1'])
  rmSync(join(folder, 'identity.json'))
  await assert.rejects(describeAgent(folder, DISK), (error) => hasCode(error, 'AGENT_NOT_ENROLLED'))
})
