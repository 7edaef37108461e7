import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { group, member, RETENTION } from './group.fixture.ts'
import { scheduledRuns } from './runs.ts'
import type { Member, ProtectionGroup } from './shape.ts'

const at = (text: string) => Date.parse(text)
const runs = (of: ProtectionGroup) =>
  scheduledRuns(of, of.members[0] as Member).map(({ job, occurrences, synchronisesFirst, makesPoint, onlyWhenInconsistent }) => {
    const count = [...occurrences.between(at('2026-01-01T00:00Z'), at('2026-01-02T00:00Z'))].length
    return [
      job,
      count,
      [synchronisesFirst && 'synchronises', makesPoint && 'point', onlyWhenInconsistent && 'flagged'].filter(Boolean).join(' '),
    ]
  })

describe('§3.4 jobs that a member has', () => {
  it('files: a synchronisation each 15 minutes, and three points a day', () => {
    assert.deepEqual(runs(group()), [
      ['synchronisation', 96, ''],
      ['recovery-point', 3, 'point'],
    ])
  })

  it('files that are synchronised just before a point have no other synchronisation', () => {
    assert.deepEqual(runs(group({ shortTerm: { synchronisation: { kind: 'before-recovery-point' } } })), [
      ['recovery-point', 3, 'synchronises point'],
    ])
  })

  it('§13: a database with log backups has 96 points and one express full a day', () => {
    assert.deepEqual(runs(group({ members: [member(1, { workload: 'sql-full' })] })), [
      ['synchronisation', 96, 'point'],
      ['recovery-point', 1, 'point'],
    ])
  })

  it('a database without has its express full alone', () => {
    assert.deepEqual(runs(group({ members: [member(1, { workload: 'sql-simple' })] })), [['recovery-point', 1, 'point']])
  })

  it('§3.7, §3.6: online for chosen members, and a daily check of what is flagged', () => {
    const full = { online: { retention: RETENTION }, consistencyCheck: { daily: { time: '02:00', maxDurationMinutes: 60 } } }
    assert.deepEqual(runs(group({ ...full, members: [member(1, { isOnline: true })] })).slice(2), [
      ['online-point', 2, 'point'],
      ['consistency-check', 1, 'flagged'],
    ])
    assert.equal(runs(group(full)).length, 3)
  })
})
