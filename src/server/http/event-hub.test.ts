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
  assert.deepEqual(await collect(hub.listen(all, signal, '0.1'), 2), [2, 3])
  assert.equal(hub.listeners, 0)
})

test('an id from before a restart, or older than what is held: all that is held comes, after the word that something was missed', async () => {
  const hub = new EventHub('ab')
  hub.publish('job', 1)
  const signal = new AbortController().signal
  const missed = { reason: 'events were missed: ask the lists again' }
  for (const id of ['cd.1', 'cd.900', 'ab.900']) assert.deepEqual(await collect(hub.listen(all, signal, id), 2), [missed, 1])
  for (let n = 2; n <= 5000; n++) hub.publish('job', n)
  const heard: unknown[] = []
  for await (const { topic, data } of hub.listen(all, signal, 'ab.3')) if (heard.push([topic, data]) === 2) break
  assert.deepEqual(heard[0], ['reset', missed])
  assert.ok(Number((heard[1] as [string, number])[1]) > 3)
})

test('who falls behind while nobody reads is told off at once', async () => {
  const hub = new EventHub()
  let told = 0
  const slow = hub.listen(all, new AbortController().signal, undefined, () => told++)[Symbol.asyncIterator]()
  const first = slow.next()
  hub.publish('job', 0)
  await first
  for (let n = 0; n < 3000; n++) hub.publish('job', n)
  assert.equal(told, 1)
  await slow.return?.(undefined)
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
  assert.ok(heard <= 1001, `${heard}`)
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
