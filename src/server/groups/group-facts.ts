/** What the rules of a group ask about this server. */
import { hostname } from 'node:os'
import type { Agent, Catalog, Records } from '../../catalog/index.ts'
import {
  type AgentFacts,
  type GroupFacts,
  type OtherGroup,
  type ProtectionGroup,
  type ProtectionSettings,
  protectionGroupShape,
} from '../../protection/index.ts'
import { factsFrom, type MachineInventory } from './inventory.ts'
import { memoryOf } from './source-memory.ts'

export interface GroupFactsOptions {
  readonly settings: ProtectionSettings
  readonly nowMs: number
  /** As it is to be: what its machines say of its members. */
  readonly group: ProtectionGroup
  /** Of a group that is changed. */
  readonly groupId?: string | undefined
  readonly before?: ProtectionGroup | undefined
  readonly isRegistered: boolean
  /** What agents said there is on their machines, by agent. */
  readonly inventories?: ReadonlyMap<string, MachineInventory> | undefined
}

export async function groupFacts(catalog: Catalog | Records, options: GroupFactsOptions): Promise<GroupFacts> {
  const { settings, nowMs, group, groupId, before, isRegistered, inventories } = options
  const agents: Agent[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await catalog.agents.list({ limit: 500, ...(cursor !== undefined && { cursor }) })
    agents.push(...page.items)
    if (page.next === undefined) break
    cursor = page.next
  }
  const groups = (await catalog.groups.all())
    .filter(({ id }) => id !== groupId)
    .map(({ id, name, document }) => ({ id, name, group: readGroup(document) }))
  const sources = await catalog.sources.all()
  const sizes = new Map(sources.map(({ id, sizeBytes }) => [id, sizeBytes]))
  const members = [...group.members, ...groups.flatMap((other) => other.group.members)]
  const dataSources = [...new Map(members.map((member) => [member.dataSourceId, member])).values()].map((member) => {
    const inventory = inventories?.get(member.agentId)
    const sizeBytes = sizes.get(member.dataSourceId)
    return {
      id: member.dataSourceId,
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(inventory && member.workload === 'files' && factsFrom(inventory, member)),
    }
  })
  const memories = sources.filter(({ groupId: id }) => id !== undefined && id === groupId).map(memoryOf)
  return {
    nowMs,
    settings,
    agents: agents.map((agent) => agentFacts(agent, groups)),
    dataSources,
    poolVolumeCount: (await catalog.pools.all()).length,
    otherGroups: groups.map(({ id, name, group: other }): OtherGroup => ({ id, name, members: other.members })),
    isRegistered,
    ...(before && {
      before: {
        group: before,
        hasInitialCopy: memories.some(({ online }) => online !== undefined),
        isSeedPending: memories.some(({ seedSinceMs }) => seedSinceMs !== undefined),
      },
    }),
  }
}

/** A machine is what the groups that protect it already are for. */
function agentFacts({ id, name, platform }: Agent, groups: readonly { readonly group: ProtectionGroup }[]): AgentFacts {
  const type = groups.find(({ group }) => group.members.some(({ agentId }) => agentId === id))?.group.type
  return {
    id,
    name,
    ...(type !== undefined && { kind: type === 'clients' ? 'client' : 'server' }),
    isBackupServer: platform?.hostname === hostname(),
  }
}

/** What was judged by the shape of its time: parts that came later have their defaults. */
export function readGroup(document: unknown): ProtectionGroup {
  return protectionGroupShape.parse(document)
}
