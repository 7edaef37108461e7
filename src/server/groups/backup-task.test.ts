import assert from 'node:assert/strict'
import { test } from 'node:test'
import picomatch from 'picomatch'
import { fromTimestamp } from '../../base/clock.ts'
import { protectionGroupShape } from '../../protection/index.ts'
import { backupTaskOf, extensionPattern, literalPattern, throttleNow } from './backup-task.ts'

const ID = 'a'.repeat(32)

test('an excluded path is meant as it is written', () => {
  const odd = '/data/[a]*{b,c}(d)!e?$'
  assert.ok(picomatch(literalPattern(odd), { dot: true, nonegate: true })(odd))
  assert.ok(!picomatch(literalPattern('/data/*'), { dot: true, nonegate: true })('/data/x'))
})

test('extensions are excluded in upper and lower case (§3.3)', () => {
  const matches = picomatch(extensionPattern('.tmp'), { dot: true, nonegate: true })
  assert.deepEqual(
    ['a.tmp', 'A.TMP', 'a.Tmp', 'a.tmpx', 'tmp'].map((name) => matches(name)),
    [true, true, true, false, false],
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
