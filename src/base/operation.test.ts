import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from './clock.ts'
import { asTerpError, baseError, fromPlainError, hasCode, invariant, isKind, TerpError, toPlainError } from './errors.ts'
import { startOperation } from './operation.ts'
import { Semaphore } from './semaphore.ts'

test('an operation that was cancelled stops at its next check and begins no step', async () => {
  const controller = new AbortController()
  const op = startOperation({ signal: controller.signal })
  op.check()
  controller.abort()
  assert.throws(() => op.check(), { code: 'CANCELLED' })
  await assert.rejects(
    op.step('never', async () => assert.fail('it began')),
    { code: 'CANCELLED' },
  )
})

test('a step gives its result and its duration by the clock of the operation', async () => {
  const clock = new ManualClock()
  const steps: [string, number][] = []
  const op = startOperation({ clock, onStep: (name, ms) => steps.push([name, ms]) })
  const result = await op.step('work', async () => {
    clock.advance(250)
    return 7
  })
  assert.equal(result, 7)
  assert.deepEqual(steps, [['work', 250]])
})

test('an error crosses a worker boundary as plain data and comes back the same', () => {
  const error = baseError('CANCELLED', 'interrupted', { context: { at: 3 } })
  const back = fromPlainError(structuredClone(toPlainError(error)))
  assert.ok(back instanceof TerpError)
  assert.deepEqual(toPlainError(back), toPlainError(error))
})

test('what is not ours is INTERNAL, and an abort is CANCELLED', () => {
  assert.equal(asTerpError(new Error('x')).code, 'INTERNAL')
  assert.equal(asTerpError('text').message, 'text')
  assert.equal(asTerpError(new DOMException('x', 'AbortError')).code, 'CANCELLED')
  assert.ok(hasCode(baseError('INTERNAL', 'x'), 'INTERNAL') && isKind(baseError('INTERNAL', 'x'), 'internal'))
  assert.throws(() => invariant(false, 'why'), { code: 'INTERNAL' })
})

test('a semaphore lets through as many as its limit, and the others in order', async () => {
  const semaphore = new Semaphore(2)
  const order: number[] = []
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      semaphore.run(async () => {
        most = Math.max(most, ++inside)
        order.push(i)
        await Promise.resolve()
        inside--
      }),
    ),
  )
  assert.equal(most, 2)
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7])
})

test('a semaphore is free again after work that failed', async () => {
  const semaphore = new Semaphore(1)
  await assert.rejects(semaphore.run(() => Promise.reject(new Error('x'))))
  assert.equal(await semaphore.run(async () => 'free'), 'free')
})
