import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AGENT_STATUS, agentMachine, alertMachine } from './agent-state.ts'
import { findConflict, isStuck, JOB_TYPE_NAMES, JOB_TYPES, type JobType, jobMachine, type RunningJob, retryDelayMs } from './job-state.ts'
import { eventsFrom, finalStates, type Machine, transition } from './machine.ts'
import { diskPointMachine, onlinePointMachine, refuseSingleDelete } from './point-state.ts'
import {
  REPLICA_STATES,
  type ReplicaEvent,
  type ReplicaState,
  type ReplicaUse,
  refuseReplicaUse,
  replicaMachine,
  replicaStatus,
} from './replica-state.ts'

/** Follows events from a state; fails on the first that is not legal. */
function walk<S extends string, E extends string>(machine: Machine<S, E>, from: S, ...events: E[]): S {
  return events.reduce((state, event) => {
    const step = transition(machine, state, event)
    assert.ok(step.isLegal, `${machine.name}: ${state} can not take ${event}`)
    return step.to
  }, from)
}
const isLegal = <S extends string, E extends string>(machine: Machine<S, E>, from: S, event: E) => transition(machine, from, event).isLegal

describe('every machine', () => {
  for (const machine of [replicaMachine, diskPointMachine, onlinePointMachine, jobMachine, agentMachine, alertMachine] as Machine<
    string,
    string
  >[]) {
    it(`${machine.name}: reaches all its states from the first, and leads only to states it has`, () => {
      const seen = new Set([machine.initial])
      const waiting = [machine.initial]
      for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
        for (const event of eventsFrom(machine, state)) {
          const to = walk(machine, state, event)
          assert.ok(to in machine.table)
          if (!seen.has(to)) waiting.push(to)
          seen.add(to)
        }
      }
      assert.deepEqual([...seen].sort(), Object.keys(machine.table).sort())
    })
  }
})

describe('§10.7 data-source protection', () => {
  const go = (from: ReplicaState, ...events: ReplicaEvent[]) => walk(replicaMachine, from, ...events)

  it('creation: now, later, by hand; a failure is inconsistent, a lost volume missing', () => {
    assert.equal(go('unprotected', 'create', 'succeed'), 'ok')
    assert.equal(go('unprotected', 'schedule', 'create', 'fail'), 'inconsistent')
    assert.equal(go('unprotected', 'await-manual', 'data-copied'), 'verifying')
    assert.equal(go('unprotected', 'create', 'lose-volume'), 'missing')
  })

  it('inconsistent until a check succeeds', () => {
    assert.equal(go('ok', 'become-inconsistent', 'start-check', 'fail'), 'inconsistent')
    assert.equal(go('inconsistent', 'start-check', 'succeed'), 'ok')
    assert.equal(isLegal(replicaMachine, 'inconsistent', 'succeed'), false)
  })

  it('a missing replica is OK only after volume and check', () => {
    assert.equal(go('ok', 'lose-volume', 'volume-back', 'start-check', 'succeed'), 'ok')
    assert.equal(go('inconsistent', 'lose-volume', 'reallocate', 'start-check', 'succeed'), 'ok')
    assert.equal(isLegal(replicaMachine, 'missing', 'succeed'), false)
  })

  it('stop with retain and with delete; re-adding picks up the old points', () => {
    assert.equal(go('ok', 'stop', 'retain'), 'inactive')
    assert.equal(go('inconsistent', 'stop', 'delete', 'deleted'), 'unprotected')
    assert.equal(go('inactive', 'protect-again'), 'verifying')
    assert.equal(go('inactive', 'remove', 'deleted'), 'unprotected')
  })

  it('what is not in the table is refused, and says what is possible', () => {
    const step = transition(replicaMachine, 'inactive', 'start-check')
    assert.ok(!step.isLegal)
    assert.equal(step.refusal.code, 'STATE_TRANSITION_ILLEGAL')
    assert.equal(step.refusal.hint, 'Possible now: protect-again, remove, lose-volume.')
  })

  it('only OK makes points; restores are legal from OK, inconsistent and inactive', () => {
    const allowed = (use: ReplicaUse) => REPLICA_STATES.filter((state) => refuseReplicaUse(state, use) === undefined)
    assert.deepEqual(allowed('recovery-point'), ['ok'])
    assert.deepEqual(allowed('online-point'), ['ok'])
    assert.deepEqual(allowed('synchronise'), ['ok'])
    assert.deepEqual(allowed('restore'), ['ok', 'inconsistent', 'verifying', 'inactive'])
    assert.deepEqual(allowed('consistency-check'), ['ok', 'inconsistent'])
  })

  it('refusals have the numbers of the domain: 31205, 31265, 141, 100191', () => {
    const code = (state: ReplicaState, use: ReplicaUse, isBusy = false) => refuseReplicaUse(state, use, { isBusy })?.domainCode
    assert.equal(code('inconsistent', 'online-point'), 31205)
    assert.equal(code('creating', 'online-point'), 31265)
    assert.equal(code('ok', 'on-demand-point', true), 141)
    assert.equal(code('creating', 'on-demand-point'), 141)
    assert.equal(code('inactive', 'synchronise'), 100191)
    assert.equal(code('inconsistent', 'synchronise'), 109)
  })

  it('§5.3: each state has the status that people know', () => {
    assert.equal(new Set(REPLICA_STATES.map((state) => replicaStatus(state))).size, REPLICA_STATES.length)
    assert.equal(replicaStatus('ok', { isRecovering: true }), 'Recovery in progress')
  })
})

describe('§10.8 and §10.9 recovery points', () => {
  it('on disk: creating, valid, expired, pruned; undelete until it is pruned', () => {
    assert.equal(walk(diskPointMachine, 'creating', 'commit', 'expire', 'undelete', 'expire', 'prune'), 'pruned')
    assert.equal(isLegal(diskPointMachine, 'valid', 'prune'), false)
    assert.equal(isLegal(diskPointMachine, 'pruned', 'undelete'), false)
    assert.deepEqual(finalStates(diskPointMachine), ['pruned', 'failed'])
  })

  it('online: checkpointed, soft-deleted, purged', () => {
    assert.equal(walk(onlinePointMachine, 'pending', 'start', 'interrupt', 'start', 'commit', 'delete', 'undelete'), 'committed')
    assert.equal(walk(onlinePointMachine, 'committed', 'delete', 'purge'), 'purged')
    assert.equal(isLegal(onlinePointMachine, 'committed', 'purge'), false)
    assert.equal(isLegal(onlinePointMachine, 'purged', 'undelete'), false)
  })

  it('33405: no single point is deleted by hand', () => {
    assert.equal(refuseSingleDelete({ isPinned: false, hasLegalHold: false }).domainCode, 33405)
    assert.equal(refuseSingleDelete({ isPinned: true, hasLegalHold: false }).code, 'POINT_HELD')
  })
})

describe('§5.2 and §10.10 jobs', () => {
  it('scheduled, queued, in progress, and four ends', () => {
    assert.equal(walk(jobMachine, 'scheduled', 'queue', 'start', 'complete'), 'completed')
    assert.equal(walk(jobMachine, 'in-progress', 'requeue', 'start', 'complete-with-warnings'), 'completed-with-warnings')
    assert.deepEqual(finalStates(jobMachine), ['completed', 'completed-with-warnings', 'failed', 'cancelled'])
    assert.equal(isLegal(jobMachine, 'scheduled', 'start'), false)
  })

  it('95 to 101: one operation at a time per replica', () => {
    const running = (type: JobType): RunningJob => ({ id: 'x', type, dataSourceId: 's', agentId: 'a' })
    const code = (type: JobType) =>
      findConflict({ type: 'synchronisation', dataSourceId: 's', agentId: 'a' }, [running(type)])?.refusal.domainCode
    const expected: [JobType, number][] = [
      ['synchronisation', 95],
      ['replica-creation', 96],
      ['consistency-check', 97],
      ['recovery', 98],
      ['stop-protection', 99],
      ['recovery-point', 100],
      ['delete-replica', 101],
    ]
    for (const [type, number] of expected) assert.equal(code(type), number, type)
  })

  it('113 to 116: conflicts on the machine', () => {
    const code = (type: JobType, isExclusiveOnAgent: boolean) =>
      findConflict({ type: 'recovery', dataSourceId: 's', agentId: 'a' }, [
        { id: 'x', type, dataSourceId: 't', agentId: 'a', isExclusiveOnAgent },
      ])?.refusal.domainCode
    assert.equal(code('synchronisation', true), 114)
    assert.equal(code('recovery', true), 115)
    assert.equal(code('consistency-check', true), 116)
    assert.equal(code('synchronisation', false), undefined)
    const moving = findConflict({ type: 'synchronisation', dataSourceId: 's' }, [{ id: 'x', type: 'move-data-source', dataSourceId: 's' }])
    assert.equal(moving?.refusal.domainCode, 113)
  })

  it('the rule is the same both ways, and jobs that only read are no conflict', () => {
    for (const a of JOB_TYPE_NAMES)
      for (const b of JOB_TYPE_NAMES) {
        const conflict = (x: JobType, y: JobType) =>
          findConflict({ type: x, dataSourceId: 's' }, [{ id: 'x', type: y, dataSourceId: 's' }]) !== undefined
        assert.equal(conflict(a, b), conflict(b, a))
        assert.equal(conflict(a, b), JOB_TYPES[a].holds === 'replica' && JOB_TYPES[b].holds === 'replica')
      }
    assert.equal(
      findConflict({ type: 'synchronisation', dataSourceId: 's' }, [{ id: 'x', type: 'synchronisation', dataSourceId: 't' }]),
      undefined,
    )
  })

  it('an online job that runs for more than 30 days has failed', () => {
    const month = 30 * 86_400_000
    assert.equal(isStuck({ type: 'online-point', startedMs: 0 }, month), false)
    assert.equal(isStuck({ type: 'online-point', startedMs: 0 }, month + 1), true)
    assert.equal(isStuck({ type: 'synchronisation', startedMs: 0 }, month + 1), false)
  })

  it('retries wait for longer each time, up to an hour', () => {
    assert.deepEqual(
      [1, 2, 3, 10].map((attempt) => retryDelayMs(attempt, 0)),
      [60_000, 120_000, 240_000, 3_600_000],
    )
    assert.equal(retryDelayMs(1, 1), 75_000)
    assert.equal(retryDelayMs(1000, 1), 4_500_000)
  })

  it('§5.1: types carry the names of the console and of Get-DPMJob', () => {
    assert.equal(JOB_TYPES['consistency-check'].alias, 'Validation')
    assert.equal(JOB_TYPES['recovery-point'].alias, 'ShadowCopy')
    assert.equal(new Set(JOB_TYPE_NAMES.map((type) => JOB_TYPES[type].name)).size, JOB_TYPE_NAMES.length)
  })
})

describe('§10.11 alerts, §10.12 agents', () => {
  it('the same condition again is a new alert', () => {
    assert.equal(walk(alertMachine, 'active', 'start-action', 'action-failed', 'inactivate'), 'inactive')
    assert.deepEqual(finalStates(alertMachine), ['inactive'])
  })

  it('an agent is installed, restarted, lost and found, updated, disabled, taken over', () => {
    assert.equal(
      walk(agentMachine, 'not-installed', 'install', 'installed', 'restarted', 'lose', 'connect', 'find-update', 'update', 'updated'),
      'ok',
    )
    assert.equal(walk(agentMachine, 'ok', 'disable', 'enable', 'taken-over'), 'owned-by-other')
    assert.equal(isLegal(agentMachine, 'revoked', 'connect'), false)
    assert.equal(isLegal(agentMachine, 'disabled', 'connect'), false)
    assert.equal(Object.keys(AGENT_STATUS).length, Object.keys(agentMachine.table).length)
  })
})
