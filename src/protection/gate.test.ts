import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { changeSubscription, GATED, type Gate, type GateFacts, gate, type Subscription } from './gate.ts'

const CONTACT = Date.parse('2019-01-01T00:00:00Z')
const DAY = 86_400_000
const facts = (rest: Partial<GateFacts> = {}): GateFacts => ({
  lastContactMs: CONTACT,
  isReachable: false,
  subscription: 'active',
  nowMs: CONTACT + 16 * DAY,
  offlinePolicy: 'stop-all',
  ...rest,
})
/** Backup to cloud, backup to disk, restore from cloud, restore from disk. */
const letters = (result: Gate) => GATED.map((each) => (result[each].isAllowed ? 'A' : 'S')).join('')
const domainCodes = (result: Gate) =>
  GATED.map((each) => {
    const verdict = result[each]
    return verdict.isAllowed ? verdict.warning?.domainCode : verdict.refusal.domainCode
  })

describe('§2.K connectivity × subscription', () => {
  const rows: readonly [row: string, isReachable: boolean, subscription: Subscription, expected: string][] = [
    ['S-100', true, 'active', 'AAAA'],
    ['S-101', true, 'expired', 'SSAA'],
    ['S-102', true, 'deprovisioned', 'SSSS'],
    ['S-103', false, 'active', 'SSAA'],
    ['S-104', false, 'expired', 'SSAA'],
    ['S-105', false, 'deprovisioned', 'SSSS'],
  ]
  for (const [row, isReachable, subscription, expected] of rows) {
    it(`${row}: ${isReachable ? 'connected' : 'lost > 15 days'}, ${subscription}`, () => {
      const result = gate(facts({ isReachable, subscription }))
      assert.equal(letters(result), expected)
      assert.equal(result.isConnected, isReachable)
    })
  }

  it('S-106: lost for up to 15 days, disk work goes on and cloud work fails with "no connection"', () => {
    const result = gate(facts({ nowMs: CONTACT + 3 * DAY }))
    assert.equal(letters(result), 'AAAA')
    assert.deepEqual(domainCodes(result), [100050, undefined, 100050, undefined])
    assert.equal(letters(gate(facts({ nowMs: CONTACT + 3 * DAY, subscription: 'expired' }))), 'SSAA')
    assert.equal(letters(gate(facts({ nowMs: CONTACT + 3 * DAY, subscription: 'deprovisioned' }))), 'SSSS')
  })

  it('S-107: a restore from a vault out of reach is allowed, and told that it has to wait', () => {
    assert.deepEqual(domainCodes(gate(facts()))[2], 100050)
  })

  it('S-108: 50004, 50005 and 50006 say why', () => {
    assert.deepEqual(domainCodes(gate(facts())).slice(0, 2), [50004, 50004])
    assert.deepEqual(domainCodes(gate(facts({ subscription: 'expired' }))).slice(0, 2), [50005, 50005])
    assert.deepEqual(domainCodes(gate(facts({ subscription: 'deprovisioned' }))), [50006, 50006, 50006, 50006])
  })

  it('S-109: disk backups stop too when the cloud is lost for too long, unless the offline policy keeps them', () => {
    assert.equal(gate(facts()).backupDisk.isAllowed, false)
    const kept = gate(facts({ offlinePolicy: 'keep-local' }))
    assert.equal(letters(kept), 'SAAA')
    assert.equal(domainCodes(kept)[1], 50004)
    assert.equal(letters(gate(facts({ offlinePolicy: 'keep-local', subscription: 'expired' }))), 'SSAA', 'not what an expired one needs')
  })

  it('S-113: after the link is back the subscription alone decides', () => {
    assert.equal(letters(gate(facts({ isReachable: true, nowMs: CONTACT + 400 * DAY }))), 'AAAA')
  })

  it('without a vault the disk works', () => {
    assert.equal(letters(gate(facts({ subscription: 'none' }))), 'SASA')
    assert.equal(letters(gate(facts({ lastContactMs: null }))), 'SASA')
  })
})

describe('§10.1 and §13: the 15-day rule', () => {
  it('exactly 15 days is still grace; a millisecond more is not', () => {
    const at = (text: string) => gate(facts({ nowMs: Date.parse(text) }))
    assert.equal(at('2019-01-16T00:00:00Z').connection, 'disconnected-grace')
    assert.equal(at('2019-01-16T00:00:00Z').backupDisk.isAllowed, true)
    assert.equal(at('2019-01-16T00:00:00.001Z').connection, 'disconnected-long')
    assert.equal(at('2019-01-16T00:00:01Z').backupDisk.isAllowed, false)
  })

  it('complaint 13: warns from the first day, with a countdown', () => {
    const countdown = (days: number, rest: Partial<GateFacts> = {}) => gate(facts({ nowMs: CONTACT + days * DAY, ...rest })).countdown
    assert.deepEqual(countdown(0.5), {
      endsMs: CONTACT + 15 * DAY,
      remainingMs: 14.5 * DAY,
      urgency: 'warning',
      message: 'the vault has been out of reach for 12 h: all backups stop, to disk too, in 14 days',
    })
    assert.equal(countdown(12)?.urgency, 'urgent')
    assert.match(countdown(14.5)?.message ?? '', /in 12 h$/)
    assert.match(countdown(16)?.message ?? '', /all backups have stopped/)
    assert.match(countdown(16, { offlinePolicy: 'keep-local' })?.message ?? '', /go on/)
    assert.equal(gate(facts({ isReachable: true })).countdown, undefined)
  })

  it('a clock that was set back is no lost contact', () => {
    assert.equal(gate(facts({ nowMs: CONTACT - 400 * DAY })).connection, 'disconnected-grace')
  })

  it('contact within the hour counts as connected where nobody says more', () => {
    const { isReachable: _, ...silent } = facts()
    assert.equal(gate({ ...silent, nowMs: CONTACT + 3_600_000 }).connection, 'connected')
    assert.equal(gate({ ...silent, nowMs: CONTACT + 3_600_001 }).connection, 'disconnected-grace')
  })
})

describe('§10.2 subscription', () => {
  const STATES: Subscription[] = ['none', 'active', 'expired', 'deprovisioned']

  it('S-110, S-111: what may become what, and that deprovisioning empties the vault once', () => {
    const legal = STATES.flatMap((from) =>
      STATES.filter((to) => from !== to && changeSubscription(from, to).isLegal).map((to) => `${from} → ${to}`),
    )
    assert.deepEqual(legal, [
      'none → active',
      'active → expired',
      'active → deprovisioned',
      'expired → active',
      'expired → deprovisioned',
      'deprovisioned → active',
    ])
    for (const from of STATES)
      for (const to of STATES) {
        const change = changeSubscription(from, to)
        if (change.isLegal) assert.equal(change.purgesVault, to === 'deprovisioned' && from !== to)
        else assert.equal(change.refusal.code, 'STATE_TRANSITION_ILLEGAL')
      }
  })

  it('§10.3: a longer loss and a worse subscription never allow more', () => {
    const rank: Record<Subscription, number> = { none: 0, active: 0, expired: 1, deprovisioned: 2 }
    const real = fc.constantFrom<Subscription>('active', 'expired', 'deprovisioned')
    const days = fc.integer({ min: 0, max: 40 })
    const policy = fc.constantFrom('stop-all' as const, 'keep-local' as const)
    fc.assert(
      fc.property(real, real, days, days, policy, (a, b, x, y, offlinePolicy) => {
        const [better, worse] = rank[a] <= rank[b] ? [a, b] : [b, a]
        const good = gate(facts({ subscription: better, nowMs: CONTACT + Math.min(x, y) * DAY, offlinePolicy }))
        const bad = gate(facts({ subscription: worse, nowMs: CONTACT + Math.max(x, y) * DAY, offlinePolicy }))
        for (const each of GATED) assert.ok(good[each].isAllowed || !bad[each].isAllowed)
      }),
    )
  })
})
