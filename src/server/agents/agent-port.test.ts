/** The port itself, over real TLS, asked by hand: what an agent, a stranger and a thief may say, and what they are told. */
import assert from 'node:assert/strict'
import { request } from 'node:https'
import { type TestContext, test } from 'node:test'
import { type AgentServer, aBackup, anAgentServer, type TestJob } from '../../../test/support/agent-server.ts'
import { type Clock, letOthersRun, systemClock } from '../../base/clock.ts'
import { startOperation } from '../../base/operation.ts'
import { makeCertificate } from '../../certificates/index.ts'
import { type PinnedIdentity, pinnedFetch } from '../../storage/pinned-fetch.ts'
import { AgentSigner, agentLimits, agentPaths, readSigningKey } from '../../wire/index.ts'

const OP = startOperation()
const PLATFORM = { os: 'Linux', release: '6', arch: 'x64', hostname: 'h', cpus: 2, memoryBytes: 1 }
const HELLO = { protocols: [1], version: 'v', platform: PLATFORM, jobs: [] }

interface Told {
  readonly status: number
  readonly code: string | null
  readonly body: Buffer
  readonly json: Record<string, unknown>
}

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly json?: unknown
  readonly body?: Uint8Array<ArrayBuffer>
  readonly clock?: Clock
  /** After the signature was made. */
  readonly tamper?: (headers: Record<string, string>) => void
  readonly isNamed?: boolean
}

class Client {
  readonly server: AgentServer
  readonly identity: PinnedIdentity
  readonly agentId: string
  signer: AgentSigner
  epoch = 0
  /** Headers of the last request. */
  last: Record<string, string> = {}

  constructor(server: AgentServer, identity: PinnedIdentity, agentId: string) {
    this.server = server
    this.identity = identity
    this.agentId = agentId
    this.signer = this.#signer(0)
  }

  #signer(epoch: number): AgentSigner {
    return new AgentSigner({ agentId: this.agentId, key: readSigningKey(this.identity.privateKey), lane: 'test', epoch })
  }

  async hello(): Promise<void> {
    this.epoch = Number((await this.ask(agentPaths.hello, { json: HELLO })).json.epoch)
    this.signer = this.#signer(this.epoch)
  }

  async ask(target: string, asked: Asked = {}): Promise<Told> {
    const { json, method = json === undefined ? 'GET' : 'POST', clock } = asked
    const body = json === undefined ? asked.body : new TextEncoder().encode(JSON.stringify(json))
    const op = clock ? { ...OP, clock } : OP
    const type = json === undefined ? 'application/octet-stream' : 'application/json'
    const headers = {
      ...(body ? { 'content-type': type } : {}),
      ...this.signer.headers(op, method, target, body, asked.isNamed ?? false),
      ...asked.headers,
    }
    asked.tamper?.(headers)
    this.last = headers
    return this.raw(target, method, headers, body)
  }

  async raw(target: string, method: string, headers: Record<string, string>, body?: Uint8Array<ArrayBuffer>): Promise<Told> {
    const answer = await pinnedFetch(this.identity)(this.server.url + target, { method, headers, ...(body ? { body } : {}) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = answer.headers.get('content-type')?.includes('json') === true
    return {
      status: answer.status,
      code: answer.headers.get('terp-code'),
      body: bytes,
      json: isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : {},
    }
  }
}

async function anIdentity(server: AgentServer): Promise<PinnedIdentity> {
  const made = await makeCertificate({ name: 'agent', random: OP.random, nowMs: OP.clock.nowMs(), algorithm: 'ed25519' })
  return { ...made, server: server.key }
}

function enrolment(token: string) {
  return { token, name: 'a1', protocols: [1], version: 'v', platform: PLATFORM }
}

async function anEnrolled(server: AgentServer): Promise<Client> {
  const identity = await anIdentity(server)
  const stranger = new Client(server, identity, '0'.repeat(32))
  const told = await stranger.ask(agentPaths.enrolments, { json: enrolment(server.token()) })
  assert.equal(told.status, 201)
  return new Client(server, identity, String(told.json.agentId))
}

async function aClient(t: TestContext): Promise<{ server: AgentServer; client: Client }> {
  const server = await anAgentServer(t)
  const client = await anEnrolled(server)
  await client.hello()
  return { server, client }
}

async function aSession(client: Client): Promise<{ job: TestJob; sessionId: string }> {
  const job = client.server.desk.begin(client.agentId, aBackup('/nowhere'))
  const told = await client.ask(agentPaths.sessions, { json: { jobId: job.id } })
  assert.equal(told.status, 201)
  return { job, sessionId: String(told.json.sessionId) }
}

test('a token is good once, until it ends, and only as it was made', async (t) => {
  const server = await anAgentServer(t)
  const client = new Client(server, await anIdentity(server), '0'.repeat(32))
  const enrol = (token: string) => client.ask(agentPaths.enrolments, { json: enrolment(token) })
  const token = server.token()
  assert.equal((await enrol(token)).status, 201)
  assert.equal((await enrol(token)).code, 'AGENT_TOKEN_INVALID')
  const late = server.token()
  server.desk.tokens.set(late, OP.clock.nowMs() - 1)
  assert.equal((await enrol(late)).code, 'AGENT_TOKEN_INVALID')
  assert.equal((await enrol('A'.repeat(43))).code, 'AGENT_TOKEN_INVALID')
  assert.equal((await enrol('short')).code, 'AGENT_REQUEST_INVALID')
})

test('an enrolment of unknown protocol, without JSON, or much too long is refused and uses up nothing', async (t) => {
  const server = await anAgentServer(t)
  const client = new Client(server, await anIdentity(server), '0'.repeat(32))
  const token = server.token()
  assert.equal((await client.ask(agentPaths.enrolments, { json: { ...enrolment(token), protocols: [99] } })).code, 'AGENT_PROTOCOL_UNKNOWN')
  const body = new Uint8Array(Buffer.from(`{"token":"${token}`))
  const wrong = await client.ask(agentPaths.enrolments, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  assert.equal(wrong.code, 'AGENT_REQUEST_INVALID')
  assert.equal(wrong.body.includes(token), false)
  const long = await client.ask(agentPaths.enrolments, { json: { ...enrolment(token), name: 'x'.repeat(100_000) } })
  assert.equal(long.code, 'AGENT_REQUEST_INVALID')
  assert.equal(server.desk.tokens.has(token), true)
})

test('a client without a certificate is nobody', async (t) => {
  const { server, client } = await aClient(t)
  const { request } = await import('node:https')
  const headers = client.signer.headers(OP, 'POST', agentPaths.commands, undefined)
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const asked = request(`${server.url}${agentPaths.commands}`, { method: 'POST', headers, rejectUnauthorized: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asked.on('error', reject)
    asked.end()
  })
  assert.equal(status, 401)
})

test('TLS below 1.3 is not spoken', async (t) => {
  const server = await anAgentServer(t)
  const { connect } = await import('node:tls')
  await assert.rejects(
    new Promise((resolve, reject) => {
      const { hostname: host, port } = new URL(server.url)
      const socket = connect({ host, port: Number(port), rejectUnauthorized: false, maxVersion: 'TLSv1.2' }, () =>
        resolve(socket.destroy()),
      )
      socket.on('error', reject)
    }),
  )
})

test('an agent with the certificate of another, or unknown, learns only that it is unknown', async (t) => {
  const { server, client } = await aClient(t)
  const other = await anEnrolled(server)
  const thief = new Client(server, other.identity, client.agentId)
  assert.equal((await thief.ask(agentPaths.commands, { json: {} })).code, 'AGENT_UNKNOWN')
  const nobody = new Client(server, other.identity, 'f'.repeat(32))
  const told = await nobody.ask(agentPaths.commands, { json: {} })
  assert.deepEqual([told.status, told.code], [401, 'AGENT_UNKNOWN'])
})

test('a signature covers method, path, body, time, epoch, lane and counter', async (t) => {
  const { server, client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const list = `${agentPaths.objects(sessionId)}?prefix=`
  const set = (name: string, value: string) => (headers: Record<string, string>) => {
    headers[name] = value
  }
  const wrong: ((headers: Record<string, string>) => void)[] = [
    set('terp-signature', Buffer.alloc(64).toString('base64')),
    set('terp-signature', ''),
    set('terp-lane', 'other'),
    set('terp-lane', 'not a lane'),
    set('terp-counter', '999'),
    set('terp-epoch', '2'),
    set('terp-content', 'f'.repeat(64)),
    set('terp-time', '2001-01-01T00:00:00.000Z'),
    (headers) => delete headers['terp-signature'],
  ]
  for (const tamper of wrong) assert.equal((await client.ask(list, { tamper })).code, 'AGENT_SIGNATURE_INVALID')
  const headers = client.signer.headers(OP, 'GET', list, undefined)
  assert.equal((await client.raw(`${list}packs`, 'GET', headers)).code, 'AGENT_SIGNATURE_INVALID')
  assert.equal((await client.raw(list, 'GET', headers)).status, 200)
  assert.equal(server.warnings.length, 0)
})

test('a body that is not the one that was signed changes nothing', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const target = agentPaths.object(sessionId, 'notes/n1')
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))
  const headers = { ...client.signer.headers(OP, 'PUT', target, bytes('signed')), 'content-type': 'application/octet-stream' }
  assert.equal((await client.raw(target, 'PUT', headers, bytes('other!'))).code, 'SERVER_BODY_MISMATCH')
  assert.equal((await client.ask(target)).code, 'STORAGE_OBJECT_NOT_FOUND')
  // Only a pack is known by its name.
  assert.equal((await client.ask(target, { method: 'PUT', body: bytes('x'), isNamed: true })).code, 'SERVER_BODY_MISMATCH')
  const pack = agentPaths.object(sessionId, `packs/00/${'0'.repeat(64)}.pack`)
  const refused = await client.ask(pack, { method: 'PUT', body: bytes('no pack'), isNamed: true })
  assert.deepEqual([refused.status, refused.code], [422, 'PACK_DAMAGED'])
})

test('a request that comes twice is refused, in whatever order others came', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const list = `${agentPaths.objects(sessionId)}?prefix=`
  const [first, second] = [client.signer.headers(OP, 'GET', list, undefined), client.signer.headers(OP, 'GET', list, undefined)]
  assert.equal((await client.raw(list, 'GET', second)).status, 200)
  assert.equal((await client.raw(list, 'GET', first)).status, 200)
  assert.equal((await client.raw(list, 'GET', first)).code, 'AGENT_REPLAYED')
  assert.equal((await client.raw(list, 'GET', second)).code, 'AGENT_REPLAYED')
  const again = await client.server.desk.find(client.agentId)
  assert.equal(again?.epoch, 1)
})

test('a hello that comes twice begins no second epoch', async (t) => {
  const { server, client } = await aClient(t)
  const headers = client.last
  const body = new TextEncoder().encode(JSON.stringify(HELLO))
  assert.equal((await client.raw(agentPaths.hello, 'POST', headers, body)).code, 'AGENT_REPLAYED')
  assert.equal(server.desk.agents.get(client.agentId)?.known.epoch, 1)
})

test('a clock that is off by more than five minutes is told', async (t) => {
  const { client } = await aClient(t)
  const off = (ms: number): Clock => ({ ...systemClock(), nowMs: () => systemClock().nowMs() + ms })
  for (const ms of [-6 * 60_000, 6 * 60_000])
    assert.equal((await client.ask(agentPaths.hello, { json: HELLO, clock: off(ms) })).code, 'AGENT_CLOCK_SKEWED')
  assert.equal((await client.ask(agentPaths.hello, { json: HELLO, clock: off(4 * 60_000) })).status, 200)
})

test('an agent that was disabled may do nothing, and says hello when it is enabled again', async (t) => {
  const { server, client } = await aClient(t)
  server.desk.change(client.agentId, { isEnabled: false })
  const told = await client.ask(agentPaths.commands, { json: {} })
  assert.deepEqual([told.status, told.code], [403, 'AGENT_DISABLED'])
  server.desk.change(client.agentId, { isEnabled: true })
  await client.hello()
  assert.equal(client.epoch, 2)
})

test('a newer hello makes the earlier process invalid', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const newer = new Client(client.server, client.identity, client.agentId)
  await newer.hello()
  const told = await client.ask(`${agentPaths.objects(sessionId)}?prefix=`)
  assert.deepEqual([told.status, told.code], [409, 'AGENT_SUPERSEDED'])
  assert.equal((await newer.ask(`${agentPaths.objects(sessionId)}?prefix=`)).status, 200)
})

test('a poll waits until there is something, and lets go when the agent is gone', async (t) => {
  const { server, client } = await aClient(t)
  const asked = client.ask(agentPaths.commands, { json: { taken: [] } })
  await server.desk.until(() => server.desk.polls[0])
  const sooner = await Promise.race([asked, OP.clock.sleep(300).then(() => 'waits')])
  assert.equal(sooner, 'waits')
  const id = server.desk.send(client.agentId, { kind: 'discover' })
  assert.deepEqual((await asked).json, { commands: [{ id, task: { kind: 'discover' } }] })
  const next = client.ask(agentPaths.commands, { json: { taken: [id] } })
  await server.desk.until(() => server.desk.polls[1])
  const stopped = server.stop()
  await assert.rejects(next)
  await stopped
})

test('objects: put once, read whole and in ranges, listed in order, never deleted', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const object = (name: string) => agentPaths.object(sessionId, name)
  const put = (name: string, text: string) => client.ask(object(name), { method: 'PUT', body: new Uint8Array(Buffer.from(text)) })
  assert.deepEqual([(await put('notes/a', 'hello')).status, (await put('notes/a', 'hello')).status], [201, 200])
  const other = await put('notes/a', 'other')
  assert.deepEqual([other.status, other.code], [409, 'STORAGE_OBJECT_EXISTS'])
  assert.equal((await client.ask(object('notes/a'))).body.toString(), 'hello')
  const part = await client.ask(object('notes/a'), { headers: { range: 'bytes=1-3' } })
  assert.deepEqual([part.status, part.body.toString()], [206, 'ell'])
  const past = await client.ask(object('notes/a'), { headers: { range: 'bytes=3-9' } })
  assert.deepEqual([past.status, past.code], [416, 'STORAGE_OBJECT_SHORT'])
  for (const range of ['bytes=3-1', 'bytes=-3', 'bytes=1-', 'bytes=0-1,3-4', 'lines=0-1'])
    assert.equal((await client.ask(object('notes/a'), { headers: { range } })).code, 'AGENT_REQUEST_INVALID')
  const listed = await client.ask(`${agentPaths.objects(sessionId)}?prefix=notes/`)
  assert.deepEqual(listed.json, { objects: [{ name: 'notes/a', sizeBytes: 5 }], next: null })
  const missing = await client.ask(object('notes/none'), { method: 'HEAD' })
  assert.deepEqual([missing.status, missing.code], [404, 'STORAGE_OBJECT_NOT_FOUND'])
  for (const method of ['DELETE', 'PATCH', 'POST', 'OPTIONS'])
    assert.deepEqual([method, (await client.ask(object('notes/a'), { method })).code], [method, 'AGENT_ROUTE_NOT_FOUND'])
  assert.equal((await client.ask(object('notes/a'))).body.toString(), 'hello')
})

test('names that climb, hide or have to be decoded are refused', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const base = agentPaths.object(sessionId, '')
  for (const name of ['%2e%2e/x', 'a%2fb', 'a/%00', 'notes//a', '.hidden', 'a b', 'notes/a/', `${'x'.repeat(300)}`, 'ä', '%zz']) {
    const { status, code } = await client.ask(base + encodeURI(name).replaceAll('%25', '%'))
    assert.ok(status >= 400 && status < 500, `${name}: ${status} ${code}`)
    assert.notEqual(code, 'STORAGE_OBJECT_NOT_FOUND', name)
  }
})

test('a session is the agent’s own, for a job of its own, and ends', async (t) => {
  const { server, client } = await aClient(t)
  const other = await anEnrolled(server)
  await other.hello()
  const { job, sessionId } = await aSession(client)
  const list = `${agentPaths.objects(sessionId)}?prefix=`
  assert.equal((await other.ask(list)).code, 'SESSION_UNKNOWN')
  assert.equal((await other.ask(agentPaths.sessions, { json: { jobId: job.id } })).code, 'SESSION_REFUSED')
  assert.equal((await other.ask(agentPaths.session(sessionId), { method: 'DELETE' })).status, 204)
  assert.equal((await client.ask(list)).status, 200)
  const again = await client.ask(agentPaths.sessions, { json: { jobId: job.id } })
  assert.equal((await client.ask(list)).code, 'SESSION_UNKNOWN')
  assert.equal((await client.ask(agentPaths.session(String(again.json.sessionId)), { method: 'DELETE' })).status, 204)
  assert.equal(server.port.sessions.count, 0)
})

test('bodies that are too large are refused before they are read', async (t) => {
  const { client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const large = await client.ask(agentPaths.events('a'.repeat(32)), {
    json: { first: 0, events: [], filler: 'x'.repeat(agentLimits.jsonBytes) },
  })
  assert.equal(large.code, 'AGENT_REQUEST_INVALID')
  const target = agentPaths.object(sessionId, 'notes/large')
  const headers = { ...client.signer.headers(OP, 'PUT', target, undefined), 'content-type': 'application/octet-stream' }
  const told = await client.raw(target, 'PUT', { ...headers, 'content-length': String(agentLimits.bodyBytes + 1) })
  assert.equal(told.code, 'AGENT_REQUEST_INVALID')
})

test('events and replies of the wrong shape, and ids that are none, are refused', async (t) => {
  const { client } = await aClient(t)
  for (const [target, json] of [
    [agentPaths.events('a'.repeat(32)), { first: -1, events: [] }],
    [agentPaths.events('nothing'), { first: 0, events: [] }],
    [agentPaths.replies('a'.repeat(32)), { kind: 'unknown' }],
    [agentPaths.sessions, { jobId: 'x' }],
  ] as const)
    assert.equal((await client.ask(target, { json })).code, 'AGENT_REQUEST_INVALID')
  assert.equal((await client.ask('/agent/v1/nothing')).code, 'AGENT_ROUTE_NOT_FOUND')
})

test('bodies of all agents together take no more memory than there is for them, and none is refused for that', async (t) => {
  const [uploadBytes, bodyBytes] = [600_000, 400_000]
  const server = await anAgentServer(t, { uploadBytes })
  const clients = [await anEnrolled(server), await anEnrolled(server)]
  const { uploads } = server.port
  let most = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, uploads.heldBytes)
      await letOthersRun()
    }
  })()
  const sending = clients.map(async (client, n) => {
    await client.hello()
    const { sessionId } = await aSession(client)
    const puts = Array.from({ length: 6 }, (_, k) =>
      client.ask(agentPaths.object(sessionId, `notes/${n}-${k}`), { method: 'PUT', body: new Uint8Array(bodyBytes).fill(k) }),
    )
    return (await Promise.all(puts)).map(({ status }) => status)
  })
  const told = (await Promise.all(sending)).flat()
  isOver = true
  await watching
  assert.deepEqual(
    told,
    Array.from({ length: 12 }, () => 201),
  )
  assert.ok(most >= bodyBytes && most <= uploadBytes + bodyBytes, `${most}`)
  assert.equal(uploads.heldBytes, 0)
})

test('an agent that goes away in the middle of a body gives back what it held', async (t) => {
  const { server, client } = await aClient(t)
  const { sessionId } = await aSession(client)
  const target = agentPaths.object(sessionId, 'notes/cut')
  const signed = client.signer.headers(OP, 'PUT', target, undefined)
  const { certificate: cert, privateKey: key } = client.identity
  const headers = { ...signed, 'content-type': 'application/octet-stream', 'content-length': '2000000' }
  const asked = request(server.url + target, { method: 'PUT', headers, cert, key, rejectUnauthorized: false })
  asked.on('error', () => {})
  asked.write(Buffer.alloc(100_000))
  while (server.port.uploads.heldBytes === 0) await letOthersRun()
  asked.destroy()
  while (server.port.uploads.heldBytes > 0) await letOthersRun()
})

test('a small body that came whole waits for its turn like any other', async (t) => {
  const server = await anAgentServer(t, { uploadBytes: 600_000 })
  const client = await anEnrolled(server)
  await client.hello()
  const { sessionId } = await aSession(client)
  const target = agentPaths.object(sessionId, 'notes/long')
  const { certificate: cert, privateKey: key } = client.identity
  const headers = {
    ...client.signer.headers(OP, 'PUT', target, undefined),
    'content-type': 'application/octet-stream',
    'content-length': '2000000',
  }
  const asked = request(server.url + target, { method: 'PUT', headers, cert, key, rejectUnauthorized: false })
  asked.on('error', () => {})
  asked.write(Buffer.alloc(100_000))
  const { uploads } = server.port
  while (uploads.heldBytes === 0) await letOthersRun()
  const small = client.ask(agentPaths.object(sessionId, 'notes/small'), { method: 'PUT', body: new Uint8Array(1000) })
  while (uploads.waitingCount === 0) await letOthersRun()
  await systemClock().sleep(200)
  asked.destroy()
  assert.equal((await small).status, 201)
  assert.equal(uploads.heldBytes, 0)
})
