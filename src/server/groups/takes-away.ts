/** Whether what is done to groups takes protection away: points go that would have stayed. Then a second person must agree. */
import type { DataSource } from '../../catalog/index.ts'
import { DAY_MS, type ProtectionGroup } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import { readGroup } from './group-facts.ts'
import { type GroupInput, type ResolvedMember, resolveGroup } from './group-input.ts'
import type { DataChoice } from './group-service.ts'

type Kept = Pick<ProtectionGroup, 'shortTerm' | 'online'>

/** Fewer days on disk, or fewer of any row in the vault. */
export function keepsLess(before: Kept, after: Kept): boolean {
  if (after.shortTerm.retentionDays < before.shortTerm.retentionDays) return true
  const [was, is] = [before.online?.retention, after.online?.retention]
  const rows = [
    [was?.daily?.days, is?.daily?.days],
    [was?.weekly?.weeks, is?.weekly?.weeks],
    [was?.monthly?.months, is?.monthly?.months],
    [was?.yearly?.years, is?.yearly?.years],
  ] as const
  return rows.some(([long = 0, now = 0]) => now < long)
}

export async function newGroupTakesAway(context: ServerContext, input: GroupInput): Promise<boolean> {
  const { group, members } = await resolveGroup(context.catalog, context.op.random, input)
  return await takesUpTooMuch(context, group, members)
}

export async function changeTakesAway(context: ServerContext, groupId: string, input: GroupInput, removed: DataChoice): Promise<boolean> {
  const before = readGroup((await context.catalog.groups.get(groupId)).document)
  const { group, members } = await resolveGroup(context.catalog, context.op.random, input)
  const stay = new Set(group.members.map(({ dataSourceId }) => dataSourceId))
  const isDeleting = removed === 'delete' && before.members.some(({ dataSourceId }) => !stay.has(dataSourceId))
  return isDeleting || keepsLess(before, group) || (await takesUpTooMuch(context, group, members))
}

export async function moveTakesAway({ catalog }: ServerContext, sourceId: string, toGroupId: string): Promise<boolean> {
  const { groupId } = await catalog.sources.get(sourceId)
  const target = readGroup((await catalog.groups.get(toGroupId)).document)
  const origin = groupId === undefined ? undefined : await catalog.groups.find(groupId)
  return origin !== undefined && keepsLess(readGroup(origin.document), target)
}

/** What no group protects stays as long as it is left alone; with the rules of a group, old points of it would go. */
async function takesUpTooMuch(
  { catalog, op }: ServerContext,
  group: ProtectionGroup,
  members: readonly ResolvedMember[],
): Promise<boolean> {
  const oldestMs = op.clock.nowMs() - group.shortTerm.retentionDays * DAY_MS
  const retained = members.flatMap(({ source }) => (source && source.groupId === undefined ? [source] : []))
  const hasOlder = async ({ id }: DataSource) => (await catalog.points.validOf(id)).some(({ finishedMs }) => finishedMs < oldestMs)
  for (const source of retained) if (await hasOlder(source)) return true
  return false
}
