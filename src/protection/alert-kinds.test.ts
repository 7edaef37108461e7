import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ALERT_KIND_NAMES, ALERT_KINDS, alertAdviceOf, alertKindOf, hasFaded, isInHistory } from './alert-kinds.ts'

const DAY = 86_400_000

describe('§5.4 alerts', () => {
  it('all numbers of the domain are there once, with the severity of its table', () => {
    const table: Record<string, readonly number[]> = {
      critical: [3101, 3106, 3111, 3114, 3120, 3122, 3187, 3188, 33411, 33515, 33518],
      warning: [
        3100, 3103, 3133, 3134, 3104, 3107, 3180, 3110, 3115, 3116, 3121, 3124, 3125, 3126, 3151, 3170, 3154, 3155, 3168, 3169, 3178, 3181,
        3183, 33442, 3189, 33413, 33415, 33475, 33505, 33514,
      ],
      informational: [3105, 3109, 3112, 3117, 3118, 3119, 3190, 33473, 33474],
    }
    for (const [severity, expected] of Object.entries(table)) {
      const own = ALERT_KIND_NAMES.map(alertKindOf).filter((kind) => kind.severity === severity && kind.domainCode !== null)
      assert.deepEqual(own.map(({ domainCode }) => domainCode).sort(), [...expected].sort(), severity)
    }
  })

  it('each says what to do; each goes away by itself but those that report what happened', () => {
    const lasting = ALERT_KIND_NAMES.filter((name) => ALERT_KINDS[name].resolvedBy === null)
    assert.deepEqual(lasting, ['recovery-partial', 'recovery-succeeded', 'new-computers'])
    for (const name of ALERT_KIND_NAMES) assert.match(alertAdviceOf(name), /^[A-Z].*\.$/, name)
  })

  it('a recovery that succeeded shows for 3 days, new computers for 7, what is over for 30', () => {
    const faded = (kind: 'recovery-succeeded' | 'new-computers' | 'replica-inconsistent', days: number) =>
      hasFaded({ kind, raisedMs: 0 }, days * DAY)
    assert.deepEqual(
      [2.9, 3].map((days) => faded('recovery-succeeded', days)),
      [false, true],
    )
    assert.deepEqual(
      [6.9, 7].map((days) => faded('new-computers', days)),
      [false, true],
    )
    assert.equal(faded('replica-inconsistent', 1000), false)
    const alert = { kind: 'replica-inconsistent' as const, raisedMs: 0, endedMs: DAY }
    assert.deepEqual(
      [30.9, 31].map((days) => isInHistory(alert, days * DAY)),
      [true, false],
    )
    assert.equal(isInHistory({ kind: 'replica-inconsistent', raisedMs: 0 }, 1000 * DAY), true)
  })
})
