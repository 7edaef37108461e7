/**
 * The protocol of prune (docs/adr/0010-prune.md), explored state by state: whatever the order of backups, expirations, prunes and crashes, no recovery point
 * that is visible loses a chunk; and each rule that is taken away lets one lose something. TERP_MODEL_STATES explores wider bounds, up to that many states.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchStates } from '../support/state-space.ts'
import { type Bounds, pruneProtocol, RULES, type Rules } from './prune-protocol.ts'

const WIDE = process.env.TERP_MODEL_STATES === undefined ? undefined : Number(process.env.TERP_MODEL_STATES)

test('no recovery point loses anything, in any of more than a million states', { timeout: 300_000 }, () => {
  const search = searchStates(pruneProtocol(RULES, { sessions: 2, prunes: 1, faults: 1 }))
  assert.equal(search.counterexample, undefined)
  assert.ok(search.isComplete)
  assert.ok(search.states >= 1_000_000, `${search.states} states`)
  const taken = new Set(search.steps.keys())
  const always = ['openSession', 'loadIndex', 'store', 'publishIndex', 'commit', 'crashSession', 'lapse', 'expirePoint']
  const pruning = ['listAndMark', 'repack', 'entomb', 'recheck', 'rewriteIndex', 'deletePack', 'forget', 'crashPrune']
  assert.deepEqual(
    [...always, ...pruning].filter((step) => !taken.has(step)),
    [],
    'steps that were never taken',
  )
})

test('nor when a second prune goes on where the first one crashed or waited', { timeout: 600_000 }, () => {
  const bounds: Bounds = WIDE === undefined ? { sessions: 1, prunes: 2, faults: 2 } : { sessions: 3, prunes: 2, faults: 2 }
  const search = searchStates(pruneProtocol(RULES, bounds), WIDE)
  assert.equal(search.counterexample, undefined)
  assert.ok(search.isComplete || WIDE !== undefined)
})

const SMALL: Bounds = { sessions: 2, prunes: 1, faults: 0 }

const MUTANTS: readonly [string, Partial<Rules>, Bounds][] = [
  ['does nothing of all this', { tombstones: false, grace: false, barrier: false, recheck: false, fence: false, holds: false }, SMALL],
  ['spares what sessions asked about lately', { recentTouch: true }, SMALL],
  ['has no tombstones', { tombstones: false }, SMALL],
  ['does not wait for open sessions', { grace: false }, SMALL],
  ['does not mark what was committed meanwhile', { barrier: false }, SMALL],
  ['does not look again after the wait', { recheck: false }, SMALL],
  ['lets sessions commit that were taken for ended', { fence: false }, { ...SMALL, faults: 1 }],
  ['forgets expired points that sessions build on', { holds: false }, { ...SMALL, prunes: 2 }],
  ['lets sessions read the tombstones before they announce themselves', { announceFirst: false }, SMALL],
  ['counts copies in packs with tombstones', { copiesCount: 'all' }, { sessions: 2, prunes: 2, faults: 1 }],
  ['drops tombstones before the packs are gone', { forgetLast: false }, SMALL],
]

for (const [what, without, bounds] of MUTANTS) {
  test(`a prune that ${what} would be found out`, { timeout: 300_000 }, (t) => {
    const { counterexample, states } = searchStates(pruneProtocol({ ...RULES, ...without }, bounds))
    assert.ok(counterexample, `nothing was lost in ${states} states`)
    t.diagnostic(`${counterexample.what} after ${counterexample.steps.length} steps: ${counterexample.steps.join(', ')}`)
  })
}
