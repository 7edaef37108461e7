import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventHub, type ServerEvent } from './event-hub.ts'

const all = { wants: () => true }

async function collect(events: AsyncIterable<ServerEvent>, count: number): Promise<unknown[]> {
  const heard: unknown[] = []
  for await (const { data } of events) {
    heard.push(data)
    if (heard.length === count) break
  }
  return heard
}

test('a listener hears what comes after it began, in order, and what it missed when it says where it was', async () => {
  const hub = new EventHub()
  const signal = new AbortController().signal
  hub.publish('job', 1)
  const hearing = collect(hub.listen(all, signal), 2)
  await Promise.resolve()
  hub.publish('job', 2)
  hub.publish('job', 3)
  assert.deepEqual(await hearing, [2, 3])
  assert.deepEqual(await collect(hub.listen(all, signal, 1), 2), [2, 3])
  assert.equal(hub.listeners, 0)
})

test('a number from before a restart means that all is new', async () => {
  const hub = new EventHub()
  hub.publish('job', 1)
  assert.deepEqual(await collect(hub.listen(all, new AbortController().signal, 900), 1), [1])
})

test('who listens and does not read is let go, and holds up nobody', async () => {
  const hub = new EventHub()
  const slow = hub.listen(all, new AbortController().signal)[Symbol.asyncIterator]()
  const first = slow.next()
  hub.publish('job', 0)
  assert.equal((await first).value?.data, 0)
  for (let n = 1; n <= 1500; n++) hub.publish('job', n)
  let heard = 0
  while (!(await slow.next()).done) heard++
  assert.ok(heard <= 1000, `${heard}`)
  assert.equal(hub.listeners, 0)
})

test('the end of the program ends the listening', async () => {
  const hub = new EventHub()
  const stop = new AbortController()
  const hearing = collect(hub.listen(all, stop.signal), 9)
  await Promise.resolve()
  stop.abort()
  assert.deepEqual(await hearing, [])
  assert.equal(hub.listeners, 0)
})
