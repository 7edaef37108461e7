import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { measureLoopDelay, systemClock } from './clock.ts'

const clock = systemClock()

function block(ms: number): void {
  for (const endMs = clock.monotonicMs() + ms; clock.monotonicMs() < endMs; );
}

describe('the delay of the event loop', () => {
  it('is that of a thread that is busy for long', async () => {
    const meter = measureLoopDelay()
    await clock.sleep(100)
    block(150)
    const { p50Ms, p99Ms, maxMs } = await meter.stop()
    assert.ok(maxMs >= 140, `${maxMs} ms at most`)
    assert.ok(0 <= p50Ms && p50Ms <= p99Ms && p99Ms <= maxMs, `${p50Ms} ≤ ${p99Ms} ≤ ${maxMs}`)
  })

  it('is that of a thread that was busy until the last moment, whatever it was called by', async () => {
    const meter = measureLoopDelay()
    await clock.sleep(30)
    block(80)
    assert.ok((await meter.stop()).maxMs >= 65)
    const other = measureLoopDelay()
    await clock.sleep(30)
    await stat('/')
    block(80)
    const { maxMs } = await other.stop()
    assert.ok(maxMs >= 65, `${maxMs} ms`)
  })

  it('is next to nothing where nothing is done', async () => {
    const meter = measureLoopDelay()
    await clock.sleep(200)
    const { p50Ms } = await meter.stop()
    assert.ok(p50Ms < 20, `${p50Ms} ms`)
  })
})
