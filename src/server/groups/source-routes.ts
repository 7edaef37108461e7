/** Data sources over the API: what is protected, how it stands, and what people ask of one of them (§3.6, §3.11). */
import { z } from 'zod'
import type { DataSource } from '../../catalog/index.ts'
import {
  findConflict,
  type Gated,
  type JobType,
  ON_DEMAND,
  type OnDemandKind,
  onDemandKinds,
  protectionError,
  type ReplicaState,
  refusalError,
  refuseOnDemand,
  refuseReplicaUse,
  type Workload,
} from '../../protection/index.ts'
import {
  checkShape,
  idShape,
  jobDescriptionShape,
  loadReplicaShape,
  onDemandShape,
  pageShape,
  sourceDescriptionShape,
  sourceQueryShape,
} from '../../wire/index.ts'
import { type KnownCaller, reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import { administrators, operators, type Route, route, viewers } from '../http/route.ts'
import type { JobEngine } from '../jobs/engine.ts'
import type { JobPresenter } from '../jobs/present.ts'
import { groupError } from './errors.ts'
import type { FirstCopies } from './first-copies.ts'
import { readGroup } from './group-facts.ts'
import { Names, presentSource } from './present.ts'
import { checkReach } from './routes.ts'

const tag = 'Data sources'
const read = { who: 'roles', roles: viewers, scope: 'groups' } as const
const operate = { who: 'roles', roles: operators, scope: 'groups' } as const
const params = z.object({ id: idShape })

const JOB_OF_KIND: Readonly<Record<OnDemandKind, JobType>> = {
  'synchronise-and-point': 'recovery-point',
  'point-only': 'point-of-replica',
  'synchronise-only': 'synchronisation',
  'express-full': 'recovery-point',
  incremental: 'synchronisation',
  online: 'online-point',
}
/** They ask no agent. */
const SERVER_JOBS: readonly JobType[] = ['point-of-replica', 'online-point']

export interface SourceRouteParts {
  readonly context: ServerContext
  readonly engine: JobEngine
  readonly jobs: JobPresenter
  readonly gate: GateKeeper
  readonly firstCopies: FirstCopies
  /** Of a source whose protection was stopped: its data is given up. */
  readonly removeData: (source: DataSource, by: string) => Promise<void>
}

export function sourceRoutes({ context, engine, jobs, gate, firstCopies, removeData }: SourceRouteParts): Route[] {
  const { catalog } = context
  const found = async (caller: KnownCaller, id: string) => {
    const source = await catalog.sources.get(id)
    checkReach(caller, source.groupId)
    return source
  }
  const summaries = async (sources: readonly DataSource[]) =>
    new Map((await catalog.points.summaries(sources.map(({ id }) => id))).map((summary) => [summary.sourceId, summary]))

  /** 141 and its kin: one operation at a time. */
  const refuseBusy = async (source: DataSource, type: 'recovery-point' | 'consistency-check' | 'replica-creation') => {
    const running = (await catalog.jobs.inProgress()).map((job) => ({
      id: job.id,
      type: job.type,
      ...(job.sourceId && { dataSourceId: job.sourceId }),
    }))
    const conflict = findConflict({ type, dataSourceId: source.id }, running)
    if (conflict) throw refusalError(conflict.refusal)
  }
  /** §10.3: said at once, not only by the job. */
  const refuseGated = async (act: Gated) => {
    const refusal = await gate.refusalOf(act)
    if (refusal) throw refusalError(refusal)
  }
  const isOnline = async ({ id, groupId }: DataSource) => {
    const stored = groupId === undefined ? undefined : await catalog.groups.find(groupId)
    return stored !== undefined && memberOf(stored.document, id).member?.isOnline === true
  }
  const begin = async (source: DataSource, type: JobType, by: string, parameters = {}) => {
    const { id, groupId, agentId, poolId } = source
    const where = SERVER_JOBS.includes(type) ? { poolId } : { agentId, poolId }
    return await engine.create({ type, sourceId: id, groupId, ...where, priority: 50, isAdHoc: true, createdBy: by, parameters })
  }

  return [
    route({
      method: 'GET',
      path: '/sources',
      name: 'source.list',
      summary: 'All data sources, by name; those that are protected no longer too.',
      tag,
      access: read,
      query: sourceQueryShape,
      answer: pageShape(sourceDescriptionShape),
      async handle({ query: { agent, group, state, ...page }, caller }) {
        const states = state === undefined ? undefined : (state.split(',') as ReplicaState[])
        const list = await catalog.sources.list(page, { agentId: agent, groupId: group, states })
        const names = new Names(catalog)
        const known = await summaries(list.items)
        const items = []
        for (const source of list.items)
          if (reaches(caller, source.groupId)) items.push(await presentSource(names, source, known.get(source.id)))
        return { body: { ...list, items } }
      },
    }),
    route({
      method: 'GET',
      path: '/sources/:id',
      name: 'source.get',
      summary: 'One data source: its state, why, and what there is to restore.',
      tag,
      access: read,
      params,
      answer: sourceDescriptionShape,
      async handle({ params: { id }, caller }) {
        const source = await found(caller, id)
        const body = await presentSource(new Names(catalog), source, (await summaries([source])).get(id))
        return { body: source.state === 'manual-pending' ? { ...body, firstCopyFolder: firstCopies.placeOf(id) } : body }
      },
    }),
    route({
      method: 'POST',
      path: '/sources/:id/recovery-points',
      name: 'source.make-point',
      summary: 'Make a recovery point now.',
      tag,
      access: operate,
      params,
      body: onDemandShape,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, body, caller, record }) {
        const source = await found(caller, id)
        await refuseGated(body.kind === 'online' ? 'backupCloud' : 'backupDisk')
        const kinds: readonly OnDemandKind[] = onDemandKinds(source.workload as Workload, await isOnline(source))
        if (!kinds.includes(body.kind))
          throw protectionError('REPLICA_NOT_THERE', `"${ON_DEMAND[body.kind].title}" is not for this data source`)
        const refusal = refuseOnDemand(source.state, { isBusy: false, isRecovering: source.isRecovering }, body.kind)
        if (refusal) throw refusalError(refusal)
        await refuseBusy(source, 'recovery-point')
        const job = await begin(source, JOB_OF_KIND[body.kind], caller.account.id)
        await record({ action: 'source.make-point', subject: { kind: 'data-source', id }, details: { kind: body.kind, job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/sources/:id/check',
      name: 'source.check',
      summary: 'Check the replica against its source and mend what differs; `isHeavy` reads every byte.',
      tag,
      access: operate,
      params,
      body: checkShape,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, body, caller, record }) {
        const source = await found(caller, id)
        const refusal = refuseReplicaUse(source.state, 'consistency-check')
        if (refusal) throw refusalError(refusal)
        await refuseGated('backupDisk')
        await refuseBusy(source, 'consistency-check')
        const job = await begin(source, 'consistency-check', caller.account.id, body)
        await record({ action: 'source.check', subject: { kind: 'data-source', id }, details: { isHeavy: body.isHeavy, job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/sources/:id/replica',
      name: 'source.make-replica',
      summary: 'Make the first copy now; or, where it is brought by hand, take it from the folder that the source names, and check it.',
      tag,
      access: operate,
      params,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        const source = await found(caller, id)
        if (source.groupId === undefined) throw protectionError('REPLICA_NOT_THERE', 'the data source is in no group')
        const isManual = source.state === 'manual-pending'
        if (!isManual && source.state !== 'unprotected' && source.state !== 'scheduled')
          throw groupError('SOURCE_NOT_MANUAL', `the replica is ${source.state}`)
        await refuseGated('backupDisk')
        await refuseBusy(source, 'replica-creation')
        const by = caller.account.id
        const job = isManual ? await firstCopies.load(source, by) : await begin(source, 'replica-creation', by)
        await record({ action: 'source.make-replica', subject: { kind: 'data-source', id }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/sources/:id/replica/load',
      name: 'source.load-replica',
      summary: 'Take the first copy, which is brought by hand, from a folder on the machine of the server, and check it.',
      tag,
      // Whatever lies there can be restored afterwards: who names a folder must be one who decides on the machine.
      access: { who: 'roles', roles: administrators, scope: 'server', stepUp: true },
      params,
      body: loadReplicaShape,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, body: { folder }, caller, record }) {
        const source = await catalog.sources.get(id)
        await refuseGated('backupDisk')
        await refuseBusy(source, 'replica-creation')
        const job = await firstCopies.load(source, caller.account.id, folder)
        await record({ action: 'source.load-replica', subject: { kind: 'data-source', id }, details: { folder, job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/sources/:id/remove-data',
      name: 'source.remove-data',
      summary: 'Give up the data of a source whose protection was stopped. It goes after the cool-off.',
      tag,
      access: { who: 'roles', roles: administrators, scope: 'server', stepUp: true },
      params,
      needsSecond: true,
      async handle({ params: { id }, caller, record }) {
        const source = await catalog.sources.get(id)
        if (source.state !== 'inactive') throw groupError('SOURCE_NOT_INACTIVE', `the data source is ${source.state}`)
        await removeData(source, caller.account.id)
        await record({ action: 'source.remove-data', subject: { kind: 'data-source', id }, details: { name: source.name } })
        return {}
      },
    }),
  ]
}

/** What of a group says when a source is next looked at; for status. */
export function memberOf(document: unknown, sourceId: string) {
  const group = readGroup(document)
  return { group, member: group.members.find(({ dataSourceId }) => dataSourceId === sourceId) }
}
