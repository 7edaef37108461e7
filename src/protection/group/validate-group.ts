/** Every rule of §3.1–3.10 at once: all that stands against a group, not only the first, each with its code and what to do. */
import { isTimeZone } from '../calendar/zone.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { GroupFacts } from './facts.ts'
import type { ProtectionGroup } from './shape.ts'
import { validateGoals } from './validate-goals.ts'
import { validateMembers } from './validate-members.ts'
import { validateOnline } from './validate-online.ts'
import { validateOptions } from './validate-options.ts'

/** Refusals stop the group; warnings don't (`isRefused` tells). In the order of the wizard's pages. */
export function validateGroup(group: ProtectionGroup, facts: GroupFacts): Refusal[] {
  const refusals: Refusal[] = []
  if (facts.agents.length === 0) refusals.push(refuse('GROUP_NO_AGENT', 'no agent is enrolled'))
  if (facts.poolVolumeCount === 0) refusals.push(refuse('GROUP_NO_POOL', 'the storage pool has no volume'))
  refusals.push(...validateName(group.name, facts))
  if (facts.before !== undefined && facts.before.group.type !== group.type) {
    const message = `the group is for ${facts.before.group.type} and can not become one for ${group.type}`
    refusals.push(refuse('GROUP_TYPE_FROZEN', message, { path: 'type' }))
  }
  if (!isTimeZone(group.timeZone)) {
    refusals.push(refuse('GROUP_TIME_ZONE_UNKNOWN', `there is no time zone "${group.timeZone}"`, { path: 'timeZone' }))
  }
  return [
    ...refusals,
    ...validateMembers(group, facts),
    ...validateGoals(group, facts.settings),
    ...validateOnline(group, facts),
    ...validateOptions(group, facts.nowMs),
  ]
}

/** Letters of any script with their marks. What the vault refuses in names besides is none of these. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ]*$/u
const LONGEST_NAME = 64

/** Names are compared as people see them: without case, and however an accent is encoded. */
const nameKey = (name: string) => name.normalize('NFC').toLowerCase()

function validateName(name: string, facts: GroupFacts): Refusal[] {
  const path = 'name'
  const length = [...name].length
  if (length < 1 || length > LONGEST_NAME) return [refuse('GROUP_NAME_INVALID', `the name has ${length} characters`, { path })]
  if (!NAME.test(name) || !/\p{L}/u.test(name) || name.endsWith(' ')) return [refuse('GROUP_NAME_INVALID', `the name "${name}"`, { path })]
  const taken = facts.otherGroups.some((other) => nameKey(other.name) === nameKey(name))
  return taken ? [refuse('GROUP_NAME_TAKEN', `there is a group "${name}"`, { path })] : []
}
