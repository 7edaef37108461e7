import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { letOthersRun, ManualClock } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import { readBody } from './read-body.ts'
import { UploadBudget } from './upload-budget.ts'

const ANSWER = Object.assign(new EventEmitter(), { headersSent: false, writeProcessing: () => {} }) as unknown as ServerResponse

test('§3.10: an agent that falls silent in the middle of a body does not hold up all others for longer than two minutes', async () => {
  const clock = new ManualClock()
  const budget = new UploadBudget(100_000)
  const body = (agentId: string, length: number) => {
    const payload = new PassThrough()
    return { payload, read: readBody(payload, { share: budget.open(agentId, length), length, clock, answer: ANSWER }) }
  }
  const silent = body('a', 150_000)
  const failed = silent.read.then(
    () => undefined,
    (error: unknown) => error,
  )
  silent.payload.write(Buffer.alloc(10_000))
  while (budget.heldBytes === 0) await letOthersRun()
  const other = body('b', 90_000)
  other.payload.end(Buffer.alloc(90_000, 1))
  while (budget.waitingCount === 0) await letOthersRun()
  for (let s = 0; s < 130; s++) {
    clock.advance(1000)
    await letOthersRun()
  }
  assert.ok(hasCode(await failed, 'CANCELLED'))
  assert.equal((await other.read).length, 90_000)
  assert.equal(budget.heldBytes, 90_000)
})
