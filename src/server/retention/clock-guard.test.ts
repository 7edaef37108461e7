import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { aServer } from '../server.fixture.ts'
import { ClockGuard } from './clock-guard.ts'

test('a clock that was set back freezes deletions until a person says that it is right', async (t) => {
  const server = await aServer(t)
  const { context } = server.running()
  let nowMs = server.clock.nowMs()
  const clock = { ...context.op.clock, nowMs: () => nowMs, monotonicMs: () => server.clock.nowMs(), sleep: () => Promise.resolve() }
  const guarded = { ...context, op: { ...context.op, clock } }
  const alerts = new AlertDesk(context)
  const guard = new ClockGuard(guarded, alerts)
  assert.equal(await guard.look(), undefined)
  nowMs -= 3_600_000
  assert.match((await guard.look()) ?? '', /set back/)
  assert.deepEqual(
    (await context.catalog.alerts.open()).map(({ code }) => code),
    ['clock-jumped'],
  )
  // Also when it is right again, and with another process.
  nowMs += 3_600_000
  assert.match((await new ClockGuard(guarded, alerts).look()) ?? '', /set back/)
  await guard.clear()
  assert.equal(await guard.look(), undefined)
  assert.deepEqual(await context.catalog.alerts.open(), [])
  await assert.rejects(guard.clear(), { code: 'DELETIONS_NOT_FROZEN' })
})

test('a clock that runs away from one that can not be set freezes deletions', async (t) => {
  const server = await aServer(t)
  const { context } = server.running()
  let aheadMs = 0
  const clock = { nowMs: () => server.clock.nowMs() + aheadMs, monotonicMs: () => server.clock.nowMs(), sleep: () => Promise.resolve() }
  const guard = new ClockGuard({ ...context, op: { ...context.op, clock } }, new AlertDesk(context))
  assert.equal(await guard.look(), undefined)
  server.clock.advance(40 * 86_400_000)
  assert.equal(await guard.look(), undefined, 'time that passed is no jump')
  aheadMs = 2 * 86_400_000
  assert.match((await guard.look()) ?? '', /jumped ahead/)
})
