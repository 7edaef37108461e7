/**
 * Protection groups: made, changed, stopped, and their members moved (§3.1–3.10). What the domain refuses is refused with all of its reasons at once; what is done is one
 * transaction: the group, its data sources, their states, the jobs that follow, and the line in the audit log.
 */

import { fromTimestamp } from '../../base/clock.ts'
import type { TerpError } from '../../base/errors.ts'
import { asTerpError, hasCode } from '../../base/errors.ts'
import type { Catalog, DataSource, Job, Records, StoredGroup } from '../../catalog/index.ts'
import {
  changeOf,
  findConflict,
  isRefused,
  isRegistered,
  type ProtectionGroup,
  protectionError,
  type Refusal,
  type ReplicaEvent,
  refusalError,
  validateGroup,
} from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { protectionSettings } from '../jobs/settings.ts'
import { asJson } from '../settings/setting.ts'
import { groupFacts, readGroup } from './group-facts.ts'
import { type GroupInput, type ResolvedGroup, type ResolvedMember, resolveGroup } from './group-input.ts'
import type { Inventory } from './inventory.ts'
import { remember, type SourceMemory } from './source-memory.ts'
import { applyEvent } from './source-state.ts'

export type DataChoice = 'retain' | 'delete'
/** Of what is retained: until somebody deletes it, or as long as the group's range would have kept it. */
export type KeepChoice = 'until-deleted' | 'by-policy'
/** Writes the line of the audit log in the transaction. */
export type Recorder = (
  records: Records,
  groupId: string,
  details: { readonly [key: string]: string | number | readonly string[] },
) => Promise<void>

export interface GroupChanged {
  readonly group: StoredGroup
  readonly warnings: readonly Refusal[]
}

export interface GroupServiceParts {
  readonly context: ServerContext
  readonly engine: JobEngine
  readonly pools: PoolWork
  readonly inventory: Inventory
  readonly gate: Pick<GateKeeper, 'registration'>
  /** In the transaction: all points of a source are given up. */
  readonly giveUp: (records: Records, source: DataSource, by: string) => Promise<void>
  /** Groups are other than they were. */
  readonly changed: () => Promise<void>
}

export class GroupService {
  readonly #parts: GroupServiceParts
  readonly #catalog: Catalog

  constructor(parts: GroupServiceParts) {
    this.#parts = parts
    this.#catalog = parts.context.catalog
  }

  /** All that stands against it and all that it brings; nothing is changed. */
  async check(input: GroupInput, groupId?: string): Promise<readonly Refusal[]> {
    const resolved = await resolveGroup(this.#catalog, this.#parts.context.op.random, input)
    const before = groupId === undefined ? undefined : readGroup((await this.#catalog.groups.get(groupId)).document)
    return await this.#validate(resolved.group, groupId, before)
  }

  async #validate(group: ProtectionGroup, groupId?: string, before?: ProtectionGroup): Promise<readonly Refusal[]> {
    return validateGroup(group, await this.#facts(group, groupId, before))
  }

  async #facts(group: ProtectionGroup, groupId: string | undefined, before: ProtectionGroup | undefined) {
    const { context, inventory, gate } = this.#parts
    return await groupFacts(this.#catalog, {
      settings: await protectionSettings(context),
      nowMs: context.op.clock.nowMs(),
      group,
      groupId,
      before,
      isRegistered: isRegistered((await gate.registration()).state),
      inventories: await inventory.fresh(group.members.map(({ agentId }) => agentId)),
    })
  }

  /** 195: who changed the group meanwhile is told by the domain's number. */
  async #commit<T>(groupId: string, work: (records: Records) => Promise<T>): Promise<T> {
    try {
      return await this.#catalog.transaction(work)
    } catch (error) {
      if (!hasCode(error, 'CATALOG_VERSION_CONFLICT')) throw error
      const context = { domain_code: 195, id: groupId }
      throw protectionError('GROUP_CHANGED_MEANWHILE', 'the group is no longer the one that was read', { cause: error, context })
    }
  }

  async create(input: GroupInput, by: string, record: Recorder): Promise<GroupChanged> {
    const { context, engine } = this.#parts
    const resolved = await resolveGroup(this.#catalog, context.op.random, input)
    const refusals = await this.#validate(resolved.group)
    if (isRefused(refusals)) throw refusedBy(refusals)
    const places = await this.#places(resolved.members)
    const jobs: Job[] = []
    const group = await this.#catalog.transaction(async (records) => {
      const made = await records.groups.create({ name: resolved.group.name, document: documentOf(resolved.group), by })
      for (const member of resolved.members)
        jobs.push(...(await this.#protect(records, { made, member, by, places, group: resolved.group })))
      await record(records, made.id, { name: made.name, members: resolved.members.map(({ member }) => member.name) })
      return made
    })
    engine.created(...jobs)
    await this.#parts.changed()
    return { group, warnings: refusals }
  }

  /** `removed`: what becomes of the data of members that are left out. */
  async modify(
    id: string,
    input: GroupInput,
    { removed, expectedVersion, by }: { readonly removed: DataChoice; readonly expectedVersion: number; readonly by: string },
    record: Recorder,
  ): Promise<GroupChanged> {
    const { context, engine } = this.#parts
    const stored = await this.#catalog.groups.get(id)
    const before = readGroup(stored.document)
    const resolved = await resolveGroup(this.#catalog, context.op.random, input)
    const refusals = await this.#validate(resolved.group, id, before)
    if (isRefused(refusals)) throw refusedBy(refusals)
    const change = changeOf(before, resolved.group)
    const leaving = await this.#stoppable(change.removed.map(({ dataSourceId }) => dataSourceId))
    const isNew = new Set(change.added.map(({ dataSourceId }) => dataSourceId))
    const added = resolved.members.filter(({ member }) => isNew.has(member.dataSourceId))
    const places = await this.#places(added)
    const jobs: Job[] = []
    const group = await this.#commit(id, async (records) => {
      const made = await records.groups.replace(
        id,
        { name: resolved.group.name, document: documentOf(resolved.group), by },
        expectedVersion,
      )
      for (const source of leaving) await this.#unprotect(records, source, { data: removed, by })
      for (const member of added) jobs.push(...(await this.#protect(records, { made, member, by, places, group: resolved.group })))
      for (const { member } of resolved.members) {
        if (!isNew.has(member.dataSourceId)) await records.sources.assign(member.dataSourceId, { name: member.name })
      }
      for (const member of change.toCheck) {
        const source = await records.sources.find(member.dataSourceId)
        if (source?.state !== 'ok') continue
        await applyEvent(records, source, 'become-inconsistent', { code: 'members-changed', message: 'what is protected was changed' })
        if (resolved.group.consistencyCheck.whenInconsistent) jobs.push(await this.#job(records, 'consistency-check', made, source, by))
      }
      await record(records, id, {
        name: made.name,
        added: change.added.map(({ name }) => name),
        removed: change.removed.map(({ name }) => name),
        data: removed,
      })
      return made
    })
    engine.created(...jobs)
    await this.#parts.changed()
    return { group, warnings: refusals }
  }

  /** Of all members, or of some. A group without members is gone. */
  async stop(
    id: string,
    {
      members,
      data,
      keep = 'until-deleted',
      expectedVersion,
      by,
    }: {
      readonly members?: readonly string[] | undefined
      readonly data: DataChoice
      readonly keep?: KeepChoice | undefined
      readonly expectedVersion: number
      readonly by: string
    },
    record: Recorder,
  ): Promise<void> {
    const before = readGroup((await this.#catalog.groups.get(id)).document)
    const ids = members ?? before.members.map(({ dataSourceId }) => dataSourceId)
    const leaving = await this.#stoppable(ids)
    const rest = before.members.filter(({ dataSourceId }) => !ids.includes(dataSourceId))
    const { timeZone, shortTerm } = before
    const retained = keep === 'by-policy' ? { timeZone, shortTermDays: shortTerm.retentionDays } : undefined
    await this.#commit(id, async (records) => {
      for (const source of leaving) if (source.groupId === id) await this.#unprotect(records, source, { data, by, retained })
      if (rest.length === 0) await records.groups.remove(id, expectedVersion)
      else await records.groups.replace(id, { name: before.name, document: documentOf({ ...before, members: rest }), by }, expectedVersion)
      await record(records, id, { name: before.name, members: leaving.map(({ name }) => name), data, ...(data === 'retain' && { keep }) })
    })
    await this.#parts.changed()
  }

  /** To another group, with all its recovery points (complaint 17). */
  async move(sourceId: string, toGroupId: string, by: string, record: Recorder): Promise<GroupChanged> {
    const source = await this.#catalog.sources.get(sourceId)
    const target = await this.#catalog.groups.get(toGroupId)
    const targetBefore = readGroup(target.document)
    const origin = source.groupId === undefined ? undefined : await this.#catalog.groups.get(source.groupId)
    const member = origin && readGroup(origin.document).members.find(({ dataSourceId }) => dataSourceId === sourceId)
    if (!origin || !member || origin.id === toGroupId) return { group: target, warnings: [] }
    const after: ProtectionGroup = { ...targetBefore, members: [...targetBefore.members, member] }
    const facts = await this.#facts(after, toGroupId, targetBefore)
    // As it will be: the group that it leaves no longer has it.
    const otherGroups = facts.otherGroups.map((other) => ({
      ...other,
      members: other.members.filter(({ dataSourceId }) => dataSourceId !== sourceId),
    }))
    const agents = facts.agents.map(({ kind: _, ...agent }) => agent)
    const isElsewhere = otherGroups.some(({ members }) => members.some(({ agentId }) => agentId === member.agentId))
    const refusals = validateGroup(after, { ...facts, otherGroups, ...(!isElsewhere && { agents }) })
    if (isRefused(refusals)) throw refusedBy(refusals)
    const originBefore = readGroup(origin.document)
    const rest = originBefore.members.filter(({ dataSourceId }) => dataSourceId !== sourceId)
    const group = await this.#commit(toGroupId, async (records) => {
      await records.sources.assign(sourceId, { groupId: toGroupId })
      if (rest.length === 0) await records.groups.remove(origin.id, origin.version)
      else
        await records.groups.replace(
          origin.id,
          { name: origin.name, document: documentOf({ ...originBefore, members: rest }), by },
          origin.version,
        )
      const made = await records.groups.replace(toGroupId, { name: target.name, document: documentOf(after), by }, target.version)
      await record(records, toGroupId, { source: source.name, from: origin.name, to: target.name })
      return made
    })
    await this.#parts.changed()
    return { group, warnings: refusals }
  }

  async #places(members: readonly ResolvedMember[]): Promise<ReadonlyMap<string, string>> {
    const places = new Map<string, string>()
    for (const { member, source } of members) {
      // Points that are there stay where they are.
      places.set(member.dataSourceId, source?.poolId ?? member.volumeId ?? (await this.#parts.pools.placeNew(member.workload)))
    }
    return places
  }

  async #protect(
    records: Records,
    {
      made,
      member,
      by,
      places,
      group,
    }: { made: StoredGroup; member: ResolvedMember; by: string; places: ReadonlyMap<string, string>; group: ResolvedGroup['group'] },
  ): Promise<Job[]> {
    const { dataSourceId: id, agentId, workload, name } = member.member
    const poolId = places.get(id)
    const known = await records.sources.find(id)
    const source = known ?? (await records.sources.add({ id, agentId, workload, name, path: member.path, groupId: made.id, poolId }))
    if (known) await records.sources.assign(id, { groupId: made.id, poolId, name })
    if (known) await remember(records, id, { retained: undefined })
    if (source.state === 'inactive') {
      // Re-added: its old points are its own again, and a check brings it up to date.
      await applyEvent(records, source, 'protect-again', { code: 'protected-again', message: 'protection was taken up again' })
      return [await this.#job(records, 'consistency-check', made, source, by)]
    }
    if (source.state !== 'unprotected')
      throw refusalError(
        findConflict({ type: 'replica-creation', dataSourceId: id }, [{ id: '', type: 'delete-replica', dataSourceId: id }])
          ?.refusal as Refusal,
      )
    const how = group.replicaCreation
    if (how.method === 'manual') await applyEvent(records, source, 'await-manual')
    if (how.method === 'later') await applyEvent(records, source, 'schedule')
    if (how.method === 'manual') return []
    const dueMs = how.method === 'later' ? fromTimestamp(how.at) : undefined
    return [await this.#job(records, 'replica-creation', made, source, by, dueMs)]
  }

  async #job(
    records: Records,
    type: 'replica-creation' | 'consistency-check',
    group: StoredGroup,
    { id, agentId, poolId }: DataSource,
    by: string,
    dueMs?: number,
  ): Promise<Job> {
    const priority = readGroup(group.document).priority
    const request = {
      type,
      sourceId: id,
      groupId: group.id,
      agentId,
      poolId,
      priority,
      createdBy: by,
      ...(dueMs !== undefined && { dueMs }),
    }
    return await records.jobs.create(this.#parts.engine.fill(request))
  }

  /** 95–100: while another operation runs on a replica, its protection is not stopped. */
  async #stoppable(ids: readonly string[]): Promise<readonly DataSource[]> {
    const running = (await this.#catalog.jobs.inProgress()).map(({ id, type, sourceId }) => ({
      id,
      type,
      ...(sourceId !== undefined && { dataSourceId: sourceId }),
    }))
    const sources: DataSource[] = []
    for (const id of ids) {
      const conflict = findConflict({ type: 'stop-protection', dataSourceId: id }, running)
      if (conflict) throw refusalError(conflict.refusal)
      sources.push(await this.#catalog.sources.get(id))
    }
    return sources
  }

  async #unprotect(
    records: Records,
    source: DataSource,
    { data, by, retained }: { readonly data: DataChoice; readonly by: string; readonly retained?: SourceMemory['retained'] },
  ): Promise<void> {
    const waiting = await records.jobs.list({ limit: 500 }, { sourceId: source.id, states: ['scheduled', 'queued'] })
    for (const job of waiting.items) await records.jobs.cancel(job.id, by)
    await records.sources.assign(source.id, { groupId: null })
    await remember(records, source.id, { retained: data === 'retain' ? retained : undefined })
    if (source.state === 'unprotected') return
    const apply = async (event: ReplicaEvent) => await applyEvent(records, await records.sources.get(source.id), event)
    await apply('stop')
    if (data === 'retain') await apply('retain')
    else {
      await apply('delete')
      await this.#parts.giveUp(records, source, by)
    }
  }
}

function documentOf(group: ProtectionGroup) {
  return asJson(group) as Record<string, never>
}

/** The first refusal, with all of them in its context. */
export function refusedBy(refusals: readonly Refusal[]): TerpError {
  const refused = refusals.filter(({ severity }) => severity === 'refusal')
  const first = refused[0]
  if (!first) return asTerpError(new Error('nothing was refused'))
  const error = refusalError(first)
  return Object.assign(error, {
    context: {
      ...error.context,
      refusals: refused.map(({ code, domainCode, message, hint, path }) => ({ code, domain_code: domainCode, message, hint, path })),
    },
  })
}
