/** §3.10: the rate of a job follows the work hours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, toTimestamp } from '../base/clock.ts'
import { startOperation } from '../base/operation.ts'
import { jobThrottle } from './job-throttle.ts'

const START_MS = 1_800_000_000_000
const turn = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(resolve))))

test('§3.10: it becomes what the task says, when that says so, and stays when the job is over', async () => {
  const clock = new ManualClock(START_MS)
  const op = startOperation({ clock })
  const over = new AbortController()
  const at = (ms: number) => toTimestamp(START_MS + ms)
  const changes = [{ at: at(1000), throttle: 500 }, { at: at(2000) }, { at: at(3000), throttle: 100 }]
  const shared = jobThrottle(op, { throttle: 2000, throttleChanges: changes }, over.signal)
  assert.ok(shared)
  const rate = () => Number(new BigInt64Array(shared.line)[1])
  const rates = [rate()]
  for (let n = 0; n < 2; n++) {
    clock.advance(1000)
    await turn()
    rates.push(rate())
  }
  over.abort()
  clock.advance(1000)
  await turn()
  assert.deepEqual([...rates, rate()], [2000, 500, 0, 0])
})

test('without a throttle there is none; one that begins later is there from the beginning', () => {
  const op = startOperation({ clock: new ManualClock(START_MS) })
  const { signal } = new AbortController()
  assert.equal(jobThrottle(op, {}, signal), undefined)
  assert.ok(jobThrottle(op, { throttleChanges: [{ at: toTimestamp(START_MS + 1), throttle: 5 }] }, signal))
})
