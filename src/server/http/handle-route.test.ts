/** What the application does for every route: keys, versions, the audit log. With routes that exist here only. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { z } from 'zod'
import { serverError } from '../errors.ts'
import { aServer } from '../server.fixture.ts'
import { everyRole, type Route, route } from './route.ts'

function testRoutes(calls: string[]): Route[] {
  const access = { who: 'roles', roles: everyRole, scope: 'server' } as const
  const common = { tag: 'Test', summary: 'For a test.', access } as const
  return [
    route({
      ...common,
      method: 'POST',
      path: '/things',
      name: 'thing.create',
      body: z.object({ name: z.string() }),
      answer: z.object({ id: z.string() }),
      status: 201,
      async handle({ body }) {
        calls.push(body.name)
        if (body.name === 'refused') throw serverError('API_REQUEST_INVALID', 'refused')
        if (body.name === 'broken') throw new Error('broken')
        return { body: { id: `${body.name}-${calls.length}`, secret: 'not in the shape' } as { id: string }, location: '/api/v1/things/1' }
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/file',
      name: 'thing.download',
      stream: 'file',
      handle: async () => ({ file: { name: 'été "1".zip', type: 'application/zip', content: Readable.from(['abc', 'def']) } }),
    }),
  ]
}

async function aServerWithThings(t: Parameters<typeof aServer>[0]) {
  const calls: string[] = []
  const server = await aServer(t, { parts: [async () => ({ routes: testRoutes(calls), isReady: async () => ['the pool is away'] })] })
  return { server, calls, admin: await server.administrator() }
}

test('a request that is sent twice with one key is done once, and answered the same, over a restart too', async (t) => {
  const { server, calls, admin } = await aServerWithThings(t)
  const send = (name: string, key: string) =>
    admin.send('/api/v1/things', { method: 'POST', body: { name }, headers: { 'idempotency-key': key } })
  const first = await send('a', 'k1')
  assert.equal(first.status, 201)
  assert.deepEqual(first.json, { id: 'a-1' })
  await server.restart()
  const again = await send('a', 'k1')
  assert.equal(again.status, 201)
  assert.equal(again.text, first.text)
  assert.equal(again.headers.location, first.headers.location)
  assert.deepEqual(calls, ['a'])
  assert.equal((await send('b', 'k1')).json.code, 'API_KEY_REUSED')
  assert.equal((await send('b', 'k2')).json.id, 'b-2')
  assert.equal((await send('b', 'x'.repeat(201))).json.code, 'API_REQUEST_INVALID')
})

test('a refusal leaves the key free, and what broke keeps it', async (t) => {
  const { calls, admin } = await aServerWithThings(t)
  const send = (name: string) => admin.send('/api/v1/things', { method: 'POST', body: { name }, headers: { 'idempotency-key': name } })
  assert.equal((await send('refused')).status, 400)
  assert.equal((await send('refused')).status, 400)
  assert.equal((await send('broken')).status, 500)
  assert.equal((await send('broken')).json.code, 'API_KEY_RUNNING')
  assert.deepEqual(calls, ['refused', 'refused', 'broken'])
})

test('keys of two people have nothing to do with each other', async (t) => {
  const { server, calls, admin } = await aServerWithThings(t)
  const bob = await server.person('bob', ['reader'])
  const sent = { method: 'POST', body: { name: 'a' }, headers: { 'idempotency-key': 'k1' } }
  await admin.send('/api/v1/things', sent)
  assert.equal((await bob.send('/api/v1/things', sent)).json.id, 'a-2')
  assert.deepEqual(calls, ['a', 'a'])
})

test('a change that its route did not record is in the audit log all the same, and so is one that was refused', async (t) => {
  const { server, admin } = await aServerWithThings(t)
  await admin.send('/api/v1/things', { method: 'POST', body: { name: 'a' } })
  const bob = await server.person('bob', ['reader'])
  await bob.send('/api/v1/accounts', { method: 'POST', body: { name: 'x', roles: ['reader'] } })
  const { items } = (await admin.send('/api/v1/audit')).json
  const told = items.map((entry: { actor: { name: string }; action: string; outcome: string }) =>
    [entry.actor.name, entry.action, entry.outcome].join(' '),
  )
  assert.ok(told.includes('admin thing.create done'), told.join(', '))
  assert.ok(told.includes('bob account.create refused'), told.join(', '))
  const verdict = await admin.send('/api/v1/audit/verify', { method: 'POST', body: {} })
  assert.equal(verdict.json.broken, undefined)
  assert.ok(verdict.json.entries > 5)
})

test('a file is streamed, under its name', async (t) => {
  const { admin } = await aServerWithThings(t)
  const got = await admin.send('/api/v1/file')
  assert.equal(got.text, 'abcdef')
  assert.equal(got.headers['content-disposition'], `attachment; filename="_t_ _1_.zip"; filename*=UTF-8''%C3%A9t%C3%A9%20%221%22.zip`)
})

test('why a part is not ready is told to who is signed in', async (t) => {
  const { server, admin } = await aServerWithThings(t)
  const open = await server.send('/readyz')
  assert.equal(open.status, 503)
  assert.deepEqual(open.json, { status: 'not-ready', reasons: [] })
  assert.deepEqual((await admin.send('/readyz')).json.reasons, ['the pool is away'])
})
