/** Connections cost something, also those of somebody who only holds them: whoever is not known gets little time. */
import assert from 'node:assert/strict'
import type { Server } from 'node:https'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { systemClock } from '../../src/base/clock.ts'
import { makeCertificate } from '../../src/certificates/index.ts'
import { makeApp } from '../../src/server/http/app.ts'
import { agentPaths } from '../../src/wire/index.ts'
import { aWholeServer } from './whole-server.fixture.ts'

interface Held {
  text(): string
  readonly closed: Promise<void>
}

async function hold(url: string, bytes: string): Promise<Held> {
  const { hostname, port } = new URL(url)
  let text = ''
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
  socket.on('data', (part: Buffer) => {
    text += part.toString()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  return { text: () => text, closed }
}

test('headers have 20 seconds, a request has a minute, and a handshake ten seconds', async (t) => {
  const { server } = await aWholeServer(t)
  const { context } = server.running()
  const { random } = context.op
  const made = await makeCertificate({ name: 'x', hosts: ['localhost'], random, nowMs: context.op.clock.nowMs(), algorithm: 'p-256' })
  const app = await makeApp(context, { routes: [], ...made })
  t.after(() => app.close())
  const { requestTimeout, headersTimeout, keepAliveTimeout } = app.server as unknown as Server
  assert.deepEqual([requestTimeout, headersTimeout], [60_000, 20_000])
  assert.ok(keepAliveTimeout <= 120_000)
})

test('a stranger who sends the body of a pack or of an enrolment drop by drop is hung up on', async (t) => {
  const { server, whole } = await aWholeServer(t)
  const { agentAddress } = whole()
  const clock = systemClock()
  const object = agentPaths.object('0'.repeat(32), `packs/${'0'.repeat(64)}.pack`)
  const pack = await hold(
    agentAddress,
    `PUT ${object} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: 70000000\r\n\r\nabc`,
  )
  await pack.closed
  assert.match(pack.text(), /^HTTP\/1\.1 401 /)
  assert.match(pack.text(), /AGENT_UNKNOWN/)

  const enrolment = await hold(
    agentAddress,
    `POST ${agentPaths.enrolments} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"token"`,
  )
  let isClosed = false
  const closed = enrolment.closed.then(() => {
    isClosed = true
  })
  // Until the request was seen; then its time is over at once.
  for (let tries = 0; !isClosed && tries < 200; tries++) {
    server.clock.advance(1000)
    await Promise.race([closed, clock.sleep(50)])
  }
  assert.ok(isClosed)
})

test('neither port takes up a TLS session of before', async (t) => {
  const { server, whole } = await aWholeServer(t)
  for (const url of [server.running().address, whole().agentAddress]) {
    const first = await converse(url)
    // What is handed out is the number of a session that nobody keeps.
    const second = await converse(url, first.session)
    assert.deepEqual([first.isReused, second.isReused], [false, false], url)
  }
})

async function converse(url: string, session?: Buffer): Promise<{ readonly session: Buffer | undefined; readonly isReused: boolean }> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ...(session && { session }) })
  let last: Buffer | undefined
  let isReused = false
  socket.on('secureConnect', () => {
    isReused = socket.isSessionReused()
  })
  socket.on('session', (given: Buffer) => {
    last = given
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  socket.resume()
  await closed
  return { session: last, isReused }
}
