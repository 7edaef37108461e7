/** Setting a server up, screen by screen (§10.6): what can not be passed over, and where a restart of the machine goes on. */
import type { Machine } from './machine.ts'

export const SETUP_STATES = [
  'extract',
  'launch',
  'welcome',
  'prerequisites-unchecked',
  'prerequisites-running',
  'prerequisites-failed',
  'prerequisites-passed',
  'database-check',
  'reboot-required',
  'settings',
  'security',
  'update-opt-in',
  'summary',
  'install-agent',
  'proxy-needed',
  'vault-identification',
  'encryption',
  'registering',
  'installing',
  'done',
] as const
export type SetupState = (typeof SETUP_STATES)[number]
export type SetupEvent = 'next' | 'check' | 'pass' | 'fail' | 'need-reboot' | 'reboot' | 'need-proxy'

/** A check that failed can only be made again; a restart that is due is due until it was made. */
export const setupMachine: Machine<SetupState, SetupEvent> = {
  name: 'setup',
  initial: 'extract',
  table: {
    extract: { next: 'launch' },
    launch: { next: 'welcome' },
    welcome: { next: 'prerequisites-unchecked' },
    'prerequisites-unchecked': { check: 'prerequisites-running' },
    'prerequisites-running': { pass: 'prerequisites-passed', fail: 'prerequisites-failed' },
    'prerequisites-failed': { check: 'prerequisites-running' },
    'prerequisites-passed': { next: 'database-check' },
    'database-check': { pass: 'settings', 'need-reboot': 'reboot-required', check: 'database-check' },
    'reboot-required': { reboot: 'database-check' },
    settings: { next: 'security' },
    security: { next: 'update-opt-in' },
    'update-opt-in': { next: 'summary' },
    summary: { next: 'install-agent' },
    'install-agent': { next: 'vault-identification', 'need-proxy': 'proxy-needed' },
    'proxy-needed': { next: 'install-agent' },
    'vault-identification': { next: 'encryption' },
    encryption: { next: 'registering' },
    registering: { pass: 'installing', fail: 'vault-identification' },
    installing: { pass: 'done' },
    done: {},
  },
}
