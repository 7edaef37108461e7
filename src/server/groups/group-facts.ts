/** What the rules of a group ask about this server. */
import type { Catalog, Records } from '../../catalog/index.ts'
import {
  type GroupFacts,
  type OtherGroup,
  type ProtectionGroup,
  type ProtectionSettings,
  protectionGroupShape,
} from '../../protection/index.ts'

export interface GroupFactsOptions {
  readonly settings: ProtectionSettings
  readonly nowMs: number
  /** Of a group that is changed. */
  readonly groupId?: string | undefined
  readonly before?: ProtectionGroup | undefined
}

export async function groupFacts(catalog: Catalog | Records, { settings, nowMs, groupId, before }: GroupFactsOptions): Promise<GroupFacts> {
  const agents = []
  for (let cursor: string | undefined; ; ) {
    const page = await catalog.agents.list({ limit: 500, ...(cursor !== undefined && { cursor }) })
    agents.push(...page.items)
    if (page.next === undefined) break
    cursor = page.next
  }
  const groups = await catalog.groups.all()
  const sources = await catalog.sources.all()
  return {
    nowMs,
    settings,
    agents: agents.map(({ id, name }) => ({ id, name, kind: 'server', isBackupServer: false })),
    dataSources: sources.map(({ id, sizeBytes }) => ({ id, ...(sizeBytes !== undefined && { sizeBytes }) })),
    poolVolumeCount: (await catalog.pools.all()).length,
    otherGroups: groups
      .filter(({ id }) => id !== groupId)
      .map(({ id, name, document }): OtherGroup => ({ id, name, members: readGroup(document).members })),
    isRegistered: false,
    ...(before && { before: { group: before, hasInitialCopy: false, isSeedPending: false } }),
  }
}

/** What was judged by the shape of its time: parts that came later have their defaults. */
export function readGroup(document: unknown): ProtectionGroup {
  return protectionGroupShape.parse(document)
}
