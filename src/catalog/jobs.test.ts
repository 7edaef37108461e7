import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../base/errors.ts'
import { aCatalog } from './catalog.fixture.ts'
import type { NewJob } from './job.ts'

const aJob = (change: Partial<NewJob> = {}): NewJob => ({ type: 'synchronisation', createdBy: 'schedule', ...change })
const held = { epoch: 1, leaseMs: 60_000 }
const failure = { code: 'STORAGE_FULL', message: 'the disk is full', hint: 'free some' }

test('a job goes from waiting over progress to its end, and remembers all of it', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs } = catalog
  const startMs = clock.nowMs()
  const made = await jobs.create(aJob({ dueMs: startMs + 1000, parameters: { full: true }, lock: 'source:1' }))
  assert.equal(made.state, 'scheduled')
  assert.deepEqual(await jobs.ready({ limit: 9 }), [])
  assert.equal(await jobs.nextDueMs(), startMs + 1000)
  clock.advance(1000)
  assert.deepEqual(
    (await jobs.queueDue()).map(({ id, state }) => ({ id, state })),
    [{ id: made.id, state: 'queued' }],
  )
  assert.equal((await jobs.ready({ limit: 9 }))[0]?.id, made.id)
  const claimed = await jobs.claim(made.id, held)
  assert.equal(claimed?.attempts, 1)
  assert.equal(await jobs.claim(made.id, held), undefined)
  clock.advance(5000)
  await jobs.progress(made.id, 1, { leaseMs: 60_000, progress: { files: 3 }, bytesTransferred: 10 })
  await jobs.finish(made.id, 1, { state: 'completed', result: { files: 4 }, pointId: 'p', warnings: 0 })
  const done = await jobs.get(made.id)
  assert.deepEqual(
    [done.state, done.startedMs, done.finishedMs, done.progress, done.bytesTransferred, done.result, done.parameters],
    ['completed', startMs + 1000, startMs + 6000, { files: 3 }, 10, { files: 4 }, { full: true }],
  )
})

test('one job at a time holds a lock, whatever is asked at once', async (t) => {
  const { catalog } = await aCatalog(t)
  const { jobs } = catalog
  const made = await Promise.all(Array.from({ length: 5 }, () => jobs.create(aJob({ lock: 'source:1' }))))
  const claims = await Promise.all(made.map(({ id }) => jobs.claim(id, held)))
  const running = claims.filter((job) => job !== undefined)
  assert.equal(running.length, 1)
  assert.deepEqual(await jobs.ready({ limit: 9 }), [])
  await jobs.finish(running[0]?.id ?? '', 1, { state: 'failed', error: failure })
  assert.equal((await jobs.ready({ limit: 9 })).length, 4)
})

test('after a restart the job waits again, and whoever held it can change nothing', async (t) => {
  const at = await aCatalog(t)
  const { id } = await at.catalog.jobs.create(aJob({ lock: 'source:1' }))
  await at.catalog.jobs.claim(id, held)
  const { jobs } = await at.reopen()
  assert.deepEqual(
    (await jobs.takeBack(2)).map((job) => job.id),
    [id],
  )
  const isFenced = (error: unknown) => hasCode(error, 'CATALOG_JOB_FENCED')
  await assert.rejects(jobs.progress(id, 1, { leaseMs: 1 }), isFenced)
  await assert.rejects(jobs.finish(id, 1, { state: 'completed' }), isFenced)
  await jobs.claim(id, { ...held, epoch: 2 })
  await assert.rejects(jobs.finish(id, 1, { state: 'completed' }), isFenced)
  assert.equal((await jobs.get(id)).attempts, 2)
  await jobs.finish(id, 2, { state: 'completed' })
})

test('a lease that ran out gives the job up; progress extends it', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs } = catalog
  const { id } = await jobs.create(aJob())
  await jobs.claim(id, held)
  clock.advance(50_000)
  await jobs.progress(id, 1, { leaseMs: 60_000 })
  clock.advance(50_000)
  assert.deepEqual(await jobs.takeBack(1), [])
  clock.advance(10_001)
  assert.equal((await jobs.takeBack(1)).length, 1)
})

test('one that waits is cancelled at once, one in progress is asked, one that ended is not', async (t) => {
  const { catalog } = await aCatalog(t)
  const { jobs } = catalog
  const waiting = await jobs.create(aJob())
  assert.equal((await jobs.cancel(waiting.id, 'ada')).state, 'cancelled')
  const running = await jobs.create(aJob())
  await jobs.claim(running.id, held)
  const asked = await jobs.cancel(running.id, 'ada')
  assert.deepEqual([asked.state, asked.cancelRequestedBy], ['in-progress', 'ada'])
  await jobs.finish(running.id, 1, { state: 'cancelled' })
  await assert.rejects(jobs.cancel(running.id, 'bob'), (error) => hasCode(error, 'CATALOG_STATE_CONFLICT'))
  await assert.rejects(jobs.cancel('none', 'bob'), (error) => hasCode(error, 'CATALOG_RECORD_NOT_FOUND'))
})

test('a failed attempt waits for the next one, and says why it failed', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs } = catalog
  const { id } = await jobs.create(aJob({ attemptsAllowed: 3 }))
  await jobs.claim(id, held)
  await jobs.retryLater(id, 1, { dueMs: clock.nowMs() + 60_000, error: failure })
  assert.deepEqual(await jobs.ready({ limit: 9 }), [])
  assert.deepEqual((await jobs.get(id)).error, failure)
  clock.advance(60_000)
  assert.equal((await jobs.claim(id, held))?.attempts, 2)
})

test('the urgent go first, then those that wait longest', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs } = catalog
  const first = await jobs.create(aJob())
  clock.advance(1)
  const second = await jobs.create(aJob())
  const urgent = await jobs.create(aJob({ priority: 10 }))
  assert.deepEqual(
    (await jobs.ready({ limit: 9 })).map(({ id }) => id),
    [urgent.id, first.id, second.id],
  )
})

test('history is listed by pages and removed with steps and log', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs, jobLog } = catalog
  for (let n = 0; n < 7; n++) {
    const { id } = await jobs.create(aJob({ sourceId: n % 2 === 0 ? 'even' : 'odd' }))
    await jobs.claim(id, held)
    const step = await jobLog.startStep(id, 'scan')
    const inner = await jobLog.startStep(id, 'folder', step)
    await jobLog.endStep(inner, 'completed', { files: n })
    await jobLog.write(id, [
      { level: 'info', message: 'one' },
      { level: 'warning', message: 'two', code: 'X', item: '/a', stepId: step },
    ])
    await jobLog.endOpenSteps(id, 'failed')
    await jobs.finish(id, 1, { state: 'completed' })
    if (n !== 3) clock.advance(1000)
  }
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await jobs.list({ limit: 3, cursor })
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== undefined)
  assert.equal(new Set(seen).size, 7)
  assert.equal((await jobs.list({ limit: 9 }, { sourceId: 'even', states: ['completed'] })).items.length, 4)
  const id = seen.at(-1) ?? ''
  assert.deepEqual(
    (await jobLog.steps(id)).map(({ name, state }) => `${name} ${state}`),
    ['scan failed', 'folder completed'],
  )
  const log = await jobLog.read(id, { limit: 1 })
  assert.deepEqual(
    (await jobLog.read(id, { limit: 9, cursor: log.next })).items.map(({ message, item }) => [message, item]),
    [['two', '/a']],
  )
  assert.equal(await jobs.removeFinishedBefore(clock.nowMs() - 2500), 5)
  assert.deepEqual(await jobLog.steps(id), [])
})

test('whatever is done to jobs, no lock is held twice and every job ends as it was told', async (t) => {
  const { catalog, clock } = await aCatalog(t)
  const { jobs } = catalog
  let epoch = 1
  const act = fc.record({
    what: fc.constantFrom('create', 'claim', 'finish', 'retry', 'cancel', 'restart', 'wait'),
    which: fc.nat({ max: 5 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
      const made: string[] = []
      for (const { what, which } of acts) {
        const id = made[which] ?? ''
        try {
          if (what === 'create') made.push((await jobs.create(aJob({ lock: `source:${which % 2}` }))).id)
          if (what === 'claim') await jobs.claim(id, { epoch, leaseMs: 1000 })
          if (what === 'finish') await jobs.finish(id, epoch, { state: 'completed' })
          if (what === 'retry') await jobs.retryLater(id, epoch, { dueMs: clock.nowMs(), error: failure })
          if (what === 'cancel') await jobs.cancel(id, 'ada')
          if (what === 'restart') await jobs.takeBack(++epoch)
          if (what === 'wait') clock.advance(400)
        } catch (error) {
          assert.ok(
            hasCode(error, 'CATALOG_JOB_FENCED') || hasCode(error, 'CATALOG_STATE_CONFLICT') || hasCode(error, 'CATALOG_RECORD_NOT_FOUND'),
            String(error),
          )
        }
        const locks = (await jobs.inProgress()).map(({ lock }) => lock)
        assert.equal(new Set(locks).size, locks.length)
      }
      for (const job of await jobs.takeBack(++epoch)) made.push(job.id)
      for (const id of made) if ((await jobs.get(id)).finishedMs === undefined) await jobs.cancel(id, 'end')
    }),
    { numRuns: 25 },
  )
})
