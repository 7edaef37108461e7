/** Moving data sources between the volumes of the storage pool, and emptying a volume (§3.5). */
import { z } from 'zod'
import { evacuationShape, idShape, jobStartedShape, moveSourceShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { administrators, type Route, route } from '../http/route.ts'
import type { Moves } from './moves.ts'

const access = { who: 'roles', roles: administrators, scope: 'server' } as const
const params = z.object({ id: idShape })

export function moveRoutes({ catalog }: ServerContext, moves: Moves): Route[] {
  return [
    route({
      method: 'POST',
      path: '/sources/:id/move',
      name: 'source.move',
      summary: 'Move a data source with all its recovery points to another pool volume, as a job.',
      tag: 'Data sources',
      access,
      params,
      body: moveSourceShape,
      answer: jobStartedShape,
      status: 202,
      async handle({ params: { id }, body: { poolId }, caller, record }) {
        const job = await moves.moveSource(id, poolId, caller.account.id)
        await record({ action: 'source.move', subject: { kind: 'data-source', id }, details: { to: poolId, job: job.id } })
        return { body: { jobId: job.id }, location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/pools/:id/evacuate',
      name: 'pool.evacuate',
      summary: 'Move everything on a pool volume to others, as jobs; nothing new is put there from now on.',
      tag: 'Pool volumes',
      access: { ...access, stepUp: true },
      params,
      needsSecond: true,
      answer: evacuationShape,
      status: 202,
      async handle({ params: { id }, caller, record }) {
        const jobs = await moves.evacuate(id, caller.account.id)
        await record({ action: 'pool.evacuate', subject: { kind: 'pool', id }, details: { jobs: jobs.length } })
        return { body: { jobs: jobs.map((job) => ({ jobId: job.id, sourceId: job.sourceId ?? '', to: String(job.parameters.to) })) } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/pools/:id/evacuate',
      name: 'pool.stop-evacuating',
      summary: 'Let a pool volume take data again. Moves that run go on, those that wait are cancelled.',
      tag: 'Pool volumes',
      access,
      params,
      async handle({ params: { id }, caller, record }) {
        const { name } = await catalog.pools.get(id)
        await moves.stopEvacuating(id, caller.account.id)
        await record({ action: 'pool.stop-evacuating', subject: { kind: 'pool', id }, details: { name } })
        return {}
      },
    }),
  ]
}
