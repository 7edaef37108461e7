import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { letOthersRun } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import { UploadBudget, type UploadShare } from './upload-budget.ts'

const NEVER = new AbortController().signal

async function isGranted(taken: Promise<void>): Promise<boolean> {
  let granted = false
  taken.then(
    () => {
      granted = true
    },
    () => {},
  )
  await letOthersRun()
  return granted
}

describe('the memory for what agents send', () => {
  it('is given out up to the budget; who comes then waits until something is given back', async () => {
    const budget = new UploadBudget(100)
    const [first, second] = [budget.open('a', 80), budget.open('b', 60)]
    await first.take(80, NEVER)
    first.complete()
    const waiting = second.take(60, NEVER)
    assert.equal(await isGranted(waiting), false)
    assert.equal(budget.heldBytes, 80)
    first.end()
    first.end()
    await waiting
    assert.equal(budget.heldBytes, 60)
  })

  it('goes to the agent that holds least, whoever asked first', async () => {
    const budget = new UploadBudget(100)
    const held = [budget.open('greedy', 50), budget.open('modest', 20), budget.open('other', 30)]
    for (const [n, share] of held.entries()) {
      await share.take([50, 20, 30][n] as number, NEVER)
      share.complete()
    }
    const more = budget.open('greedy', 30).take(30, NEVER)
    const modest = budget.open('modest', 30).take(30, NEVER)
    held[2]?.end()
    await modest
    assert.equal(await isGranted(more), false)
  })

  it('lets one body go on beyond it where all of it is held by bodies that are not whole', async () => {
    const budget = new UploadBudget(100)
    const [near, far] = [budget.open('a', 60), budget.open('b', 90)]
    await near.take(50, NEVER)
    await far.take(50, NEVER)
    const distant = far.take(40, NEVER)
    const last = near.take(10, NEVER)
    // Nobody is whole: the one that asked goes on, since it alone waited then.
    assert.deepEqual([await isGranted(distant), await isGranted(last)], [true, false])
    far.complete()
    assert.equal(await isGranted(last), false)
    far.end()
    await last
    assert.equal(budget.heldBytes, 60)
  })

  it('is given back by whoever leaves while waiting', async () => {
    const budget = new UploadBudget(10)
    const whole = budget.open('a', 10)
    await whole.take(10, NEVER)
    whole.complete()
    const gone = new AbortController()
    const leaving = budget.open('b', 10).take(10, gone.signal)
    gone.abort()
    await assert.rejects(leaving, (error) => hasCode(error, 'CANCELLED'))
    assert.equal(budget.waitingCount, 0)
  })

  it('gives nothing to a body that was ended while it waited, since nobody would give it back', async () => {
    const budget = new UploadBudget(10)
    const [first, second] = [budget.open('a', 10), budget.open('b', 10)]
    await first.take(10, NEVER)
    first.complete()
    const waiting = second.take(10, NEVER)
    second.end()
    await assert.rejects(waiting, (error) => hasCode(error, 'CANCELLED'))
    await assert.rejects(second.take(10, NEVER), (error) => hasCode(error, 'CANCELLED'))
    first.end()
    assert.deepEqual([budget.heldBytes, budget.waitingCount], [0, 0])
  })

  it('never holds more than the budget and one body, and every body becomes whole', async () => {
    const body = fc.record({
      agent: fc.constantFrom('a', 'b', 'c', 'd'),
      pieces: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 20 }), async (bodies) => {
        const budget = new UploadBudget(50)
        const longest = Math.max(...bodies.map(({ pieces }) => pieces.reduce((sum, piece) => sum + piece, 0)))
        let most = 0
        const send = async (share: UploadShare, pieces: readonly number[]) => {
          for (const piece of pieces) {
            await share.take(piece, NEVER)
            most = Math.max(most, budget.heldBytes)
            await letOthersRun()
          }
          share.complete()
          await letOthersRun()
          share.end()
        }
        const length = (pieces: readonly number[]) => pieces.reduce((sum, piece) => sum + piece, 0)
        await Promise.all(bodies.map(({ agent, pieces }) => send(budget.open(agent, length(pieces)), pieces)))
        assert.ok(most <= 50 + longest, `${most}`)
        assert.equal(budget.heldBytes, 0)
      }),
      { numRuns: 50 },
    )
  })
})
