/** A group against which nothing stands, and the world around it; tests change one thing each. */
import { DEFAULT_SETTINGS, LIFTED_CAPS } from '../limits.ts'
import type { Refusal } from '../refusal.ts'
import type { GroupFacts } from './facts.ts'
import { type ProtectionGroup, type ProtectionGroupInput, protectionGroupShape } from './shape.ts'
import { validateGroup } from './validate-group.ts'

export const id = (n: number) => n.toString(16).padStart(32, '0')
export const NOW = Date.parse('2026-01-01T00:00:00Z')
export const FACTS: GroupFacts = {
  nowMs: NOW,
  agents: [
    { id: id(1), name: 'alpha', kind: 'server', isBackupServer: false },
    { id: id(2), name: 'laptop', kind: 'client', isBackupServer: false },
    { id: id(3), name: 'vault-keeper', kind: 'server', isBackupServer: true },
  ],
  dataSources: [],
  poolVolumeCount: 1,
  otherGroups: [],
  isRegistered: true,
  settings: DEFAULT_SETTINGS,
}
export const member = (n: number, rest: object = {}) => ({ dataSourceId: id(100 + n), agentId: id(1), name: `source ${n}`, ...rest })
export const RETENTION = { daily: { days: 30, times: ['12:00'] } }

export const group = (rest: Partial<ProtectionGroupInput> = {}): ProtectionGroup =>
  protectionGroupShape.parse({ name: 'Files of alpha', members: [member(1)], ...rest })
export const check = (rest: Partial<ProtectionGroupInput> = {}, facts: Partial<GroupFacts> = {}) =>
  validateGroup(group(rest), { ...FACTS, ...facts })
export const codes = (refusals: readonly Refusal[]) => refusals.map(({ code, domainCode }) => `${domainCode ?? ''} ${code}`.trim())
export const lifted = { settings: { ...DEFAULT_SETTINGS, caps: LIFTED_CAPS } }
export const weekly = (times: string[], weekdays?: ('mon' | 'sat' | 'wed')[]) => ({
  kind: 'weekly' as const,
  times,
  ...(weekdays ? { weekdays } : {}),
})
export const goals = (retentionDays: number, times: string[], minutes = 15) => ({
  shortTerm: { retentionDays, recoveryPoints: weekly(times), synchronisation: { kind: 'every' as const, minutes } },
})
