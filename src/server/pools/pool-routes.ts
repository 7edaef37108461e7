/** Pool volumes: made, changed, looked at; and the jobs on them. */

import { z } from 'zod'
import { toTimestamp } from '../../base/clock.ts'
import type { PoolVolume } from '../../catalog/index.ts'
import { forecastFull, refusalError, refuse } from '../../protection/index.ts'
import {
  changePoolShape,
  createdPoolShape,
  createPoolShape,
  idShape,
  jobStartedShape,
  type PoolDescription,
  type PoolUsageDescription,
  poolShape,
  poolsShape,
  poolUsageQueryShape,
  poolUsageShape,
  prunePoolShape,
  removePoolShape,
  verifyPoolShape,
} from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { administrators, operators, type Route, route, viewers } from '../http/route.ts'
import type { JobStarter } from '../recovery/job-starter.ts'
import type { PoolKeeper } from './pool-keeper.ts'
import { thresholdOf } from './usage.ts'

export interface PoolRouteParts {
  readonly keeper: PoolKeeper
  readonly jobs: JobStarter
}

const tag = 'Pool volumes'
const look = { who: 'roles', roles: viewers, scope: 'server' } as const
const change = { who: 'roles', roles: administrators, scope: 'server', stepUp: true } as const
const params = z.object({ id: idShape })
const DAY_MS = 86_400_000

export function poolRoutes({ catalog, op }: ServerContext, { keeper, jobs }: PoolRouteParts): Route[] {
  const present = async (pool: PoolVolume): Promise<PoolDescription> => {
    const usage = await keeper.usage(pool.id).catch(() => undefined)
    return {
      id: pool.id,
      name: pool.name,
      folder: pool.folder,
      workloads: [...pool.workloads],
      thresholds: { usage: thresholdOf(pool) },
      state: pool.state,
      created: toTimestamp(pool.createdMs),
      version: pool.version,
      isOpen: keeper.isOpen(pool.id),
      ...(usage && { usage }),
    }
  }
  return [
    route({
      method: 'GET',
      path: '/pools',
      name: 'pool.list',
      summary: 'All pool volumes, with how full their disks are now.',
      tag,
      access: look,
      answer: poolsShape,
      handle: async () => ({ body: { items: await Promise.all((await catalog.pools.all()).map(present)) } }),
    }),

    route({
      method: 'GET',
      path: '/pools/:id',
      name: 'pool.read',
      summary: 'One pool volume.',
      tag,
      access: look,
      params,
      answer: poolShape,
      async handle({ params: { id } }) {
        const pool = await catalog.pools.get(id)
        return { body: await present(pool), version: pool.version }
      },
    }),

    route({
      method: 'POST',
      path: '/pools',
      name: 'pool.create',
      summary: 'Make a pool volume in an empty folder. The answer has the words that open it without this server, this once.',
      tag,
      access: change,
      body: createPoolShape,
      answer: createdPoolShape,
      status: 201,
      takesKey: false,
      async handle({ body: { confirm, ...wanted }, record }) {
        if (confirm !== wanted.folder) throw notConfirmed(wanted.folder)
        const { pool, recoveryWords } = await keeper.createPool(wanted)
        const { name, folder } = pool
        await record({ action: 'pool.create', subject: { kind: 'pool', id: pool.id }, details: { name, folder } })
        return { body: { pool: await present(pool), recoveryWords }, location: `/api/v1/pools/${pool.id}`, version: pool.version }
      },
    }),

    route({
      method: 'PATCH',
      path: '/pools/:id',
      name: 'pool.change',
      summary: 'Change the name of a pool volume, what may be put there, or when people are warned.',
      tag,
      access: change,
      params,
      body: changePoolShape,
      answer: poolShape,
      needsVersion: true,
      async handle({ params: { id }, body, expectedVersion, record }) {
        const pool = await catalog.transaction(async (records) => {
          const before = await records.pools.get(id)
          const after = await records.pools.change(id, body, expectedVersion)
          const details = { before: settingsOf(before), after: settingsOf(after) }
          await record({ action: 'pool.change', subject: { kind: 'pool', id }, details }, records)
          return after
        })
        return { body: await present(pool), version: pool.version }
      },
    }),

    route({
      method: 'POST',
      path: '/pools/:id/remove',
      name: 'pool.remove',
      summary: 'Let go of a pool volume that holds no data source. What is on its disk stays.',
      tag,
      access: change,
      params,
      body: removePoolShape,
      needsSecond: true,
      async handle({ params: { id }, body, record }) {
        const { name, folder } = await catalog.pools.get(id)
        if (body.confirm !== name) throw notConfirmed(name)
        await keeper.remove(id)
        await record({ action: 'pool.remove', subject: { kind: 'pool', id }, details: { name, folder } })
        return {}
      },
    }),

    route({
      method: 'GET',
      path: '/pools/:id/usage',
      name: 'pool.usage',
      summary: 'How full a pool volume is, was, and when it will be full.',
      tag,
      access: look,
      params,
      query: poolUsageQueryShape,
      answer: poolUsageShape,
      async handle({ params: { id }, query }) {
        await catalog.pools.get(id)
        const nowMs = op.clock.nowMs()
        const samples = await catalog.pools.usageSince(id, nowMs - query.days * DAY_MS)
        const now = await keeper.usage(id).catch(() => undefined)
        const known = now ? [...samples, { atMs: nowMs, ...now }] : samples
        const capacityBytes = known.at(-1)?.sizeBytes ?? 0
        const reclaimableBytes = samples.findLast((sample) => sample.reclaimableBytes !== undefined)?.reclaimableBytes
        const body: PoolUsageDescription = {
          ...(now && { now }),
          ...(reclaimableBytes !== undefined && { reclaimableBytes }),
          history: samples.map(({ atMs, sizeBytes, usedBytes, freeBytes }) => ({ at: toTimestamp(atMs), sizeBytes, usedBytes, freeBytes })),
          forecast: presentForecast(forecastFull(known, capacityBytes, nowMs)),
        }
        return { body }
      },
    }),

    route({
      method: 'POST',
      path: '/pools/:id/verify',
      name: 'pool.verify',
      summary: 'Look for damage, as a job.',
      tag,
      access: { who: 'roles', roles: operators, scope: 'server' },
      params,
      body: verifyPoolShape,
      answer: jobStartedShape,
      status: 202,
      async handle({ params: { id }, body, caller, record }) {
        await catalog.pools.get(id)
        const job = await jobs.create({ type: 'pool-verify', poolId: id, isAdHoc: true, parameters: body, createdBy: caller.account.id })
        await record({ action: 'pool.verify', subject: { kind: 'pool', id }, details: { job: job.id, ...body } })
        return { body: { jobId: job.id } }
      },
    }),

    route({
      method: 'POST',
      path: '/pools/:id/prune',
      name: 'pool.prune',
      summary: 'Free what no recovery point needs, as a job. Backups and restores go on meanwhile.',
      tag,
      access: { who: 'roles', roles: administrators, scope: 'server' },
      params,
      body: prunePoolShape,
      answer: jobStartedShape,
      status: 202,
      async handle({ params: { id }, body, caller, record }) {
        await catalog.pools.get(id)
        const job = await jobs.create({ type: 'prune', poolId: id, isAdHoc: true, parameters: body, createdBy: caller.account.id })
        await record({ action: 'pool.prune', subject: { kind: 'pool', id }, details: { job: job.id, ...body } })
        return { body: { jobId: job.id } }
      },
    }),
  ]
}

function notConfirmed(name: string) {
  return refusalError(refuse('POOL_VOLUME_NOT_CONFIRMED', `${name} was not typed to confirm`))
}

const settingsOf = ({ name, workloads, thresholds }: PoolVolume) => ({ name, workloads: [...workloads], thresholds: thresholds ?? null })

function presentForecast(forecast: ReturnType<typeof forecastFull>): PoolUsageDescription['forecast'] {
  if (forecast.kind !== 'full-at') return forecast
  const { atMs, ...rest } = forecast
  return { ...rest, at: toTimestamp(atMs) }
}
