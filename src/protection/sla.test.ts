import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { onDemandKinds, refuseOnDemand, refuseOnlineJob } from './on-demand.ts'
import { impliedSlaMs, slaState } from './sla.ts'

const HOUR = 3_600_000
const idle = { isBusy: false, isRecovering: false }

describe('§3.10 SLA (3183, 33442)', () => {
  const state = (ageHours: number[], slaHours?: number, isGood = true) =>
    slaState({
      nowMs: 1000 * HOUR,
      protectedSinceMs: 990 * HOUR,
      ...(slaHours === undefined ? {} : { slaHours }),
      points: ageHours.map((hours) => ({ createdMs: 1000 * HOUR, dataMs: (1000 - hours) * HOUR, isGood })),
    })

  it('is breached when the newest good data is older than promised', () => {
    assert.equal(state([30, 24], 24).isBreached, false)
    assert.equal(state([25], 24).isBreached, true)
    assert.equal(state([1], 24, false).isBreached, false, 'nothing good yet, but protected for 10 hours only')
    assert.equal(state([], 8).isBreached, true)
    assert.equal(state([25], 24).breachesAtMs, 999 * HOUR)
  })

  it('says what could be restored and what would be lost now', () => {
    assert.deepEqual(state([5, 3, 9]), { newestRestorableMs: 997 * HOUR, atRiskMs: 3 * HOUR, isBreached: false, breachesAtMs: undefined })
    assert.equal(state([]).atRiskMs, undefined)
    assert.equal(state([-5]).atRiskMs, 0)
    assert.equal(impliedSlaMs(14 * HOUR), 28 * HOUR, 'without a promise: two rounds of the schedule')
  })
})

describe('§3.11 recovery points on demand', () => {
  it('offers what the workload can do', () => {
    assert.deepEqual(onDemandKinds('files', false), ['synchronise-and-point', 'point-only', 'synchronise-only'])
    assert.deepEqual(onDemandKinds('sql-full', true), ['express-full', 'incremental', 'online'])
    assert.deepEqual(onDemandKinds('sharepoint', false), ['express-full'])
  })

  it('141: the replica is OK and idle', () => {
    assert.equal(refuseOnDemand('ok', idle, 'express-full'), undefined)
    assert.equal(refuseOnDemand('ok', { ...idle, isBusy: true }, 'express-full')?.domainCode, 141)
    assert.equal(refuseOnDemand('inconsistent', idle, 'synchronise-and-point')?.domainCode, 141)
    assert.equal(refuseOnDemand('inconsistent', idle, 'online')?.domainCode, 31205)
    assert.equal(refuseOnDemand('ok', { ...idle, isRecovering: true }, 'online')?.domainCode, 141)
  })
})

describe('§3.7 the online job', () => {
  it('takes the newest point on disk, and skips one that the vault has (33344)', () => {
    const job = (
      newestDiskPointId: string | undefined,
      newestOnlineSourceId: string | undefined,
      state: 'ok' | 'inconsistent' | 'creating' = 'ok',
    ) => refuseOnlineJob({ state, newestDiskPointId, newestOnlineSourceId })
    assert.equal(job('a', undefined), undefined)
    assert.equal(job('b', 'a'), undefined)
    assert.deepEqual([job('a', 'a')?.refusal.domainCode, job('a', 'a')?.isSkip], [33344, true])
    assert.deepEqual([job('b', 'a', 'inconsistent')?.refusal.domainCode, job('b', 'a', 'inconsistent')?.isSkip], [31205, false])
    assert.equal(job(undefined, undefined)?.refusal.domainCode, 31265)
    assert.equal(job('a', undefined, 'creating')?.refusal.domainCode, 31265)
  })
})
