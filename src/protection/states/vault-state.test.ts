import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HOUR_MS } from '../limits.ts'
import { eventsFrom, finalStates, type Machine, transition } from './machine.ts'
import { type SetupEvent, type SetupState, setupMachine } from './setup-state.ts'
import {
  CREDENTIAL_HOURS,
  externalViewMachine,
  isCredentialExpired,
  isPinExpired,
  isRegistered,
  pinMachine,
  redundancyMachine,
  registrationMachine,
} from './vault-state.ts'

function walk<S extends string, E extends string>(machine: Machine<S, E>, from: S, ...events: E[]): S {
  return events.reduce((state, event) => {
    const step = transition(machine, state, event)
    assert.ok(step.isLegal, `${machine.name}: ${state} can not take ${event}`)
    return step.to
  }, from)
}
const isLegal = <S extends string, E extends string>(machine: Machine<S, E>, from: S, event: E) => transition(machine, from, event).isLegal

describe('§10.4 registration with a vault', () => {
  it('33413 and 100087: registered, policy out of sync, certificate invalid; one vault at a time', () => {
    assert.equal(walk(registrationMachine, 'unregistered', 'register', 'policy-refused', 'policy-accepted'), 'registered')
    assert.equal(walk(registrationMachine, 'registered', 'certificate-refused', 'register'), 'registered')
    assert.equal(isLegal(registrationMachine, 'registered', 'register'), false)
    assert.equal(isLegal(registrationMachine, 'certificate-invalid', 'policy-accepted'), false)
    assert.deepEqual([isRegistered('certificate-invalid'), isRegistered('unregistered')], [true, false])
  })
})

describe('§10.5 redundancy of a vault', () => {
  it('S-065: is frozen by the first item, until none is left', () => {
    assert.equal(walk(redundancyMachine, 'editable', 'first-item-protected'), 'locked')
    assert.equal(walk(redundancyMachine, 'locked', 'last-item-gone'), 'editable')
  })
})

describe('§10.6 setup', () => {
  it('S-082: a check that failed can only be made again; a restart that is due goes on with the check of the database', () => {
    assert.deepEqual(eventsFrom(setupMachine, 'prerequisites-failed'), ['check'])
    assert.deepEqual(eventsFrom(setupMachine, 'reboot-required'), ['reboot'])
    assert.equal(walk(setupMachine, 'database-check', 'need-reboot', 'reboot', 'pass'), 'settings')
  })

  it('leads through its screens in order, from the first to the last, and registers before it installs', () => {
    const events: SetupEvent[] = [
      'next',
      'next',
      'next',
      'check',
      'fail',
      'check',
      'pass',
      'next',
      'pass',
      'next',
      'next',
      'next',
      'next',
      'need-proxy',
      'next',
      'next',
      'next',
      'next',
      'pass',
      'pass',
    ]
    assert.equal(walk<SetupState, SetupEvent>(setupMachine, 'extract', ...events), 'done')
    assert.deepEqual(finalStates(setupMachine), ['done'])
  })
})

describe("§10.13 another server's view, §10.14 the security PIN", () => {
  it('credential, server, passphrase, browsing, recovering; clearing and expiry end it wherever it is', () => {
    const ways = ['check-credential', 'choose-server', 'unlock', 'browse', 'recover'] as const
    assert.equal(walk(externalViewMachine, 'none', ...ways, 'recovered', 'clear'), 'none')
    assert.equal(walk(externalViewMachine, 'none', ...ways, 'expire'), 'none')
    assert.equal(isLegal(externalViewMachine, 'credential-checked', 'unlock'), false)
  })

  it('§13: a PIN is good for five minutes, a credential for 48 hours: to the millisecond', () => {
    assert.deepEqual([isPinExpired({ issuedMs: 0 }, 299_999), isPinExpired({ issuedMs: 0 }, 300_000)], [false, true])
    assert.equal(walk(pinMachine, 'none', 'issue', 'expire', 'issue', 'use'), 'used')
    assert.equal(isLegal(pinMachine, 'used', 'use'), false)
    const monday = Date.parse('2026-11-23T10:00:00Z')
    assert.deepEqual(
      [
        isCredentialExpired({ issuedMs: monday }, monday + 48 * HOUR_MS - 1),
        isCredentialExpired({ issuedMs: monday }, monday + 48 * HOUR_MS),
      ],
      [false, true],
    )
    assert.equal(isCredentialExpired({ issuedMs: 0, hours: CREDENTIAL_HOURS.longest }, 48 * HOUR_MS), false)
  })
})
