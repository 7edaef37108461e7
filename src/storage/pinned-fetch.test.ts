/** Connections to a server that is known by its key: when they are kept, and when the other side is taken for dead. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { letOthersRun, systemClock } from '../base/clock.ts'
import { hasCode } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import { makeCertificate } from '../certificates/index.ts'
import { type PinnedFetchOptions, type PinnedIdentity, pinnedFetch, publicKeySha256 } from './pinned-fetch.ts'
import { aThrottle, paceOf, pieceBytes } from './throttle.ts'

interface TestServer {
  readonly url: string
  readonly identity: PinnedIdentity
  readonly requests: IncomingMessage[]
  readonly connections: Set<Socket>
}

async function aServer(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<TestServer> {
  const made = (algorithm: 'ed25519' | 'p-256') =>
    makeCertificate({ name: 'x', hosts: ['127.0.0.1'], random: systemRandom(), nowMs: systemClock().nowMs(), algorithm })
  const [own, client] = [await made('p-256'), await made('ed25519')]
  const requests: IncomingMessage[] = []
  const connections = new Set<Socket>()
  const tls = { cert: own.certificate, key: own.privateKey, requestCert: true, rejectUnauthorized: false }
  const server = createServer(tls, (request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.on('secureConnection', (socket) => connections.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}/`, identity: { ...client, server: publicKeySha256(own.certificate) }, requests, connections }
}

async function ask(server: TestServer, init: RequestInit = {}, options: PinnedFetchOptions = {}): Promise<Buffer> {
  return Buffer.from(await (await pinnedFetch(server.identity, options)(server.url, init)).arrayBuffer())
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  request.pipe(response)
}

test('one connection serves one request after the other', async (t) => {
  const server = await aServer(t, echo)
  const fetch = pinnedFetch(server.identity)
  for (const text of ['one', 'two', 'three']) {
    const answer = await fetch(server.url, { method: 'PUT', body: new TextEncoder().encode(text) })
    assert.equal(Buffer.from(await answer.arrayBuffer()).toString(), text)
  }
  assert.equal(server.connections.size, 1)
})

test('a server with another key is told nothing', async (t) => {
  const server = await aServer(t, echo)
  const fetch = pinnedFetch({ ...server.identity, server: '0'.repeat(64) })
  await assert.rejects(fetch(server.url, { method: 'PUT', body: new TextEncoder().encode('secret') }), (error) =>
    hasCode(error, 'SERVER_KEY_WRONG'),
  )
  assert.equal(server.requests.length, 0)
})

test('bodies of many megabytes come back as they went', async (t) => {
  const server = await aServer(t, echo)
  const body = new Uint8Array(systemRandom().bytes(20_000_001))
  assert.ok((await ask(server, { method: 'PUT', body })).equals(Buffer.from(body.buffer)))
})

test('a server that falls silent, before or within its answer, counts as dead', async (t) => {
  const silent = await aServer(t, () => {})
  await assert.rejects(ask(silent, {}, { silenceMs: 100 }), /fell silent/)
  const half = await aServer(t, (_, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half')
  })
  await assert.rejects(ask(half, {}, { silenceMs: 100 }))
})

test('a server may take its time for a pack, and no longer than that; for anything else it may not', async (t) => {
  const slow = await aServer(t, (request, response) => {
    request.resume()
    void systemClock()
      .sleep(1000)
      .then(() => response.end('done'))
  })
  const pack = { method: 'PUT', body: new Uint8Array(100_000) }
  assert.equal((await ask(slow, pack, { silenceMs: 100, workMs: 60_000 })).toString(), 'done')
  await assert.rejects(ask(slow, pack, { silenceMs: 60_000, workMs: 100 }), /fell silent/)
  await assert.rejects(ask(slow, { method: 'PUT', body: new Uint8Array(100) }, { silenceMs: 100, workMs: 60_000 }), /fell silent/)
})

test('an answer that is cut off is none', async (t) => {
  const server = await aServer(t, (_, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half')
    void systemClock()
      .sleep(20)
      .then(() => response.destroy())
  })
  await assert.rejects(ask(server))
})

test('an answer longer than any object is not read to its end', async (t) => {
  const server = await aServer(t, (_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(1_000_000)));
      response.once('drain', more)
    }
    more()
  })
  await assert.rejects(ask(server), /longer/)
})

test('a request ends with its signal', async (t) => {
  const server = await aServer(t, () => {})
  const over = new AbortController()
  const ended = assert.rejects(ask(server, { signal: over.signal }))
  await systemClock().sleep(50)
  over.abort()
  await ended
})

test('the answer to HEAD says how long the object is, and has none of it', async (t) => {
  const server = await aServer(t, (_, response) => {
    response.writeHead(200, { 'content-length': '5000000' })
    response.end()
  })
  const answer = await pinnedFetch(server.identity)(server.url, { method: 'HEAD' })
  assert.equal(answer.headers.get('content-length'), '5000000')
  assert.equal((await answer.arrayBuffer()).byteLength, 0)
})

test('a throttle is exact within 5 %, for what goes out and comes in, by several at once', async (t) => {
  const server = await aServer(t, echo)
  // Time passes only where the throttle waits: so it is measured, and not how busy this machine is.
  let nowMs = 1_000_000
  const sleep = async (ms: number) => {
    const until = nowMs + ms
    await letOthersRun()
    nowMs = Math.max(nowMs, until)
  }
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep }
  const throttle = aThrottle(2_000_000)
  const body = new Uint8Array(500_000)
  const startMs = nowMs
  // Two that know nothing of each other but the throttle, as threads do. Each byte goes there and comes back.
  await Promise.all(
    [0, 1].map(() => ask(server, { method: 'PUT', body }, { pace: paceOf(throttle, clock), pieceBytes: pieceBytes(throttle) })),
  )
  const seconds = (nowMs - startMs) / 1000
  assert.ok(seconds >= 1 * 0.95 && seconds <= 1.05, `${seconds} s for 2 MB at 2 MB/s`)
})
