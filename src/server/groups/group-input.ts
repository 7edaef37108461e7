/** A protection group as people write it: members by path, and nothing that has a default. */
import { z } from 'zod'
import type { Random } from '../../base/random.ts'
import { randomHex } from '../../base/random.ts'
import type { DataSource, Records } from '../../catalog/index.ts'
import { type Member, memberShape, type ProtectionGroup, protectionGroupShape, selectionShape } from '../../protection/index.ts'
import { groupError } from './errors.ts'

export const memberInputShape = memberShape.omit({ dataSourceId: true, name: true, selection: true, agentId: true }).extend({
  dataSourceId: memberShape.shape.dataSourceId.optional(),
  agentId: memberShape.shape.agentId.optional(),
  /** Of the data source, as the agent calls it: for files the folder. In place of `dataSourceId`. */
  path: z.string().min(1).max(4096).optional(),
  name: z.string().min(1).max(1024).optional(),
  /** Without one: all of the path. */
  selection: selectionShape.optional(),
})

export const groupInputShape = protectionGroupShape.omit({ members: true }).extend({ members: z.array(memberInputShape).max(10_000) })
export type GroupInput = z.infer<typeof groupInputShape>

export interface ResolvedMember {
  readonly member: Member
  readonly path: string
  /** Undefined: it is not known yet, and the id of the member is to be its id. */
  readonly source: DataSource | undefined
}

export interface ResolvedGroup {
  readonly group: ProtectionGroup
  readonly members: readonly ResolvedMember[]
}

/** GROUP_MEMBER_UNCLEAR. */
export async function resolveGroup(
  records: Pick<Records, 'sources' | 'agents'>,
  random: Random,
  input: GroupInput,
): Promise<ResolvedGroup> {
  const members: ResolvedMember[] = []
  // One that is named twice is one data source, also where it is not known yet.
  const ids = new Map<string, string>()
  for (const each of input.members) {
    const resolved = await resolveMember(records, random, each)
    const { agentId, workload, dataSourceId } = resolved.member
    const place = JSON.stringify([agentId, workload, resolved.path])
    const id = ids.get(place) ?? dataSourceId
    ids.set(place, id)
    members.push({ ...resolved, member: { ...resolved.member, dataSourceId: id } })
  }
  return { group: protectionGroupShape.parse({ ...input, members: members.map(({ member }) => member) }), members }
}

async function resolveMember(
  { sources, agents }: Pick<Records, 'sources' | 'agents'>,
  random: Random,
  { path: given, ...input }: z.infer<typeof memberInputShape>,
): Promise<ResolvedMember> {
  const known = input.dataSourceId === undefined ? undefined : await sources.get(input.dataSourceId)
  const agentId = input.agentId ?? known?.agentId
  const path = given ?? known?.path
  if (agentId === undefined || path === undefined)
    throw groupError('GROUP_MEMBER_UNCLEAR', 'a member names neither its data source nor its agent and path')
  const source = known ?? (await sources.findByPlace(agentId, input.workload, path))
  const agent = await agents.find(agentId)
  const member: Member = memberShape.parse({
    ...input,
    agentId,
    dataSourceId: source?.id ?? randomHex(random, 16),
    name: input.name ?? source?.name ?? `${agent?.name ?? agentId}:${path}`,
    selection: input.selection ?? { includes: [path] },
  })
  return { member, path, source }
}
