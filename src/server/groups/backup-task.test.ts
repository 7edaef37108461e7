import assert from 'node:assert/strict'
import { test } from 'node:test'
import picomatch from 'picomatch'
import { fromTimestamp } from '../../base/clock.ts'
import { type Member, protectionGroupShape } from '../../protection/index.ts'
import { backupTaskOf, extensionPattern, literalPattern, throttleChanges, throttleNow } from './backup-task.ts'

const ID = 'a'.repeat(32)

test('an excluded path is meant as it is written', () => {
  const odd = '/data/[a]*{b,c}(d)!e?$'
  assert.ok(picomatch(literalPattern(odd), { dot: true, nonegate: true })(odd))
  assert.ok(!picomatch(literalPattern('/data/*'), { dot: true, nonegate: true })('/data/x'))
})

test('extensions are excluded in upper and lower case (§3.3)', () => {
  const pattern = extensionPattern('.tmp')
  assert.ok(pattern.startsWith('//'), 'of files alone')
  const matches = picomatch(pattern.slice(2), { dot: true, nonegate: true })
  assert.deepEqual(
    ['a.tmp', 'A.TMP', 'a.Tmp', 'a.tmpx', 'tmp', '.tmp'].map((name) => matches(name)),
    [true, true, true, false, false, false],
  )
})

test('volumes behind mount points are paths of their own, or left out', () => {
  const group = protectionGroupShape.parse({
    name: 'g',
    members: [
      {
        dataSourceId: ID,
        agentId: ID,
        name: 'n',
        selection: {
          includes: ['/srv'],
          mountPoints: [
            { path: '/srv/a', isIncluded: true },
            { path: '/srv/b', isIncluded: false },
          ],
        },
      },
    ],
  })
  const member = group.members[0]
  assert.ok(member)
  const task = backupTaskOf({ jobId: ID, group, member, forceRead: false, nowMs: 0 })
  assert.deepEqual(
    task.paths.map((path) => Buffer.from(path, 'base64').toString()),
    ['/srv', '/srv/a'],
  )
  assert.deepEqual([task.excludes, task.oneFileSystem], [['/srv/b'], true])
})

test('§3.10: scripts with their arguments, and compression on the wire, reach the agent', () => {
  const member = {
    dataSourceId: ID,
    agentId: ID,
    name: 'n',
    preScript: { path: '/x/freeze', arguments: ['--db', 'a b'] },
    postScript: { path: '/x/thaw' },
  }
  const taskOf = (isCompressedOnWire: boolean) => {
    const group = protectionGroupShape.parse({ name: 'g', isCompressedOnWire, members: [member] })
    return backupTaskOf({ jobId: ID, group, member: group.members[0] as Member, forceRead: false, nowMs: 0 })
  }
  assert.deepEqual(taskOf(true).scripts, {
    before: '/x/freeze',
    beforeArguments: ['--db', 'a b'],
    after: '/x/thaw',
    afterArguments: [],
    timeoutMs: 600_000,
  })
  assert.deepEqual([taskOf(true).compression, taskOf(false).compression], ['hard', 'usual'])
})

test('the throttle of work hours holds on work days in the zone of the group (§3.10)', () => {
  const throttle = {
    agentId: ID,
    workDays: ['mon' as const],
    workFrom: '08:00',
    workTo: '18:00',
    workMegabitsPerSecond: 8,
    otherMegabitsPerSecond: 80,
  }
  const at = (text: string) => throttleNow(throttle, 'Europe/Amsterdam', fromTimestamp(text))
  // 2026-11-23 is a Monday; Amsterdam is an hour ahead of UTC.
  assert.deepEqual(
    [at('2026-11-23T06:59:00Z'), at('2026-11-23T07:00:00Z'), at('2026-11-23T17:00:00Z'), at('2026-11-24T10:00:00Z')],
    [10_000_000, 1_000_000, 10_000_000, 10_000_000],
  )
})

test('§3.10: a job is told when work hours begin and end while it runs, across daylight saving too', () => {
  const throttle = {
    agentId: ID,
    workDays: ['sat' as const, 'mon' as const],
    workFrom: '08:00',
    workTo: '18:00',
    workMegabitsPerSecond: 8,
    otherMegabitsPerSecond: 80,
  }
  // Saturday; clocks go forward in the night.
  const changes = throttleChanges(throttle, 'Europe/Amsterdam', fromTimestamp('2026-03-28T09:00:00Z'))
  assert.deepEqual(
    changes.slice(0, 3).map(({ atMs, throttle: rate }) => [new Date(atMs).toISOString(), rate]),
    [
      ['2026-03-28T17:00:00.000Z', 10_000_000],
      ['2026-03-30T06:00:00.000Z', 1_000_000],
      ['2026-03-30T16:00:00.000Z', 10_000_000],
    ],
  )
  assert.deepEqual(throttleChanges(undefined, 'UTC', 0), [])
})
