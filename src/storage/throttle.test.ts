/** A throttle over pieces of every size, by those who wake late. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '../base/clock.ts'
import { aThrottle, paceOf, pieceBytes, setRate } from './throttle.ts'

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

test('who was silent for long has saved up no more than a second', async () => {
  const clock = aLateClock(0)
  const pace = paceOf(aThrottle(1_000_000), clock)
  await pace(1000)
  clock.now += 3_600_000
  const startMs = clock.now
  for (let n = 0; n < 300; n++) await pace(10_000)
  assert.ok(clock.now - startMs >= 1950, `${clock.now - startMs} ms for three megabytes`)
})

test('§3.10: with an answer to wait for after each pack, what goes through is within 3 % of the rate, and never more', async () => {
  const rates = fc.integer({ min: 500_000, max: 50_000_000 })
  const waits = fc.integer({ min: 0, max: 600 })
  await fc.assert(
    fc.asyncProperty(rates, waits, fc.integer({ min: 0, max: 5 }), async (bytesPerSecond, answerMs, lateMs) => {
      const clock = aLateClock(lateMs)
      const throttle = aThrottle(bytesPerSecond)
      const pace = paceOf(throttle, clock)
      const startMs = clock.now
      const packBytes = 16 * 1024 * 1024
      // One that took less than its answer can not be on time, whoever sends it.
      if ((packBytes / bytesPerSecond) * 1000 < answerMs) return
      let bytes = 0
      for (let pack = 0; pack < 20; pack++) {
        for (let sent = 0; sent < packBytes; sent += pieceBytes(throttle)) {
          await pace(pieceBytes(throttle))
          bytes += pieceBytes(throttle)
        }
        if (pack < 19) clock.now += answerMs
      }
      const ratio = bytes / ((clock.now - startMs) / 1000) / bytesPerSecond
      assert.ok(ratio > 0.97 && ratio <= 1.001, `${ratio} of the rate`)
    }),
    { numRuns: 30 },
  )
})

test('§3.10: a rate that changes holds from then on, for all who share it; without one nobody waits', async () => {
  const clock = aLateClock(0)
  const throttle = aThrottle(1_000_000)
  const paces = [paceOf(throttle, clock), paceOf({ line: throttle.line }, clock)]
  const megabytes = async (count: number) => {
    const startMs = clock.now
    for (let n = 0; n < count * 100; n++) await paces[n % 2]?.(10_000)
    return Math.round((clock.now - startMs) / 100) / 10
  }
  assert.equal(await megabytes(2), 2)
  setRate(throttle, 4_000_000)
  assert.equal(await megabytes(8), 2)
  setRate(throttle, undefined)
  assert.equal(await megabytes(100), 0)
  setRate(throttle, 500_000)
  assert.ok((await megabytes(2)) >= 3)
})
