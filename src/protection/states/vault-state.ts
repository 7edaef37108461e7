/** A server and its vault: registration (§10.4), how the vault is replicated (§10.5), another server's view (§10.13) and the PIN (§10.14). */
import { MINUTE_MS } from '../limits.ts'
import type { Machine } from './machine.ts'

export type RegistrationState = 'unregistered' | 'registered' | 'policy-out-of-sync' | 'certificate-invalid'
export type RegistrationEvent = 'register' | 'policy-refused' | 'policy-accepted' | 'certificate-refused' | 'unregister'

/** `policy-out-of-sync` is 33413, `certificate-invalid` 100087–100089: only registering again leads out of that. */
export const registrationMachine: Machine<RegistrationState, RegistrationEvent> = {
  name: 'a registration',
  initial: 'unregistered',
  table: {
    unregistered: { register: 'registered' },
    registered: { 'policy-refused': 'policy-out-of-sync', 'certificate-refused': 'certificate-invalid', unregister: 'unregistered' },
    'policy-out-of-sync': {
      'policy-accepted': 'registered',
      'certificate-refused': 'certificate-invalid',
      unregister: 'unregistered',
    },
    'certificate-invalid': { register: 'registered', unregister: 'unregistered' },
  },
}

/** Whether there is a vault at all: one that has to be registered with anew is still this server's. */
export const isRegistered = (state: RegistrationState): boolean => state !== 'unregistered'

export type RedundancyState = 'editable' | 'locked'
export type RedundancyEvent = 'first-item-protected' | 'last-item-gone'

export const VAULT_REDUNDANCIES = ['geo', 'local', 'zone'] as const
export const DEFAULT_REDUNDANCY: (typeof VAULT_REDUNDANCIES)[number] = 'geo'

/** How a vault is replicated can be chosen until something is in it. */
export const redundancyMachine: Machine<RedundancyState, RedundancyEvent> = {
  name: 'the redundancy of a vault',
  initial: 'editable',
  table: {
    editable: { 'first-item-protected': 'locked' },
    locked: { 'last-item-gone': 'editable' },
  },
}

export type ExternalViewState = 'none' | 'credential-checked' | 'server-chosen' | 'unlocked' | 'browsing' | 'recovering'
export type ExternalViewEvent = 'check-credential' | 'choose-server' | 'unlock' | 'browse' | 'recover' | 'recovered' | 'clear' | 'expire'

const ends = { clear: 'none', expire: 'none' } as const

/** What another server has in the same vault, looked at from here. A credential that expires ends it wherever it is. */
export const externalViewMachine: Machine<ExternalViewState, ExternalViewEvent> = {
  name: "another server's view",
  initial: 'none',
  table: {
    none: { 'check-credential': 'credential-checked' },
    'credential-checked': { 'choose-server': 'server-chosen', ...ends },
    'server-chosen': { unlock: 'unlocked', ...ends },
    unlocked: { browse: 'browsing', ...ends },
    browsing: { recover: 'recovering', ...ends },
    recovering: { recovered: 'browsing', ...ends },
  },
}

export type PinState = 'none' | 'issued' | 'used' | 'expired'
export type PinEvent = 'issue' | 'use' | 'expire'

export const pinMachine: Machine<PinState, PinEvent> = {
  name: 'a security PIN',
  initial: 'none',
  table: {
    none: { issue: 'issued' },
    issued: { use: 'used', expire: 'expired', issue: 'issued' },
    used: { issue: 'issued' },
    expired: { issue: 'issued' },
  },
}

export const PIN_LIFE_MS = 5 * MINUTE_MS

/** Its five minutes are over to the millisecond. */
export const isPinExpired = (pin: { readonly issuedMs: number }, nowMs: number): boolean => nowMs - pin.issuedMs >= PIN_LIFE_MS

/** §13: refused from the moment on at which its time is over. */
export const CREDENTIAL_HOURS = { default: 48, longest: 240 } as const
export function isCredentialExpired(
  { issuedMs, hours = CREDENTIAL_HOURS.default }: { issuedMs: number; hours?: number },
  nowMs: number,
): boolean {
  return nowMs - issuedMs >= hours * 60 * MINUTE_MS
}
