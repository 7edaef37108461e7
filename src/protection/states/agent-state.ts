/** Agents (§10.12, §2.M) and alerts as records (§10.11). */
import type { Machine } from './machine.ts'

export type AgentState =
  | 'not-installed'
  | 'installing'
  | 'restart-required'
  | 'ok'
  | 'unreachable'
  | 'update-available'
  | 'updating'
  | 'disabled'
  | 'incompatible'
  | 'owned-by-other'
  | 'revoked'
export type AgentEvent =
  | 'install'
  | 'installed'
  | 'restarted'
  | 'connect'
  | 'lose'
  | 'find-update'
  | 'update'
  | 'updated'
  | 'fail'
  | 'disable'
  | 'enable'
  | 'find-incompatible'
  | 'taken-over'
  | 'take-back'
  | 'revoke'

const anywhere = { revoke: 'revoked' } as const

export const agentMachine: Machine<AgentState, AgentEvent> = {
  name: 'an agent',
  initial: 'not-installed',
  table: {
    'not-installed': { install: 'installing' },
    // An agent that needs no driver is ready without a restart.
    installing: { installed: 'restart-required', connect: 'ok', fail: 'not-installed', ...anywhere },
    'restart-required': { restarted: 'ok', connect: 'ok', lose: 'unreachable', ...anywhere },
    ok: {
      lose: 'unreachable',
      'find-update': 'update-available',
      disable: 'disabled',
      'find-incompatible': 'incompatible',
      'taken-over': 'owned-by-other',
      ...anywhere,
    },
    unreachable: { connect: 'ok', disable: 'disabled', 'find-incompatible': 'incompatible', 'taken-over': 'owned-by-other', ...anywhere },
    'update-available': {
      update: 'updating',
      lose: 'unreachable',
      updated: 'ok',
      disable: 'disabled',
      'find-incompatible': 'incompatible',
      'taken-over': 'owned-by-other',
      ...anywhere,
    },
    updating: {
      updated: 'ok',
      connect: 'ok',
      fail: 'update-available',
      lose: 'unreachable',
      'find-incompatible': 'incompatible',
      ...anywhere,
    },
    disabled: { enable: 'ok', ...anywhere },
    incompatible: { update: 'updating', connect: 'ok', disable: 'disabled', ...anywhere },
    'owned-by-other': { 'take-back': 'ok', ...anywhere },
    revoked: {},
  },
}

/** In these, jobs for the agent may start. */
export const isAgentUsable = (state: AgentState): boolean => state === 'ok' || state === 'update-available'

export const AGENT_STATUS: Readonly<Record<AgentState, string>> = {
  'not-installed': 'Not installed',
  installing: 'Installing',
  'restart-required': 'Restart required',
  ok: 'OK',
  unreachable: 'Unreachable',
  'update-available': 'Update available',
  updating: 'Updating',
  disabled: 'Disabled',
  incompatible: 'Incompatible',
  'owned-by-other': 'Owned by another server',
  revoked: 'Revoked',
}

export type AlertState = 'active' | 'action-in-progress' | 'inactive'
export type AlertEvent = 'start-action' | 'action-failed' | 'resolve' | 'inactivate'

/** The same condition again is a new alert, so nothing leads out of `inactive`. */
export const alertMachine: Machine<AlertState, AlertEvent> = {
  name: 'an alert',
  initial: 'active',
  table: {
    active: { 'start-action': 'action-in-progress', resolve: 'inactive', inactivate: 'inactive' },
    'action-in-progress': { 'action-failed': 'active', resolve: 'inactive', inactivate: 'inactive' },
    inactive: {},
  },
}
