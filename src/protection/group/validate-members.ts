/** Rules about who may be a member (§3.3). */
import { LIMITS_MEMBER } from '../limits.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { DataSourceFacts, GroupFacts } from './facts.ts'
import { validateExtensions, validateMemberSelection } from './selection.ts'
import type { Member, ProtectionGroup } from './shape.ts'

export function validateMembers(group: ProtectionGroup, facts: GroupFacts): Refusal[] {
  const sources = new Map(facts.dataSources.map((source) => [source.id, source]))
  const agents = new Map(facts.agents.map((agent) => [agent.id, agent]))
  const elsewhere = new Map(facts.otherGroups.flatMap(({ name, members }) => members.map((member) => [member.dataSourceId, name])))
  const seen = new Set<string>()
  const refusals: Refusal[] = []
  for (const [i, member] of group.members.entries()) {
    const path = `members.${i}`
    const source = sources.get(member.dataSourceId)
    if (seen.has(member.dataSourceId)) refusals.push(refuse('MEMBER_TWICE', `${member.name} is named twice`, { path }))
    seen.add(member.dataSourceId)
    const other = elsewhere.get(member.dataSourceId)
    if (other !== undefined) {
      refusals.push(refuse('MEMBER_PROTECTED_ELSEWHERE', `${member.name} is protected by the group "${other}"`, { path }))
    }
    const agent = agents.get(member.agentId)
    if (agent === undefined) {
      refusals.push(refuse('MEMBER_AGENT_UNKNOWN', `${member.name} is on a machine without an agent`, { path: `${path}.agentId` }))
    } else {
      if (agent.kind !== undefined && (agent.kind === 'client') !== (group.type === 'clients')) {
        const message = `${agent.name} is a ${agent.kind}, and the group is for ${group.type}`
        refusals.push(refuse('MEMBER_WRONG_TYPE', message, { path }))
      }
      if (agent.isBackupServer && member.workload === 'bare-metal') {
        refusals.push(refuse('MEMBER_IS_BACKUP_SERVER', `${agent.name} is the backup server itself`, { path }))
      }
    }
    if (source !== undefined && member.workload === 'files') refusals.push(...validateVolume(member, source, path))
    if (member.workload === 'files') {
      refusals.push(...validateMemberSelection(member.selection, source?.mountPoints ?? [], `${path}.selection`))
    }
  }
  refusals.push(...validateExtensions(group.excludedExtensions))
  refusals.push(...validatePerVolume(group, facts, sources))
  refusals.push(...validateFarms(group, facts, sources))
  refusals.push(...validateSystemState(group, facts))
  return refusals
}

function validateVolume(member: Member, source: DataSourceFacts, path: string): Refusal[] {
  const refusals: Refusal[] = []
  if (source.volumeSizeBytes !== undefined && source.volumeSizeBytes < LIMITS_MEMBER.smallestVolumeBytes) {
    const megabytes = Math.floor(source.volumeSizeBytes / 1e6)
    refusals.push(refuse('MEMBER_TOO_SMALL', `the volume of ${member.name} has ${megabytes} MB`, { path }))
  }
  const wrong = [
    source.isFixed === false ? 'removable' : '',
    source.isOnline === false ? 'offline' : '',
    source.isWritable === false ? 'read-only' : '',
    source.isUnlocked === false ? 'locked' : '',
  ].filter((word) => word !== '')
  if (wrong.length > 0) refusals.push(refuse('MEMBER_NOT_PROTECTABLE', `the volume of ${member.name} is ${wrong.join(' and ')}`, { path }))
  return refusals
}

function validatePerVolume(group: ProtectionGroup, facts: GroupFacts, sources: ReadonlyMap<string, DataSourceFacts>): Refusal[] {
  const most = facts.settings.caps.dataSourcesPerVolume
  if (most === null) return []
  const counts = new Map<string, number>()
  const everywhere = [...group.members, ...facts.otherGroups.flatMap((other) => other.members)]
  for (const { agentId, dataSourceId } of everywhere) {
    const volumeName = sources.get(dataSourceId)?.volumeName
    if (volumeName !== undefined) counts.set(`${agentId} ${volumeName}`, (counts.get(`${agentId} ${volumeName}`) ?? 0) + 1)
  }
  const own = new Set(group.members.map(({ agentId, dataSourceId }) => `${agentId} ${sources.get(dataSourceId)?.volumeName}`))
  return [...counts]
    .filter(([volume, count]) => own.has(volume) && count > most)
    .map(([volume, count]) => {
      const message = `${count} data sources would be on the volume ${volume.slice(volume.indexOf(' ') + 1)}, ${most} may be`
      return refuse('MEMBER_TOO_MANY_ON_VOLUME', message, { path: 'members' })
    })
}

/** A farm and its databases exclude each other, in this group and between groups (173, 174; 201 from the other side). */
function validateFarms(group: ProtectionGroup, facts: GroupFacts, sources: ReadonlyMap<string, DataSourceFacts>): Refusal[] {
  const others = facts.otherGroups.flatMap((other) => other.members.map((member) => ({ id: member.dataSourceId, where: other.name })))
  const own = group.members.map((member) => ({ id: member.dataSourceId, where: group.name }))
  const protectedIds = new Map([...others, ...own].map(({ id, where }) => [id, where]))
  const farmOf = new Map<string, string>()
  for (const id of protectedIds.keys()) for (const part of sources.get(id)?.partIds ?? []) farmOf.set(part, id)
  const refusals: Refusal[] = []
  for (const [i, member] of group.members.entries()) {
    const path = `members.${i}`
    if (farmOf.has(member.dataSourceId)) {
      const where = protectedIds.get(farmOf.get(member.dataSourceId) as string)
      refusals.push(refuse('MEMBER_PART_OF_FARM', `${member.name} belongs to a farm that "${where}" protects`, { path }))
    }
    const parts = (sources.get(member.dataSourceId)?.partIds ?? []).filter((part) => protectedIds.has(part))
    if (parts.length > 0) {
      const message = `${parts.length} of the databases of ${member.name} are protected by themselves`
      refusals.push(refuse('MEMBER_FARM_HAS_MEMBERS', message, { path }))
    }
  }
  return refusals
}

function validateSystemState(group: ProtectionGroup, facts: GroupFacts): Refusal[] {
  const refusals: Refusal[] = []
  for (const [i, { agentId, workload }] of group.members.entries()) {
    if (workload !== 'bare-metal' && workload !== 'system-state') continue
    const counterpart = workload === 'bare-metal' ? 'system-state' : 'bare-metal'
    const other = facts.otherGroups.find(({ members }) => members.some((each) => each.agentId === agentId && each.workload === counterpart))
    if (other === undefined) continue
    const message = `the ${counterpart} of the same machine is in the group "${other.name}"`
    refusals.push(refuse('MEMBER_SYSTEM_STATE_APART', message, { path: `members.${i}` }))
  }
  return refusals
}
