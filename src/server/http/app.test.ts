import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { validate } from '@readme/openapi-parser'
import { hasCode } from '../../base/errors.ts'
import { aServer, type TestServer } from '../server.fixture.ts'

test('the description of the API is a valid OpenAPI 3.1 document with every route', async (t) => {
  const server = await aServer(t)
  const { json } = await server.send('/api/v1/openapi.json')
  assert.equal(json.openapi, '3.1.0')
  const result = await validate(structuredClone(json))
  assert.ok(result.valid, JSON.stringify(result).slice(0, 2000))
  for (const route of server.running().routes) {
    const path = route.path.startsWith('//') ? route.path.slice(1) : `/api/v1${route.path}`.replace(/:(\w+)/g, '{$1}')
    assert.equal(json.paths[path]?.[route.method.toLowerCase()]?.operationId, route.name)
  }
  const created = json.paths['/api/v1/tokens'].post
  assert.deepEqual(created.requestBody.content['application/json'].schema.required, ['name', 'roles'])
  assert.ok(created.responses['201'].content['application/json'].schema.properties.secret)
  assert.ok(created.responses.default.content['application/problem+json'].schema)
})

test('the page that shows it needs nothing from elsewhere', async (t) => {
  const server = await aServer(t)
  const page = await server.send('/api/docs/')
  assert.equal(page.status, 200)
  assert.match(String(page.headers['content-security-policy']), /default-src 'self'/)
  for (const [, link = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.ok(!/^(https?:)?\/\//.test(link), link)
    assert.equal((await server.send(new URL(link, 'https://x/api/docs/').pathname)).status, 200, link)
  }
})

test('TLS is 1.3, with the certificate that was made at the first start', async (t) => {
  const server = await aServer(t)
  const { fingerprint } = server.running()
  assert.equal((await stat(join(server.dataFolder, 'tls/key.pem'))).mode & 0o777, 0o600)
  const socket = await dial(server)
  assert.equal(socket.getProtocol(), 'TLSv1.3')
  const certificate = new X509Certificate(socket.getPeerCertificate().raw)
  assert.equal(certificate.fingerprint256, fingerprint)
  assert.match(String(certificate.subjectAltName), /DNS:localhost.*IP Address:127\.0\.0\.1/)
  assert.ok(certificate.verify(certificate.publicKey))
  socket.destroy()
  await assert.rejects(dial(server, { maxVersion: 'TLSv1.2' }))
  await server.restart()
  assert.equal(server.running().fingerprint, fingerprint)
})

test('a given certificate is taken, and one without its key refused', async (t) => {
  const first = await aServer(t)
  const at = (name: string) => join(first.dataFolder, 'tls', name)
  const given = { certificatePath: at('certificate.pem'), keyPath: at('key.pem') }
  const server = await aServer(t, { certificate: given })
  assert.equal(server.running().fingerprint, first.running().fingerprint)
  const other = join(server.dataFolder, 'LOCK')
  await assert.rejects(aServer(t, { certificate: { ...given, keyPath: other } }), (error) => hasCode(error, 'SERVER_CERTIFICATE_INVALID'))
  await assert.rejects(aServer(t, { certificate: { ...given, keyPath: '/nowhere' } }), (error) =>
    hasCode(error, 'SERVER_CERTIFICATE_INVALID'),
  )
})

test('errors are problems, without anything of the inside', async (t) => {
  const server = await aServer(t)
  const gone = await server.send('/api/v1/nothing')
  assert.equal(gone.status, 404)
  assert.match(String(gone.headers['content-type']), /^application\/problem\+json/)
  assert.equal(gone.headers['terp-code'], 'API_ROUTE_NOT_FOUND')
  assert.deepEqual(Object.keys(gone.json).sort(), [
    'code',
    'context',
    'detail',
    'hint',
    'kind',
    'requestId',
    'retry',
    'status',
    'title',
    'type',
  ])

  const bad = await server.send('/api/v1/session', { method: 'POST', body: { name: 'x', password: 'p', totp: '12' } })
  assert.equal(bad.json.code, 'API_REQUEST_INVALID')
  assert.match(bad.json.detail, /totp: must be 6 digits/)
  const large = await server.send('/api/v1/session', { method: 'POST', body: { name: 'x', password: 'x'.repeat(1 << 21) } })
  assert.equal(large.status, 413)

  // Something that breaks inside.
  const { catalog } = server.running().context
  const find = catalog.accounts.count
  catalog.accounts.count = async () => {
    throw new Error('secret path /root/x')
  }
  const broken = await server.send('/api/v1/setup')
  catalog.accounts.count = find
  assert.equal(broken.status, 500)
  assert.equal(broken.json.code, 'INTERNAL')
  assert.ok(!broken.text.includes('secret') && !broken.text.includes('at '), broken.text)
  assert.ok(server.warnings.some((warning) => warning.message.includes(broken.json.requestId) && warning.message.includes('secret path')))
})

test('every answer tells browsers to be careful', async (t) => {
  const server = await aServer(t)
  for (const path of ['/healthz', '/api/v1/nothing', '/api/v1/accounts', '/api/v1/openapi.json']) {
    const { headers } = await server.send(path)
    assert.match(String(headers['content-security-policy']), /^default-src 'self';.*frame-ancestors 'none'/, path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.equal(headers['referrer-policy'], 'no-referrer', path)
    assert.equal(headers['access-control-allow-origin'], undefined, path)
  }
})

test('health is open, and why the server is not ready is told to who is signed in', async (t) => {
  const server = await aServer(t)
  assert.deepEqual((await server.send('/healthz')).json, { status: 'ok' })
  assert.deepEqual((await server.send('/readyz')).json, { status: 'ready', reasons: [] })
})

test('metrics are for who has a role, and have the names that rules go by', async (t) => {
  const server = await aServer(t)
  assert.equal((await server.send('/metrics')).status, 401)
  const bob = await server.person('bob', ['reader'])
  const { secret } = (await bob.send('/api/v1/tokens', { method: 'POST', body: { name: 'prometheus', roles: ['reader'] } })).json
  const { metrics } = server.running().context
  metrics.poolFree.set({ pool: 'one' }, 17)
  metrics.onCollect(() => metrics.poolFree.inc({ pool: 'one' }, 1))
  await server.running().context.catalog.alerts.raise({
    code: 'TEST',
    severity: 'critical',
    subject: { kind: 'server', id: '' },
    subjectName: 'server',
    message: 'for a test',
    hint: 'none',
  })
  const got = await server.send('/metrics', { headers: { authorization: `Bearer ${secret}` } })
  assert.equal(got.status, 200)
  assert.match(String(got.headers['content-type']), /^text\/plain/)
  for (const line of [
    /^terp_build_info\{version="0.0.0-test"\} 1$/m,
    /^terp_pool_free_bytes\{pool="one"\} 18$/m,
    /^terp_alerts_active\{severity="critical"\} 1$/m,
    /^terp_alerts_active\{severity="warning"\} 0$/m,
    /^terp_nodejs_eventloop_lag_p99_seconds/m,
    /^terp_http_request_duration_seconds_count\{/m,
  ]) {
    assert.match(got.text, line)
  }
})

test('a setting is changed by who read it last', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const read = await admin.send('/api/v1/settings/general')
  assert.deepEqual(read.json, { serverName: 'Terp', timeZone: 'UTC' })
  assert.equal(read.headers.etag, '"0"')
  const put = (body: object, version: string) =>
    admin.send('/api/v1/settings/general', { method: 'PUT', body, headers: { 'if-match': version } })
  assert.equal((await put({ timeZone: 'Europe/Nowhere' }, '"0"')).json.code, 'API_REQUEST_INVALID')
  assert.equal((await put({ unknown: 1 }, '"0"')).json.code, 'API_REQUEST_INVALID')
  const done = await put({ serverName: 'Main', timeZone: 'Europe/Amsterdam' }, '"0"')
  assert.equal(done.headers.etag, '"1"')
  assert.equal((await put({ serverName: 'Other' }, '"0"')).json.code, 'CATALOG_VERSION_CONFLICT')
  const audit = await admin.send('/api/v1/audit?action=settings.change')
  assert.deepEqual(audit.json.items[0].details, { after: { serverName: 'Main', timeZone: 'Europe/Amsterdam' } })
})

test('what happens is heard, also what happened during a break, until the session ends', async (t) => {
  const server = await aServer(t)
  const bob = await server.person('bob', ['reader'])
  const { events } = server.running().context
  const listener = await listen(server, '/api/v1/events?topics=job', { cookie: bob.cookie })
  events.publish('alert', { n: 0 })
  events.publish('job', { n: 1 })
  await listener.until(/data: \{"n":1\}/)
  assert.ok(!listener.text().includes('"n":0'))
  const id = /id: (\S+)/.exec(listener.text())?.[1] ?? ''
  listener.close()
  events.publish('job', { n: 2 })
  const again = await listen(server, '/api/v1/events?topics=job', { cookie: bob.cookie, 'last-event-id': id })
  await again.until(/data: \{"n":2\}/)
  assert.ok(!again.text().includes('"n":1'))
  await bob.send('/api/v1/session', { method: 'DELETE' })
  server.clock.advance(15_000)
  await again.ended
  assert.equal(events.listeners, 0)
})

test('who may know of some groups hears of those only', async (t) => {
  const server = await aServer(t)
  const bob = await server.person('bob', ['reader'])
  const group = 'a'.repeat(32)
  const body = { name: 'x', roles: ['reader'], groups: [group] }
  const { secret } = (await bob.send('/api/v1/tokens', { method: 'POST', body })).json
  const { events } = server.running().context
  const listener = await listen(server, '/api/v1/events', { authorization: `Bearer ${secret}` })
  events.publish('job', { n: 1 }, 'b'.repeat(32))
  events.publish('job', { n: 2 })
  events.publish('job', { n: 3 }, group)
  await listener.until(/"n":3/)
  assert.ok(!/"n":[12]/.test(listener.text()))
  listener.close()
})

test('a stop ends what is open', async (t) => {
  const server = await aServer(t)
  const bob = await server.person('bob', ['reader'])
  const listener = await listen(server, '/api/v1/events', { cookie: bob.cookie })
  await server.restart()
  await listener.ended
})

function dial(server: TestServer, options: object = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(server.running().address)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ...options }, () => resolve(socket))
    socket.once('error', reject)
  })
}

interface Listener {
  text(): string
  until(pattern: RegExp): Promise<void>
  readonly ended: Promise<void>
  close(): void
}

function listen(server: TestServer, path: string, headers: Record<string, string>): Promise<Listener> {
  const { hostname, port } = new URL(server.running().address)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, rejectUnauthorized: false, agent: false }, (response) => {
      let text = ''
      let look = () => {}
      response.on('data', (part: Buffer) => {
        text += part.toString('utf8')
        look()
      })
      response.on('error', () => {})
      const ended = new Promise<void>((done) => response.once('close', done))
      const until = (pattern: RegExp) =>
        new Promise<void>((found) => {
          look = () => {
            if (pattern.test(text)) found()
          }
          look()
        })
      resolve({ text: () => text, until, ended, close: () => sent.destroy() })
    })
    sent.once('error', reject)
    sent.end()
  })
}
