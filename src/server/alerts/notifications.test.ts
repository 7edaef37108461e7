/** Notifications to a real mail server and a real receiver of webhooks, both in this process. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { aControl } from '../jobs/control.fixture.ts'
import { letterOf } from './letters.ts'
import { webhookSignature } from './senders.ts'

async function aMailServer(t: TestContext): Promise<{ readonly port: number; readonly letters: string[] }> {
  const letters: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        letters.push(Buffer.concat(parts).toString('utf8'))
        done()
      })
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise<void>((resolve) => server.close(resolve)))
  return { port: (server.server.address() as AddressInfo).port, letters }
}

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Refuses the first `refusals` requests. */
async function aReceiver(t: TestContext, refusals: number): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = []
  let left = refusals
  const server = createServer((request, answer) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const isRefused = left-- > 0
      if (!isRefused) received.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8') })
      answer.writeHead(isRefused ? 503 : 204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received }
}

test('an alert goes out by mail and signed webhook, again where it was refused, and so does its end', async (t) => {
  const mail = await aMailServer(t)
  const hook = await aReceiver(t, 1)
  const control = await aControl(t)
  const options = { host: '127.0.0.1', port: mail.port, security: 'none', from: 'terp@example.org', to: ['admin@example.org'] }
  const made = await control.ask('POST', '/channels', { kind: 'smtp', name: 'mail', options })
  await control.ask('POST', '/channels', { kind: 'webhook', name: 'hook', options: { url: hook.url }, secret: 'a key' })
  await control.ask('POST', `/channels/${made.id}/test`)
  assert.match(mail.letters[0] ?? '', /Subject: Terp: test message/)

  const { alerts } = control.control()
  await alerts.raise('clock-jumped', { id: '', name: 'server', message: 'the clock was set back' })
  await control.until('the mail is there', async () => mail.letters.length === 2)
  assert.match(mail.letters[1] ?? '', /the clock was set back/)
  await control.pass(3 * 60_000)
  await control.until('the webhook is there', async () => hook.received.length === 1)
  const { headers, body } = hook.received[0] as Received
  assert.equal(headers['terp-signature'], webhookSignature('a key', String(headers['terp-time']), body))
  assert.equal(JSON.parse(body).alert.code, 'clock-jumped')

  await alerts.resolve('clock-jumped', '')
  await control.until('its end is told', async () => hook.received.some((each) => JSON.parse(each.body).event === 'alert.resolved'))
  const listed = await control.ask('GET', '/channels')
  assert.ok(!JSON.stringify(listed).includes('a key'), 'secrets never come out')
})

test('a name from elsewhere writes no headers of a mail', () => {
  const { subject } = letterOf('alert.raised', { severity: 'critical', subjectName: 'srv1\r\nBcc: all@example.org', message: 'm' })
  assert.ok(!/[\r\n]/.test(subject))
})
