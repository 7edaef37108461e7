/** A throttle over pieces of every size, by those who wake late. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '../base/clock.ts'
import { aThrottle, paceOf, pieceBytes } from './throttle.ts'

/** Sleeps take as long as they should and up to `lateMs` more. */
function aLateClock(lateMs: number): Clock & { now: number } {
  const clock = {
    now: 1_000_000,
    nowMs: () => clock.now,
    monotonicMs: () => clock.now - 900_000,
    sleep: async (ms: number) => {
      clock.now += ms + lateMs
    },
  }
  return clock
}

test('over many pieces the rate is exact within 5 %, although timers are late', async () => {
  const rates = fc.integer({ min: 20_000, max: 200_000_000 })
  await fc.assert(
    fc.asyncProperty(rates, fc.integer({ min: 0, max: 5 }), async (bytesPerSecond, lateMs) => {
      const clock = aLateClock(lateMs)
      const throttle = aThrottle(bytesPerSecond)
      const pace = paceOf(throttle, clock)
      const startMs = clock.now
      let bytes = 0
      while (clock.now - startMs < 10_000) {
        await pace(pieceBytes(throttle))
        bytes += pieceBytes(throttle)
      }
      const rate = bytes / ((clock.now - startMs) / 1000)
      assert.ok(Math.abs(rate / bytesPerSecond - 1) < 0.05, `${rate} in place of ${bytesPerSecond}`)
    }),
    { numRuns: 40 },
  )
})

test('who was silent for long has saved up no more than a moment', async () => {
  const clock = aLateClock(0)
  const pace = paceOf(aThrottle(1_000_000), clock)
  await pace(1000)
  clock.now += 3_600_000
  const startMs = clock.now
  for (let n = 0; n < 100; n++) await pace(10_000)
  assert.ok(clock.now - startMs >= 850, `${clock.now - startMs} ms for a megabyte`)
})
