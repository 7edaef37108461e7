/** The agents' port of the whole server: every route × every way in which a request may be somebody else's, and what one agent can do to another: nothing. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readIdentity } from '../../src/agent/index.ts'
import { toTimestamp } from '../../src/base/clock.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { aControl } from '../../src/server/jobs/control.fixture.ts'
import { agentPaths } from '../../src/wire/index.ts'
import { anAgentServer } from '../support/agent-server.ts'
import { aKey, enrolBy, type PortAnswer, PortClient, type PortRequest, sendBare } from '../support/port-client.ts'
import { aWholeServer } from './whole-server.fixture.ts'

const ID = '0'.repeat(32)
const PACK = `packs/${'0'.repeat(64)}.pack`
const BODY = { first: 0, events: [], jobId: ID, taken: [], kind: 'browse', items: [], isComplete: true }

/** All but the enrolment, which has a test of its own. */
const ROUTES: readonly (readonly [method: string, target: string])[] = [
  ['POST', agentPaths.hello],
  ['POST', agentPaths.commands],
  ['POST', agentPaths.replies(ID)],
  ['POST', agentPaths.events(ID)],
  ['POST', agentPaths.sessions],
  ['DELETE', agentPaths.session(ID)],
  ['GET', agentPaths.objects(ID)],
  ['GET', agentPaths.object(ID, PACK)],
  ['HEAD', agentPaths.object(ID, PACK)],
  ['PUT', agentPaths.object(ID, PACK)],
  ['GET', agentPaths.bundle('a'.repeat(64), 0)],
]

test('the port has the routes that are asked here, and none besides', async (t) => {
  const { port } = await anAgentServer(t)
  const methods = [...port.app.printRoutes({ commonPrefix: false }).matchAll(/\(([A-Z, ]+)\)/g)].flatMap(([, text = '']) =>
    text.split(', '),
  )
  const known = [...ROUTES.map(([method]) => method), 'POST'].sort()
  assert.deepEqual(methods.sort(), known)
})

test('every route of the port × every way to be somebody else is refused with a problem and its code', async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  const { secret } = (await admin.send('/api/v1/tokens', { method: 'POST', body: { name: 'x', roles: ['backup-admin'] } })).json
  const enrol = async () => {
    const made = await admin.send('/api/v1/enrolments', { method: 'POST', body: {} })
    return await enrolBy(server.op, made.json.token)
  }
  const [a, b, disabled, revoked] = [await enrol(), await enrol(), await enrol(), await enrol()]
  for (const agent of [a, b, disabled, revoked]) assert.equal((await agent.hello()).status, 200)
  await admin.stepUp()
  assert.equal((await admin.send(`/api/v1/agents/${disabled.id}/disable`, { method: 'POST' })).status, 200)
  assert.equal((await admin.send(`/api/v1/agents/${revoked.id}`, { method: 'DELETE' })).status, 204)

  const { url } = a.identity
  const at = (offsetMs: number) => ({ ...server.op, clock: { ...server.clock, nowMs: () => server.clock.nowMs() + offsetMs } as never })
  const set = (request: PortRequest, headers: Record<string, string>): PortRequest => ({
    ...request,
    headers: { ...request.headers, ...headers },
  })
  const without = (request: PortRequest, name: string): PortRequest => {
    const { [name]: _, ...headers } = request.headers
    return { ...request, headers }
  }
  const isHello = (request: PortRequest) => request.target === agentPaths.hello
  type Way = (
    make: (client?: PortClient, op?: typeof server.op) => PortRequest,
  ) => readonly [Promise<PortAnswer>, string | readonly string[]]
  const ways: Readonly<Record<string, Way>> = {
    'no certificate': (make) => [sendBare(url, make()), 'AGENT_UNKNOWN'],
    'no signature at all': (make) => [a.send({ ...make(), headers: {} }), 'AGENT_UNKNOWN'],
    'an API token': (make) => [a.send({ ...make(), headers: { authorization: `Bearer ${secret}` } }), 'AGENT_UNKNOWN'],
    "a person's session": (make) => [a.send({ ...make(), headers: { cookie: admin.cookie } }), 'AGENT_UNKNOWN'],
    'an agent that there is not': (make) => [a.send(set(make(), { 'terp-agent': 'f'.repeat(32) })), 'AGENT_UNKNOWN'],
    'the name of another, with the own key': (make) => [b.send(set(make(b), { 'terp-agent': a.id })), 'AGENT_UNKNOWN'],
    "another's request, over the own connection": (make) => [b.send(make(a)), 'AGENT_UNKNOWN'],
    "the own request, over another's connection": (make) => [b.send(make(a)), 'AGENT_UNKNOWN'],
    "another's signature": (make) => [
      a.send(set(make(a), { 'terp-signature': make(b).headers['terp-signature'] ?? '' })),
      'AGENT_SIGNATURE_INVALID',
    ],
    'no header of the signature': (make) => [a.send(without(make(), 'terp-signature')), 'AGENT_SIGNATURE_INVALID'],
    'no time': (make) => [a.send(without(make(), 'terp-time')), 'AGENT_SIGNATURE_INVALID'],
    'no counter': (make) => [a.send(without(make(), 'terp-counter')), 'AGENT_SIGNATURE_INVALID'],
    'a counter of its own': (make) => [a.send(set(make(), { 'terp-counter': '4711' })), 'AGENT_SIGNATURE_INVALID'],
    'another lane': (make) => [a.send(set(make(), { 'terp-lane': 'other' })), 'AGENT_SIGNATURE_INVALID'],
    'another epoch': (make) => [a.send(set(make(), { 'terp-epoch': '7' })), 'AGENT_SIGNATURE_INVALID'],
    'another time': (make) => [a.send(set(make(), { 'terp-time': toTimestamp(server.clock.nowMs() + 1) })), 'AGENT_SIGNATURE_INVALID'],
    'another hash of the body': (make) => [a.send(set(make(), { 'terp-content': 'f'.repeat(64) })), 'AGENT_SIGNATURE_INVALID'],
    'another query': (make) => [a.send({ ...make(), target: `${make().target}?x=1` }), 'AGENT_SIGNATURE_INVALID'],
    'another path': (make) => {
      const request = make()
      const other = request.target.includes(ID) ? request.target.replace(ID, `${ID.slice(1)}1`) : `${request.target}?y=2`
      return [a.send({ ...request, target: other }), 'AGENT_SIGNATURE_INVALID']
    },
    'too old': (make) => [a.send(make(a, at(-5 * 60_000 - 1))), 'AGENT_CLOCK_SKEWED'],
    'from the future': (make) => [a.send(make(a, at(5 * 60_000 + 1))), 'AGENT_CLOCK_SKEWED'],
    disabled: (make) => [disabled.send(make(disabled)), 'AGENT_DISABLED'],
    revoked: (make) => [revoked.send(make(revoked)), 'AGENT_UNKNOWN'],
    'sent twice': (make) => {
      const request = make()
      return [a.send(request).then(() => a.send(request)), 'AGENT_REPLAYED']
    },
    'another body': (make) => {
      const request = make()
      const body = new Uint8Array(Buffer.from('{"jobId":"changed"}'))
      // A request that has none is not read.
      if (request.body === undefined) return [a.send(without(request, 'terp-signature')), 'AGENT_SIGNATURE_INVALID']
      return [a.send({ ...request, body }), isHello(request) ? 'SERVER_BODY_MISMATCH' : ['SERVER_BODY_MISMATCH', 'SESSION_UNKNOWN']]
    },
  }
  const STATUS: Readonly<Record<string, number>> = { AGENT_DISABLED: 403, SERVER_BODY_MISMATCH: 400, SESSION_UNKNOWN: 404 }
  const wrong: string[] = []
  let cases = 0
  const check = (what: string, told: PortAnswer, codes: readonly string[], isHead: boolean) => {
    cases++
    const { code, status, type, json } = told
    if (code === null || !codes.includes(code)) return wrong.push(`${what}: ${code ?? status} in place of ${codes.join(' or ')}`)
    if (status !== (STATUS[code] ?? 401)) return wrong.push(`${what}: status ${status}`)
    if (!isHead && (!type.startsWith('application/problem+json') || json?.code !== code || !json.hint)) wrong.push(`${what}: no problem`)
    return 0
  }
  for (const [method, target] of ROUTES) {
    const body = method === 'POST' || method === 'PUT' ? BODY : undefined
    const make = (client = a, op = server.op) => {
      // A hello is made in no epoch, and its time must rise.
      if (target === agentPaths.hello) server.clock.advance(1)
      return client.make(method, target, body, target === agentPaths.hello ? client.signerOf(0) : client.signer, op)
    }
    for (const [name, way] of Object.entries(ways)) {
      // It is answered, and begins an epoch, or waits for commands: only what is refused is asked here.
      if (name === 'sent twice' && (target === agentPaths.hello || target === agentPaths.commands)) continue
      const [asked, codes] = way(make)
      const told = await asked.catch((error: unknown) => assert.fail(`${method} ${target} (${name}): ${String(error)}`))
      check(`${method} ${target} (${name})`, told, typeof codes === 'string' ? [codes] : codes, method === 'HEAD')
    }
  }
  // The rest of the two.
  const hello = a.make('POST', agentPaths.hello, { protocols: [99], version: 'v', platform: {} }, a.signerOf(0))
  server.clock.advance(1)
  await a.send(hello)
  check('hello sent twice', await a.send(hello), ['AGENT_REPLAYED'], false)
  const before = a.signer
  server.clock.advance(1)
  assert.equal((await a.hello()).status, 200)
  for (const [method, target] of ROUTES) {
    if (target === agentPaths.hello) continue
    const body = method === 'POST' || method === 'PUT' ? BODY : undefined
    const told = await a.send(a.make(method, target, body, before))
    cases++
    if (told.code !== 'AGENT_SUPERSEDED' || told.status !== 409) wrong.push(`${method} ${target} of the epoch before: ${told.code}`)
  }
  t.diagnostic(`${ROUTES.length} routes, ${cases} cases`)
  assert.deepEqual(wrong, [])
  assert.ok(cases > 240, `${cases}`)
})

test('an agent brings a key of the kind that signatures are made with, or is not enrolled', async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  const { token } = (await admin.send('/api/v1/enrolments', { method: 'POST', body: {} })).json
  await assert.rejects(enrolBy(server.op, token, aKey('p-256')), /AGENT_/)
  // The token was not used up by that.
  assert.match((await enrolBy(server.op, token)).id, /^[0-9a-f]{32}$/)
})

test("what an agent has opens nothing of the API's, and what people have nothing of the agents'", async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  const { token } = (await admin.send('/api/v1/enrolments', { method: 'POST', body: {} })).json
  const agent = await enrolBy(server.op, token)
  await agent.hello()
  const { address, routes } = server.running()
  const api = new PortClient({ ...agent.identity, url: address, server: '' }, server.op)
  let refused = 0
  for (const { method, path, access } of routes) {
    if (access.who === 'anybody') continue
    const target = (path.startsWith('//') ? path.slice(1) : `/api/v1${path}`).replace(/:\w+/g, ID)
    const told = await sendBare(address, api.make(method, target, method === 'GET' || method === 'DELETE' ? undefined : {}))
    assert.equal(told.code, 'AUTH_REQUIRED', `${method} ${target}`)
    refused++
  }
  assert.ok(refused >= 100, `${refused}`)
})

test('with ids that are right, an agent can not list, read, change or delete anything of another', async (t) => {
  const control = await aControl(t)
  const { clock, op } = control.server
  const folder = join(control.root, 'files')
  mkdirSync(folder)
  writeFileSync(join(folder, 'secret'), 'what only A has'.repeat(1000))
  const program = await control.agent('a')
  const { group } = await control.ask('POST', '/groups', { name: 'A', members: [{ agentId: program.id, path: folder }] })
  const [source] = (await control.ask('GET', '/sources')).items
  await control.until('the first copy', async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok')
  const [point] = (await control.ask('GET', `/recovery-points?source=${source.id}`)).items
  await program.stop()

  const signing = { ...op, clock }
  const identity = await readIdentity(systemDisk(), program.folder)
  assert.ok(identity)
  const a = new PortClient(identity, signing)
  const b = await enrolBy(signing, (await control.ask('POST', '/enrolments', {})).token)
  for (const agent of [a, b]) assert.equal((await agent.hello()).status, 200)

  // A takes a job, and opens its session.
  await control.ask('POST', `/sources/${source.id}/recovery-points`, {})
  const { commands } = (await a.ask('POST', agentPaths.commands, {})).json
  const { id: commandId, task } = commands[0]
  assert.equal(task.kind, 'backup')
  const opened = await a.ask('POST', agentPaths.sessions, { jobId: task.jobId })
  assert.equal(opened.status, 201)
  const { sessionId } = opened.json
  const names = (await a.ask('GET', agentPaths.objects(sessionId))).json.objects.map(({ name }: { name: string }) => name) as string[]
  assert.ok(names.some((name) => name.endsWith('.pack')) && names.length > 3, names.join(' '))
  const objectsBefore = (await a.ask('GET', agentPaths.objects(sessionId))).json

  const told: string[] = []
  const refused = async (what: string, method: string, target: string, code: string, json?: unknown) => {
    const answer = await b.ask(method, target, json).catch((error: unknown) => assert.fail(`${what}: ${String(error)}`))
    told.push(what)
    assert.equal(answer.code, code, `${what}: ${answer.status} ${answer.bytes}`)
    assert.ok(!answer.bytes.includes('what only A has'), what)
  }
  // Sessions, and in them manifests, indexes, packs.
  await refused('to list', 'GET', agentPaths.objects(sessionId), 'SESSION_UNKNOWN')
  for (const name of names) {
    const target = agentPaths.object(sessionId, name)
    await refused(`to read ${name}`, 'GET', target, 'SESSION_UNKNOWN')
    await refused(`to replace ${name}`, 'PUT', target, 'SESSION_UNKNOWN', {})
    await refused(`to look at ${name}`, 'HEAD', target, 'SESSION_UNKNOWN')
    for (const method of ['DELETE', 'POST', 'PATCH']) await refused(`${method} ${name}`, method, target, 'AGENT_ROUTE_NOT_FOUND')
  }
  await refused("to open another's job", 'POST', agentPaths.sessions, 'SESSION_REFUSED', { jobId: task.jobId })
  // Ends nothing: the answer is that of one that has ended already.
  assert.equal((await b.ask('DELETE', agentPaths.session(sessionId))).status, 204)
  assert.deepEqual((await a.ask('GET', agentPaths.objects(sessionId))).json, objectsBefore)

  // Jobs and their events.
  for (const event of [
    { type: 'failed', at: toTimestamp(clock.nowMs()), error: { code: 'X', kind: 'internal', message: 'x', hint: 'x' } },
    { type: 'finished', at: toTimestamp(clock.nowMs()), report: {} },
    { type: 'step', at: toTimestamp(clock.nowMs()), name: 'x' },
  ]) {
    const answer = await b.ask('POST', agentPaths.events(task.jobId), { first: 0, events: [event] })
    assert.deepEqual(answer.json, { next: 1, cancel: true })
  }
  assert.deepEqual((await b.hello([task.jobId])).json.abandoned, [task.jobId])
  const job = await control.ask('GET', `/jobs/${task.jobId}`)
  assert.equal(job.state, 'in-progress')

  // Commands: taken by another they are still A's; and a question is answered by who was asked.
  const asked = control.admin.send(`/api/v1/agents/${a.id}/browse?path=/`)
  const question = await control.until('the question', async () => {
    const { commands: waiting } = (await a.ask('POST', agentPaths.commands, { taken: [commandId] })).json
    return waiting.find((each: { task: { kind: string } }) => each.task.kind === 'browse')
  })
  const poll = b.ask('POST', agentPaths.commands, { taken: [question.id] })
  const lie = { kind: 'browse', items: [{ path: '', text: 'a lie', kind: 'file', sizeBytes: 1 }], isComplete: true }
  assert.equal((await b.ask('POST', agentPaths.replies(question.id), lie)).status, 204)
  const again = (await a.ask('POST', agentPaths.commands, {})).json.commands
  assert.ok(again.some((each: { id: string }) => each.id === question.id))
  assert.equal((await a.ask('POST', agentPaths.replies(question.id), { kind: 'browse', items: [], isComplete: true })).status, 204)
  assert.deepEqual((await asked).json, { items: [], isComplete: true })

  // A restore of A's, to A: not for B.
  const parameters = { target: Buffer.from('/tmp/x').toString('base64'), overwrite: 'never', security: 'recovery-point', dryRun: true }
  const about = { sourceId: source.id, groupId: group.id, agentId: a.id, poolId: control.poolId, pointId: point.id }
  const restore = await control.control().engine.create({ type: 'recovery', ...about, isAdHoc: true, parameters, createdBy: 'test' })
  await refused('to open the restore', 'POST', agentPaths.sessions, 'SESSION_REFUSED', { jobId: restore.id })

  const other = join(control.root, 'other')
  mkdirSync(other)
  const otherGroup = await control.ask('POST', '/groups', { name: 'B', members: [{ agentId: b.id, path: other }] })
  assert.ok(otherGroup.group.id !== group.id)
  await poll
  const mine = await control.until('the job of B', async () => {
    const { commands: waiting } = (await b.ask('POST', agentPaths.commands, {})).json
    return waiting.find((each: { task: { kind: string } }) => each.task.kind === 'backup')
  })
  const own = await b.ask('POST', agentPaths.sessions, { jobId: mine.task.jobId })
  assert.equal(own.status, 201)
  const view = own.json.sessionId
  const shown = (await b.ask('GET', agentPaths.objects(view))).json.objects.map(({ name }: { name: string }) => name) as string[]
  for (const name of names.filter((each) => /^(packs|points|index)\//.test(each))) {
    assert.ok(!shown.includes(name), name)
    await refused(`${name} by the own view`, 'GET', agentPaths.object(view, name), 'STORAGE_OBJECT_NOT_FOUND')
  }
  assert.notEqual(own.json.masterKey, opened.json.masterKey)
  t.diagnostic(`${told.length} attempts refused`)
  const points = (await control.ask('GET', `/recovery-points?source=${source.id}`)).items
  assert.deepEqual(points, [point])
})
