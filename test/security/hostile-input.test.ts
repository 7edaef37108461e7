/** Whatever is sent to a route by somebody who may use it: it is understood or refused with a code, nothing breaks, nothing of the inside leaves, nobody waits long. */
import assert from 'node:assert/strict'
import { Agent, request } from 'node:https'
import { test } from 'node:test'
import { connect } from 'node:tls'
import type { z } from 'zod'
import { systemClock } from '../../src/base/clock.ts'
import { isChange, type Route, urlOf } from '../../src/server/http/route.ts'
import { type Got, type Person, sendTo, type TestServer } from '../../src/server/server.fixture.ts'
import { aWholeServer } from './whole-server.fixture.ts'

const ID = '0'.repeat(32)
const TEXTS = [
  '',
  '..',
  '../../../../etc/passwd',
  '..%2f..%2f..%2fetc%2fpasswd',
  '/etc/passwd\0.png',
  '%00',
  '\r\nset-cookie: x=y',
  "' or 1=1; drop table accounts; --",
  '__proto__',
  'constructor',
  '*'.repeat(200),
  `${'(a+)+'.repeat(20)}$`,
  '\u202e\u0000\ud800',
  'x'.repeat(9000),
  '{{7*7}}<script>',
  'W10', // a cursor that is none: []
  'eyJfX3Byb3RvX18iOnsieCI6MX19',
  '9999-12-31T23:59:59.999Z',
  '-1',
  '1e999',
]
const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)
/** As they stand in JSON. */
const VALUES = [
  'null',
  'true',
  '-1',
  '1e999',
  '9007199254740993',
  '1.5e-300',
  '[]',
  '{}',
  deep('[', ']', 2000),
  deep('{"a":', '}', 2000).replace('}', '1}'),
  '{"length":1e9}',
  ...TEXTS.map((text) => JSON.stringify(text)),
]
const BODIES = [
  '',
  'null',
  '[]',
  '"x"',
  '{',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  `{"a":${deep('[', ']', 200_000)}}`,
  `[${'0,'.repeat(100_000)}0]`,
]
/** Bodies that are right, so that what stands deep inside is reached too. */
const GOOD: Readonly<Record<string, object>> = {
  'group.check': {
    name: 'x',
    timeZone: 'UTC',
    members: [{ agentId: ID, path: '/data', name: 'x', selection: { includes: ['/data'], excludes: ['/data/a'], mountPoints: [] } }],
    excludedExtensions: ['.tmp'],
    shortTerm: { retentionDays: 5, recoveryPoints: { kind: 'cron', expression: '0 8 * * *' } },
    blackouts: [{ from: '2026-12-24', until: '2026-12-26' }],
  },
  'retention.simulate': { retentionDays: 5, schedule: { kind: 'cron', expression: '0 8 * * *' }, timeZone: 'UTC', days: 3 },
  'channel.create': { kind: 'webhook', name: 'x', options: { url: 'https://example.org' }, secret: 'x', severities: ['critical'] },
  'audit.verify': { anchor: { sequence: 1, sha256: 'f'.repeat(64) } },
  'account.create': { name: 'x', roles: ['reader'], isOfDirectory: false },
  'recovery.start': { paths: ['L2E='], target: 'L3Q=', overwrite: 'never', dryRun: true, throttle: 1, grant: ID },
}

const keysOf = (shape: z.ZodType | undefined): string[] => Object.keys((shape as { shape?: object } | undefined)?.shape ?? {})

/** Each leaf of it in turn replaced by the text. */
function* spoilt(value: unknown, put: string): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    yield put
    return
  }
  const isList = Array.isArray(value)
  for (const [key, each] of Object.entries(value)) {
    for (const inner of spoilt(each, put)) {
      const parts = Object.entries(value).map(([name, other]) => [name, name === key ? inner : JSON.stringify(other)] as const)
      const text = parts.map(([name, other]) => (isList ? other : `${JSON.stringify(name)}:${other}`)).join(',')
      yield isList ? `[${text}]` : `{${text}}`
    }
    yield isList ? `[${put}]` : `{${JSON.stringify(key)}:${put}}`
  }
}

interface Sent {
  readonly route: Route
  readonly path: string
  readonly body?: string
}

function* attempts(route: Route): Generator<Sent> {
  const url = urlOf(route)
  const plain = url.replace(/:\w+/g, ID)
  if (route.params) for (const text of TEXTS) yield { route, path: url.replace(/:\w+/g, () => encodeURIComponent(text.toWellFormed())) }
  for (const key of keysOf(route.query)) {
    for (const text of TEXTS) yield { route, path: `${plain}?${key}=${encodeURIComponent(text.toWellFormed())}` }
    yield { route, path: `${plain}?${key}=a&${key}=b&__proto__[x]=1&${key}[y]=2` }
  }
  if (!isChange(route)) return
  for (const body of BODIES) yield { route, path: plain, body }
  const good = GOOD[route.name]
  if (good) for (const value of VALUES) for (const body of spoilt(good, value)) yield { route, path: plain, body }
  else
    for (const key of keysOf(route.body))
      for (const value of VALUES) yield { route, path: plain, body: `{${JSON.stringify(key)}:${value}}` }
}

function raw(server: TestServer, person: Person, { route, path, body }: Sent, agent: Agent): Promise<Got> {
  const { address } = server.running()
  const { hostname, port } = new URL(address)
  const version = route.needsVersion ? { 'if-match': '"1"' } : {}
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }
  const headers = { cookie: person.cookie, origin: address, 'terp-csrf': person.csrf, ...version, ...type }
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method: route.method, headers, rejectUnauthorized: false, agent }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString()
        const isJson = /json/.test(answer.headers['content-type'] ?? '') && text !== ''
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** They would end what the rest is asked with. */
const OWN_SESSION = new Set(['session.close', 'session.open', 'session.step-up', 'session.change-password', 'setup.finish', 'event.listen'])
const INSIDE = /node:internal|\.ts:\d+|node_modules|root:x:0|SQLITE_|at async|\[object Object\]/
const PATIENCE_MS = 20_000

test('hostile paths, parameters and bodies on every route break nothing, tell nothing, and take no time', async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  const auditor = await server.running().context.catalog.accounts.findByName('admin')
  assert.ok(auditor)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())
  const clock = systemClock()
  const wrong: string[] = []
  let [asked, longestMs, longest] = [0, 0, '']
  const one = async (sent: Sent) => {
    const begin = clock.monotonicMs()
    const got = await raw(server, admin, sent, agent)
    const tookMs = clock.monotonicMs() - begin
    asked++
    const what = `${sent.route.method} ${sent.path.slice(0, 160)} ${sent.body?.slice(0, 160) ?? ''}`
    if (tookMs > longestMs) [longestMs, longest] = [tookMs, what]
    if (got.status === 500 || got.status < 200) wrong.push(`${what}: ${got.text}`)
    if (got.status >= 400 && got.json?.code === undefined) wrong.push(`${what}: ${got.status} without a code`)
    if (INSIDE.test(got.text) && !/openapi|docs/.test(sent.path)) wrong.push(`${what} tells: ${got.text.slice(0, 300)}`)
    if (Object.keys(got.headers).includes('x') || String(got.headers['set-cookie'] ?? '').includes('x=y'))
      wrong.push(`${what}: a header of it`)
  }
  for (const route of server.running().routes) {
    if (OWN_SESSION.has(route.name) || route.name.startsWith('totp.')) continue
    await admin.stepUp()
    let batch: Promise<void>[] = []
    for (const sent of attempts(route)) {
      batch.push(one(sent))
      if (batch.length < 40) continue
      await Promise.all(batch)
      batch = []
    }
    await Promise.all(batch)
  }
  t.diagnostic(`${asked} requests, the longest ${Math.round(longestMs)} ms: ${longest.slice(0, 120)}`)
  // One of each kind says it.
  assert.deepEqual([...new Map(wrong.map((what) => [what.slice(0, 60), what.slice(0, 500)])).values()].slice(0, 20), [])
  assert.ok(asked > 3000, `${asked}`)
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  assert.ok(longestMs < PATIENCE_MS, `${longest} took ${longestMs} ms`)
  assert.deepEqual(
    server.warnings.filter(({ code }) => code === 'INTERNAL').map(({ message }) => message),
    [],
  )
  assert.equal((await admin.send('/api/v1/audit/verify', { method: 'POST', body: {} })).json.broken, undefined)
})

/** Bytes as they are, over TLS; what came back until the other side hung up. */
function speak(server: TestServer, bytes: string): Promise<string> {
  const { hostname, port } = new URL(server.running().address)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => socket.write(bytes))
    let text = ''
    socket.on('data', (part: Buffer) => {
      text += part.toString()
    })
    // Who is refused may be hung up on while he still talks.
    socket.on('error', (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || error.code === 'EPIPE' || reject(error))
    socket.on('close', () => resolve(text))
  })
}

test('a request that two readers would take for different ones is none', async (t) => {
  const { server } = await aWholeServer(t)
  const line = 'POST /api/v1/session HTTP/1.1\r\nhost: x\r\n'
  const smuggled = 'GET /api/v1/setup HTTP/1.1\r\nhost: x\r\n\r\n'
  for (const [what, bytes] of Object.entries({
    'both lengths': `${line}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'two lengths': `${line}content-length: 4\r\ncontent-length: 5\r\n\r\nabcd${smuggled}`,
    'an odd encoding': `${line}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'a bare line feed': `${line}x: y\ncontent-length: 4\n\nabcd${smuggled}`,
    'a folded header': `${line}x: y\r\n content-length: 4\r\n\r\n`,
    'a chunk of a wrong size': `${line}transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    'a zero in a header': `${line}x: a\0b\r\n\r\n`,
    'headers without end': `${line}${'x: y\r\n'.repeat(20_000)}\r\n`,
    'no host': 'GET /api/v1/setup HTTP/1.1\r\n\r\n',
  })) {
    const told = await speak(server, bytes)
    assert.match(told, /^(HTTP\/1\.1 4(00|31) |$)/, `${what}: ${told.slice(0, 200)}`)
    assert.ok(!told.includes('"isDone"'), `${what}: the second one was answered`)
  }
})

test('methods that no route has, paths that lead elsewhere, and other origins get nothing', async (t) => {
  const { server } = await aWholeServer(t)
  const { address } = server.running()
  for (const method of ['OPTIONS', 'TRACE', 'HEAD', 'PROPFIND', 'PATCH']) {
    const got = await sendTo(address, '/api/v1/accounts', {
      method,
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    })
    assert.ok(got.status >= 400, `${method}: ${got.status}`)
    for (const name of Object.keys(got.headers)) assert.ok(!name.startsWith('access-control'), name)
  }
  for (const path of [
    '/api/docs/static/..%2f..%2f..%2f..%2fpackage.json',
    '/api/docs/static/%2e%2e/%2e%2e/%2e%2e/package.json',
    '/api/docs/static/..\\..\\package.json',
    '/api/docs/..;/..;/etc/passwd',
    '/api/v1/../../etc/passwd',
    '//etc/passwd',
    '/%c0%ae%c0%ae/etc/passwd',
    '/.git/config',
    '/api/v1/accounts/%ff',
  ]) {
    const got = await sendTo(address, path)
    assert.ok(got.status >= 400 && got.status < 500, `${path}: ${got.status}`)
    assert.ok(!/root:x|"dependencies"|repositoryformat/.test(got.text), path)
  }
})

test('names of this server that the caller makes up lead nowhere', async (t) => {
  const { server } = await aWholeServer(t)
  const admin = await server.administrator()
  for (const host of ['x y', '[', 'evil.example:99999', 'a"b', '']) {
    const headers = { host, origin: `https://${host}` }
    const got = await admin.send('/api/v1/session/totp', { method: 'POST', headers })
    assert.notEqual(got.status, 500, `${host}: ${got.text}`)
    assert.ok(!got.text.includes('<'), got.text)
  }
  assert.deepEqual(
    server.warnings.filter(({ code }) => code === 'INTERNAL').map(({ message }) => message),
    [],
  )
})

test('a body of more than its route takes is refused before it is read', async (t) => {
  const { server } = await aWholeServer(t)
  const told = await speak(
    server,
    `POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${1 << 30}\r\n\r\n{`,
  )
  assert.match(told, /^HTTP\/1\.1 413 /)
  // Nor does a stranger make the server read what is not too large.
  const stranger = await speak(
    server,
    'POST /api/v1/accounts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n{',
  )
  assert.match(stranger, /^HTTP\/1\.1 401 /)
})
