/** Networks that fail and vaults that lie. Against a real vault, the contract included: src/vault/vault-store.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, fromTimestamp } from '../base/clock.ts'
import { hasCode, isKind } from '../base/errors.ts'
import { type Operation, startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import { makeSigningKey, privateKeyText, sha256Hex } from '../wire/index.ts'
import type { ObjectInfo } from './object-store.ts'
import { VaultStore } from './vault-store.ts'

interface Call {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: unknown
}

type Reply = Response | Error | (() => Promise<Response>)

/** Sleeps take no time, but are noted; each makes the clock go on. */
function impatient(signal?: AbortSignal): { op: Operation; waitsMs: number[] } {
  const waitsMs: number[] = []
  let nowMs = fromTimestamp('2026-11-22T10:00:00.000Z')
  const sleep = async (ms: number) => {
    waitsMs.push(ms)
    nowMs += ms
  }
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep }
  return { op: startOperation({ clock, random: seededRandom('impatient'), ...(signal && { signal }) }), waitsMs }
}

const key = makeSigningKey(seededRandom('key'))
const serverId = 'ab'.repeat(16)

function storeWith(replies: Reply[], access: { bearerToken?: string } = {}): { store: VaultStore; calls: Call[] } {
  const calls: Call[] = []
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    calls.push({ url, method: init.method ?? '', headers: new Headers(init.headers), body: init.body })
    const reply = replies.shift()
    assert.ok(reply, 'no more requests were expected')
    if (reply instanceof Error) throw reply
    return typeof reply === 'function' ? await reply() : reply
  }
  const url = 'http://vault.example:1234/'
  const { bearerToken } = access
  const store = new VaultStore(
    bearerToken === undefined ? { url, serverId, privateKey: privateKeyText(key) } : { url, serverId, bearerToken },
    fetch,
  )
  return { store, calls }
}

const down = () => new TypeError('fetch failed')
const stored = () => Response.json({ result: 'stored' }, { status: 201 })

function problem(status: number, code: string, kind: string, retry = 'never'): Response {
  const body = { type: `urn:terp:error:${code}`, title: code, status, detail: 'no', code, kind, retry, hint: 'do something' }
  return Response.json(body, { status, headers: { 'content-type': 'application/problem+json', 'terp-code': code } })
}

async function list(store: VaultStore, op: Operation, prefix = ''): Promise<ObjectInfo[]> {
  const all: ObjectInfo[] = []
  for await (const info of store.list(op, prefix)) all.push(info)
  return all
}

test('a network that is down for a while is waited for, longer each time', async () => {
  const { op, waitsMs } = impatient()
  const { store, calls } = storeWith([down(), new Response('', { status: 502 }), new Response('', { status: 429 }), down(), stored()])
  assert.equal(await store.put(op, 'conf/a', Buffer.from('x')), 'stored')
  assert.equal(calls.length, 5)
  assert.deepEqual(
    waitsMs.map((ms) => ms > 0),
    [true, true, true, true],
  )
  for (const [n, ms] of waitsMs.entries()) assert.ok(ms >= 750 * 2 ** n && ms <= 1250 * 2 ** n, `${ms}`)
})

test('a network that stays down is given up after five tries', async () => {
  const { op, waitsMs } = impatient()
  const { store, calls } = storeWith(Array.from({ length: 5 }, down))
  await assert.rejects(store.get(op, 'conf/a'), (error) => hasCode(error, 'VAULT_UNREACHABLE') && isKind(error, 'unavailable'))
  assert.equal(calls.length, 5)
  assert.ok(waitsMs.reduce((sum, ms) => sum + ms, 0) < 20_000)
})

test('each try is signed anew, at its own time', async () => {
  const { op } = impatient()
  const { store, calls } = storeWith([down(), stored()])
  await store.put(op, 'conf/a', Buffer.from('x'))
  const [first, second] = calls
  assert.notEqual(first?.headers.get('terp-time'), second?.headers.get('terp-time'))
  assert.notEqual(first?.headers.get('terp-signature'), second?.headers.get('terp-signature'))
  assert.equal(second?.headers.get('terp-content-sha256'), sha256Hex('x'))
  assert.equal(second?.headers.get('if-none-match'), '*')
  assert.equal(second?.url, `http://vault.example:1234/api/v1/servers/${serverId}/objects/conf/a`)
})

test('an answer that breaks off is asked for again', async () => {
  const { op } = impatient()
  const broken = new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError('terminated')) }))
  const { store } = storeWith([broken, new Response('whole')])
  assert.equal((await store.get(op, 'conf/a')).toString(), 'whole')
})

test('what the vault refuses is not tried again, unless it says so', async () => {
  const { op } = impatient()
  for (const [status, code, kind] of [
    [403, 'VAULT_SERVER_FORBIDDEN', 'forbidden'],
    [409, 'VAULT_PACKS_MISSING', 'conflict'],
    [507, 'VAULT_FULL', 'exhausted'],
    [503, 'VAULT_STORE_FAILED', 'unavailable'],
  ] as const) {
    const { store, calls } = storeWith([problem(status, code, kind)])
    await assert.rejects(store.put(op, 'conf/a', Buffer.from('x')), (error) => hasCode(error, code) && isKind(error, kind))
    assert.equal(calls.length, 1)
  }
  const { store } = storeWith([problem(503, 'VAULT_STOPPING', 'unavailable', 'later'), stored()])
  assert.equal(await store.put(op, 'conf/a', Buffer.from('x')), 'stored')
})

test('cancelling ends the waiting, and is no failure of the vault', async () => {
  const controller = new AbortController()
  const { op } = impatient(controller.signal)
  const { store, calls } = storeWith([
    async () => {
      controller.abort()
      throw new DOMException('aborted', 'AbortError')
    },
  ])
  await assert.rejects(store.get(op, 'conf/a'), (error) => hasCode(error, 'CANCELLED'))
  assert.equal(calls.length, 1)
})

test('a range of another length than was asked for is refused', async () => {
  const { op } = impatient()
  for (const reply of [
    new Response('123', { status: 206 }),
    new Response('12345', { status: 206 }),
    new Response('1234', { status: 200 }),
  ]) {
    const { store } = storeWith([reply])
    await assert.rejects(store.get(op, 'conf/a', { offset: 0, length: 4 }), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'))
  }
})

test('only the vault itself can say that an object is missing', async () => {
  const { op } = impatient()
  const missing = storeWith([new Response(null, { status: 404, headers: { 'terp-code': 'STORAGE_OBJECT_NOT_FOUND' } })])
  assert.equal(await missing.store.head(op, 'conf/a'), undefined)
  const strangers = [new Response(null, { status: 404 }), new Response('<html>', { status: 404 }), new Response(null, { status: 302 })]
  for (const reply of strangers) {
    const { store } = storeWith([reply])
    await assert.rejects(store.head(op, 'conf/a'), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'))
  }
  const proxy = storeWith([new Response('<html>login</html>', { status: 200 })])
  await assert.rejects(proxy.store.put(op, 'conf/a', Buffer.from('x')), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'))
})

test('a list goes on until its last page', async () => {
  const { op } = impatient()
  const info = (name: string) => ({ name, sizeBytes: 1 })
  const { store, calls } = storeWith([
    Response.json({ objects: [info('conf/1'), info('conf/2')], next: 'conf/2' }),
    Response.json({ objects: [info('conf/3')], next: null }),
  ])
  assert.deepEqual(await list(store, op, 'conf/'), [info('conf/1'), info('conf/2'), info('conf/3')])
  assert.match(calls[1]?.url ?? '', /\?prefix=conf%2F&after=conf%2F2$/)
})

test('a list that is not complete, not in order, or names what is no object is refused', async () => {
  const { op } = impatient()
  const info = (name: string) => ({ name, sizeBytes: 1 })
  const lies = [
    { objects: [info('conf/1')] },
    { objects: [info('conf/2'), info('conf/1')], next: null },
    { objects: [info('conf/1'), info('conf/1')], next: null },
    { objects: [info('keys/1')], next: null },
    { objects: [info('conf/../../etc')], next: null },
    { objects: [info('conf/1')], next: 'conf/0' },
    { objects: [], next: 'conf/1' },
    { objects: [{ name: 'conf/1', sizeBytes: -1 }], next: null },
    { objects: 'many', next: null },
  ]
  for (const lie of lies) {
    const { store } = storeWith([Response.json(lie)])
    await assert.rejects(list(store, op, 'conf/'), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'), JSON.stringify(lie))
  }
})

test('a vault cannot make its client raise any code it likes', async () => {
  const { op } = impatient()
  for (const code of ['CANCELLED', 'REPOSITORY_KEY_WRONG', 'lower', '']) {
    const { store } = storeWith([problem(404, code, 'cancelled')])
    await assert.rejects(store.get(op, 'conf/a'), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'))
  }
})

test('a recovery session sends its token and no signature, and the token is told to nobody else', async () => {
  const { op } = impatient()
  const { store, calls } = storeWith(
    [new Response('x'), new Response(null, { status: 307, headers: { location: 'http://evil.example/' } })],
    {
      bearerToken: 'secret',
    },
  )
  await store.get(op, 'conf/a')
  assert.equal(calls[0]?.headers.get('authorization'), 'Bearer secret')
  assert.equal(calls[0]?.headers.get('terp-signature'), null)
  await assert.rejects(store.get(op, 'conf/a'), (error) => hasCode(error, 'VAULT_ANSWER_INVALID'))
  assert.equal(calls.length, 2)
  assert.doesNotMatch(store.description, /secret/)
})

test('bytes in shared memory can be sent', async () => {
  const { op } = impatient()
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(65)
  const { store, calls } = storeWith([stored()])
  await store.put(op, 'conf/a', shared)
  assert.deepEqual(calls[0]?.body, new Uint8Array([65, 65, 65, 65]))
})
