/**
 * Many sessions of one writer (docs/adr/0014-many-sessions.md), explored state by state: whatever their order, beside expirations and prunes, and whoever ends
 * or is killed in between, each recovery point that is visible names only chunks that a listed pack holds. Each rule that is taken away breaks that.
 * TERP_MODEL_STATES explores wider bounds, up to that many states.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchStates } from '../support/state-space.ts'
import { manySessions, SHARING, type SharingBounds, type SharingRules } from './many-sessions-protocol.ts'

const WIDE = process.env.TERP_MODEL_STATES === undefined ? undefined : Number(process.env.TERP_MODEL_STATES)
const STEPS = [
  ...['begin', 'store', 'seal', 'publishIndex', 'offer', 'commit', 'end', 'lapse', 'crashWriter', 'openWriter'],
  ...['expirePoint', 'listAndMark', 'repack', 'entomb', 'recheck', 'rewriteIndex', 'deletePack', 'forget', 'crashPrune'],
]

test('no recovery point names what is not there, in any of more than a million states', { timeout: 600_000 }, (t) => {
  const search = searchStates(manySessions(SHARING, { sessions: 2, prunes: 1, faults: 2 }))
  t.diagnostic(`${search.states} states`)
  assert.equal(search.counterexample, undefined)
  assert.ok(search.isComplete)
  assert.ok(search.states >= 1_000_000)
  assert.deepEqual(
    STEPS.filter((step) => !search.steps.has(step)),
    [],
    'steps that were never taken',
  )
})

test('nor with a third session', { timeout: 900_000 }, (t) => {
  const bounds: SharingBounds = WIDE === undefined ? { sessions: 3, prunes: 1, faults: 0 } : { sessions: 3, prunes: 2, faults: 2 }
  const search = searchStates(manySessions(SHARING, bounds), WIDE)
  t.diagnostic(`${search.states} states`)
  assert.equal(search.counterexample, undefined)
  assert.ok(search.isComplete || WIDE !== undefined)
})

const SMALL: SharingBounds = { sessions: 2, prunes: 1, faults: 1 }

const MUTANTS: readonly [string, Partial<SharingRules>, SharingBounds][] = [
  ['lets sessions rely on what another one is about to store', { known: 'at once' }, SMALL],
  ['lets sessions rely on packs that are durable and listed by nobody', { known: 'once durable' }, SMALL],
  ['shares what it knew before packs got a tombstone', { opensAnew: false }, SMALL],
  ['offers what has a tombstone by now', { offersUnderGate: false }, { sessions: 3, prunes: 1, faults: 1 }],
  ['offers what it listed after its sessions have ended', { endsAfterListing: false }, { sessions: 3, prunes: 1, faults: 1 }],
  [
    'takes over what sessions left without looking whether it is there',
    { looksAtWhatWasLeft: false },
    { sessions: 3, prunes: 1, faults: 1 },
  ],
]

for (const [what, without, bounds] of MUTANTS) {
  test(`a writer that ${what} would be found out`, { timeout: 600_000 }, (t) => {
    const { counterexample, states } = searchStates(manySessions({ ...SHARING, ...without }, bounds))
    assert.ok(counterexample, `nothing was lost in ${states} states`)
    t.diagnostic(`${counterexample.what} after ${counterexample.steps.length} steps: ${counterexample.steps.join(', ')}`)
  })
}

test('what a session listed and did not offer may be forgotten: that costs space, and nothing else', { timeout: 600_000 }, () => {
  const search = searchStates(manySessions({ ...SHARING, remembers: false }, { sessions: 2, prunes: 1, faults: 2 }))
  assert.equal(search.counterexample, undefined)
})
