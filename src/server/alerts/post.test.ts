import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { hasCode } from '../../base/errors.ts'
import { webhookOptionsShape } from '../../wire/index.ts'
import { checkAddress, post } from './post.ts'

const signal = new AbortController().signal
const isRefused = (error: unknown) => hasCode(error, 'CHANNEL_ADDRESS_REFUSED')

test('a webhook reaches this machine and its network, and no address that is about a machine itself', async () => {
  for (const address of ['127.0.0.1', '::1', '10.0.0.7', '192.168.1.1', 'fd12::1', '203.0.113.9', '2001:db8::1']) checkAddress(address)
  for (const address of [
    '169.254.169.254',
    '[fe80::1]',
    'fe80::1%eth0',
    '0.0.0.0',
    '::',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    'fd00:ec2::254',
  ]) {
    assert.throws(() => checkAddress(address), isRefused, address)
  }
  // However it is written.
  for (const host of [
    '169.254.169.254',
    '[::ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '0',
  ]) {
    await assert.rejects(post(`http://${host}/latest/meta-data/`, { signal }), isRefused, host)
  }
})

test('a redirect is not followed, and only the status comes back', async (t) => {
  const asked: IncomingMessage[] = []
  const server = createServer((request, answer) => {
    asked.push(request)
    answer.writeHead(302, { location: 'http://169.254.169.254/' }).end('secret of an inner service')
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  assert.equal(await post(`http://localhost:${port}/hook`, { signal, body: '{}', headers: { 'terp-event': 'test' } }), 302)
  assert.deepEqual([asked.length, asked[0]?.method, asked[0]?.headers['terp-event']], [1, 'POST', 'test'])
})

test('an address holds no name and password: it is shown, and stands in logs', () => {
  for (const url of ['https://user:secret@example.org/', 'http://secret@example.org', 'https://example.org\\@evil.example/']) {
    assert.equal(webhookOptionsShape.safeParse({ url }).success, false, url)
  }
  for (const url of ['https://example.org/a@b', 'https://hooks.example.org/services/T0/B0/x?y=@', 'http://[::1]:80/']) {
    assert.ok(webhookOptionsShape.safeParse({ url }).success, url)
  }
})
