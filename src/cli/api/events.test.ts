import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEvents } from './events.ts'

async function read(...parts: readonly string[]) {
  async function* bytes() {
    for (const part of parts) yield Buffer.from(part)
  }
  return await all(bytes())
}

async function all(bytes: AsyncIterable<Uint8Array>) {
  const events = []
  for await (const event of readEvents(bytes)) events.push(event)
  return events
}

test('an event is read however its bytes are cut', async () => {
  const text = 'retry: 3000\n\n: \n\nid: a.7\nevent: job\ndata: {"name":"Größe",\ndata: "n":1}\n\n'
  const expected = [{ id: 'a.7', event: 'job', data: { name: 'Größe', n: 1 } }]
  assert.deepEqual(await read(text), expected)
  assert.deepEqual(await read(text.replaceAll('\n', '\r\n')), expected)
  const bytes = Buffer.from(text)
  async function* single() {
    for (const byte of bytes) yield Buffer.from([byte])
  }
  assert.deepEqual(await all(single()), expected)
})

test('an event that the end cuts off is none, and one without a name or an id keeps the last id', async () => {
  assert.deepEqual(await read('id: 1\ndata: 1\n\ndata: 2\n\ndata: 3\n'), [
    { id: '1', event: 'message', data: 1 },
    { id: '1', event: 'message', data: 2 },
  ])
})

test('what is no JSON tells nothing, and is no reason to end', async () => {
  assert.deepEqual(await read('event: reset\ndata: oops\n\ndata:{"n":1}\n\n'), [
    { id: undefined, event: 'reset', data: undefined },
    { id: undefined, event: 'message', data: { n: 1 } },
  ])
})
